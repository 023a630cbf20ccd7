//! The states that poolers need, for many poolers out of one forward.

use heatseek_ops::{Batch, HIDDEN, HeadFusion, Sequence};
use heatseek_pool::{Layers, Map, Needs, Pooler, Sizes, States};

use crate::{Control, EmbedOptions, Error, Model, Progress, Stage};

/// What is done with states: the place of the text, that of the pooler, and its states.
pub type Visit<'a> = dyn FnMut(usize, usize, &States<'_>) -> Result<(), Error> + 'a;

impl Model {
    /// The sizes that poolers are made for.
    pub fn pool_sizes(&self) -> Sizes {
        let config = self.text_model().config();
        Sizes {
            hidden_size: config.hidden_size,
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: config.num_attention_heads,
        }
    }

    /// Runs the model once on `texts`, and shows each pooler the states it needs of each text, in order of texts.
    /// Costs one forward, and reading back what any of them needs. `options` say prompt and length.
    ///
    /// # Errors
    /// Those of [`Model::embed`], of `visit`, and [`Error::InvalidInput`] for a pooler that needs separators in
    /// the text.
    pub async fn visit_states<S: AsRef<str>>(
        &self,
        texts: &[S],
        poolers: &[Pooler],
        options: &EmbedOptions,
        control: &dyn Control,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let wanted = Wanted::new(self, poolers)?;
        let names: Vec<&str> = wanted.outputs.iter().map(String::as_str).collect();
        let width = self.pool_sizes().hidden_size;
        let progress = |loaded| Progress { stage: Stage::Embed, loaded, total: texts.len() };
        control.progress(progress(0));
        let mut next = 0;
        while next < texts.len() {
            control.checkpoint().await?;
            let budget = self.runner.active().plan.preferred_rows();
            let (first, mut batch, mut offsets) = (next, Batch::new(), Vec::new());
            while next < texts.len() && batch.rows() < budget {
                let (_, encoding) = self.encoding(texts[next].as_ref(), options)?;
                // A batch may exceed its budget only by being a single text.
                if batch.rows() > 0 && batch.rows() + encoding.ids.len() > budget {
                    break;
                }
                self.text_model().push_sequence(&mut batch, &encoding.ids, &encoding.type_ids)?;
                offsets.push(encoding.offsets);
                next += 1;
            }
            batch.set_residual(ROLLOUT_RESIDUAL);
            let values = self.runner.run(&batch, &names, control).await?;
            for (at, (sequence, offsets)) in batch.sequences().iter().zip(&offsets).enumerate() {
                for (place, of) in wanted.of_poolers.iter().enumerate() {
                    let maps: Vec<Vec<f32>> =
                        of.maps.iter().map(|&map| square(&values[map], sequence, batch.longest())).collect();
                    let rows =
                        |&layer: &usize| &values[layer][sequence.start * width..][..sequence.len * width];
                    let states = States {
                        hidden: of.hidden.iter().map(rows).collect(),
                        tokens: sequence.len,
                        width,
                        maps: maps.iter().map(Vec::as_slice).collect(),
                        offsets,
                        ..States::default()
                    };
                    visit(first + at, place, &states)?;
                }
            }
            control.progress(progress(next));
        }
        Ok(())
    }
}

/// The share of the residual connection in a rollout, as Abnar & Zuidema (2020) have it.
const ROLLOUT_RESIDUAL: f32 = 0.5;

/// Outputs of the Program, and which of them each pooler is shown.
struct Wanted {
    outputs: Vec<String>,
    of_poolers: Vec<Places>,
}

struct Places {
    hidden: Vec<usize>,
    maps: Vec<usize>,
}

impl Wanted {
    fn new(model: &Model, poolers: &[Pooler]) -> Result<Self, Error> {
        let (text, mut outputs) = (model.text_model(), Vec::new());
        let mut of_poolers = Vec::new();
        for pooler in poolers {
            let Needs { layers, maps, landmarks } = pooler.needs();
            if landmarks.is_some() {
                return Err(Error::InvalidInput {
                    what: "pooling".into(),
                    got: format!("`{}`, which needs separators in the text", pooler.spec()),
                    expected: "poolers of the text as it is".into(),
                });
            }
            let hidden = match layers {
                Layers::Last => vec![place(&mut outputs, HIDDEN.to_owned())],
                Layers::These(layers) => {
                    layers.iter().map(|&layer| place(&mut outputs, text.hidden_output(layer))).collect()
                }
            };
            let maps = maps.iter().map(|map| match map {
                Map::Layer(layer) => place(&mut outputs, text.attention_output(*layer, HeadFusion::Mean)),
                Map::Rollout => {
                    let all: Vec<usize> = (0..model.pool_sizes().num_hidden_layers).collect();
                    let names = text.rollout_outputs(&all, HeadFusion::Mean);
                    let places: Vec<usize> =
                        names.into_iter().map(|name| place(&mut outputs, name)).collect();
                    places[0]
                }
            });
            let maps = maps.collect();
            of_poolers.push(Places { hidden, maps });
        }
        Ok(Self { outputs, of_poolers })
    }
}

/// The place of `name` among `outputs`, where it is put if it is not there.
fn place(outputs: &mut Vec<String>, name: String) -> usize {
    outputs.iter().position(|output| *output == name).unwrap_or_else(|| {
        outputs.push(name);
        outputs.len() - 1
    })
}

/// The map of one sequence, `[T, T]`, out of rows that are as wide as the longest sequence.
fn square(rows: &[f32], sequence: &Sequence, longest: usize) -> Vec<f32> {
    let of_sequence = rows.chunks_exact(longest).skip(sequence.start).take(sequence.len);
    of_sequence.flat_map(|row| &row[..sequence.len]).copied().collect()
}
