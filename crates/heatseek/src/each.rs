//! Many poolings of the same texts, out of one forward.

use std::collections::BTreeMap;

use heatseek_pool::{Pooled, PoolerSpec};

use crate::embed::Ready;
use crate::packer::{Packed, Packer};
use crate::way::{Outputs, RESIDUAL};
use crate::{Control, EmbedOptions, Error, Model, Progress, Stage};

/// What is done with each text under each pooling: the places of the two, and what pools it when called.
pub type Visit<'a> = dyn FnMut(usize, usize, &dyn Fn() -> Result<Pooled, Error>) -> Result<(), Error> + 'a;

impl Model {
    /// Embeds `texts` with each of `poolings`, as [`Model::embed`] does with one; `options` say the rest. Poolings
    /// share a forward, whose states are read back and pooled here; those that put landmarks into the text have one
    /// for themselves. Texts come in their order.
    ///
    /// # Errors
    /// Those of [`Model::embed`] and of `visit`.
    pub async fn embed_each<S: AsRef<str>>(
        &self,
        texts: &[S],
        poolings: &[PoolerSpec],
        options: &EmbedOptions,
        control: &dyn Control,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let mut groups: BTreeMap<Option<usize>, Vec<(usize, Ready)>> = BTreeMap::new();
        for (place, spec) in poolings.iter().enumerate() {
            let ready = self.ready(&EmbedOptions { pooling: Some(spec.clone()), ..options.clone() })?;
            groups.entry(ready.way.landmarks()).or_default().push((place, ready));
        }
        let total = texts.len() * groups.len();
        for (at, group) in groups.values().enumerate() {
            let progress = |loaded| {
                control.progress(Progress { stage: Stage::Embed, loaded: at * texts.len() + loaded, total });
            };
            self.embed_group(texts, group, control, &progress, visit).await?;
        }
        Ok(())
    }

    async fn embed_group<S: AsRef<str>>(
        &self,
        texts: &[S],
        group: &[(usize, Ready)],
        control: &dyn Control,
        progress: &dyn Fn(usize),
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let encoder = self.text_model();
        let mut outputs = Outputs::default();
        // SigLIP's head is no pooler, but no text has it as its own.
        let poolers =
            group.iter().filter_map(|(place, ready)| Some((*place, &ready.way, ready.way.pooler()?)));
        let poolers: Vec<_> = poolers
            .map(|(place, way, pooler)| (place, way, pooler, outputs.needed(encoder, pooler)))
            .collect();
        // They differ in nothing but pooling; one that pools here asks for what others can do without.
        let Some((_, ready)) = group.iter().find(|(_, ready)| ready.way.on_host()).or(group.first()) else {
            return Ok(());
        };
        let width = encoder.config().hidden_size;
        progress(0);
        let mut packer = Packer::new(self, ready, texts);
        while !packer.is_done() {
            control.checkpoint().await?;
            let first = packer.done();
            let budget = self.runner.active().plan.preferred_rows();
            let Packed { mut batch, inputs, .. } = packer.next(budget)?;
            batch.set_residual(RESIDUAL);
            let values = self.runner.run(&batch, &outputs.names(), control).await?;
            for (at, (sequence, input)) in batch.sequences().iter().zip(&inputs).enumerate() {
                for (place, way, pooler, needed) in &poolers {
                    let pool = || needed.pool(pooler, (&values, width), &batch, (sequence, input));
                    visit(first + at, *place, &|| Ok(way.finish(pool()?)))?;
                }
            }
            progress(packer.done());
        }
        Ok(())
    }
}
