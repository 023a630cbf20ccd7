//! From attention options to runs, and from what the device wrote to maps.

use heatseek_attention::{Map, Mixing, Rollout, flow};
use heatseek_model::{HostTail, TextModel, VisionModel};
use heatseek_ops::{Batch, HeadFusion, Sequence};

use crate::attention::{AttentionMaps, AttentionOptions, MapLayout, Reduce};
use crate::device::Encoder;
use crate::runner::Runner;
use crate::{Control, Error, Progress, Stage};

/// Bytes of maps that one run reads back at most, unless one layer's are more: many layers of a long input are
/// better computed several times than held several times.
const BYTES_A_RUN: usize = 128 << 20;

/// An encoder whose layers can be looked into.
pub(crate) trait Layers: Encoder {
    /// Layers, heads, width of a hidden state.
    fn sizes(&self) -> [usize; 3];
    /// See [`TextModel::attention_output`].
    fn attention_output(&self, layer: usize, fusion: HeadFusion) -> String;
    /// See [`TextModel::rollout_outputs`].
    fn rollout_outputs(&self, layers: &[usize], fusion: HeadFusion) -> Vec<String>;
    /// See [`VisionModel::state_output`].
    fn state_output(&self) -> &'static str;
    /// See [`TextModel::host_tail`].
    fn host_tail(&self, normalize: Option<bool>) -> HostTail;
    /// The name of the model's own pooling.
    fn own_pooling(&self) -> &str;
    /// The width of the model's own vectors.
    fn embedding_dim(&self) -> usize;
}

macro_rules! layers {
    ($($model:ty),*) => {
        $(impl Layers for $model {
            fn sizes(&self) -> [usize; 3] {
                let spec = self.spec();
                [spec.num_hidden_layers, spec.num_attention_heads, spec.hidden_size]
            }

            fn attention_output(&self, layer: usize, fusion: HeadFusion) -> String {
                <$model>::attention_output(self, layer, fusion)
            }

            fn rollout_outputs(&self, layers: &[usize], fusion: HeadFusion) -> Vec<String> {
                <$model>::rollout_outputs(self, layers, fusion)
            }

            fn state_output(&self) -> &'static str {
                <$model>::state_output(self)
            }

            fn host_tail(&self, normalize: Option<bool>) -> HostTail {
                <$model>::host_tail(self, normalize)
            }

            fn own_pooling(&self) -> &str {
                &self.spec().pooling
            }

            fn embedding_dim(&self) -> usize {
                self.spec().embedding_dim
            }
        })*
    };
}

layers!(TextModel, VisionModel);

/// The map of one sequence, `[T, T]`, out of rows that are as wide as the longest sequence.
pub(crate) fn square(rows: &[f32], sequence: &Sequence, longest: usize) -> Vec<f32> {
    let of_sequence = rows.chunks_exact(longest.max(1)).skip(sequence.start).take(sequence.len);
    of_sequence.flat_map(|row| &row[..sequence.len]).copied().collect()
}

/// The attention of the one sequence of `batch`.
pub(crate) async fn look<E: Layers>(
    runner: &Runner<E>,
    mut batch: Batch,
    layout: MapLayout,
    options: &AttentionOptions,
    control: &dyn Control,
) -> Result<AttentionMaps, Error> {
    let wanted = Wanted::new(options, runner.encoder.sizes(), batch.rows())?;
    let session = Session { runner, control };
    let tokens = batch.rows();
    let queries = options.query.map_or(tokens, |_| 1);
    let on_host = options.reduce == Reduce::Flow || options.discard_ratio > 0.0;
    let data = match wanted.fusion {
        Some(fusion) => {
            if let Some(query) = options.query {
                batch.ask_about(&[query])?;
            }
            session.maps(&batch, &wanted, fusion).await?
        }
        None if on_host => session.through_on_host(&batch, &wanted, options).await?,
        None => {
            if let Some(query) = options.query {
                batch.ask_about(&[query])?;
            }
            batch.set_residual(options.residual as f32);
            session.rollout(&batch, &wanted, options.fusion).await?
        }
    };
    let shape = match wanted.fusion {
        Some(_) => [wanted.layers.len(), wanted.heads.len(), queries, tokens],
        None => [1, 1, queries, tokens],
    };
    let heads =
        if wanted.computed == 1 && wanted.fusion != Some(HeadFusion::Each) { vec![] } else { wanted.heads };
    Ok(AttentionMaps { data, shape, layers: wanted.layers, heads, layout })
}

/// Options checked against a model and an input.
struct Wanted {
    layers: Vec<usize>,
    /// How heads are fused in the maps that are wanted; `None` where it is no map but a rollout or flow.
    fusion: Option<HeadFusion>,
    /// All heads of the model, or 1 where they are fused.
    computed: usize,
    heads: Vec<usize>,
}

impl Wanted {
    fn new(options: &AttentionOptions, [layers, heads, _]: [usize; 3], tokens: usize) -> Result<Self, Error> {
        let AttentionOptions { reduce, query, fusion, residual, discard_ratio, .. } = options;
        if *reduce != Reduce::None && options.heads.is_some() {
            let got = format!("a choice of heads together with their {}", reduce.name());
            return Err(invalid("heads", got, "either, since all heads take part when they are reduced"));
        }
        if let Some(query) = query.filter(|&query| query >= tokens) {
            let expected = format!("one of the input's {tokens} tokens, counted from 0");
            return Err(invalid("query", query.to_string(), &expected));
        }
        if *reduce == Reduce::Flow && query.is_none() {
            return Err(invalid("query", "none".into(), "the token whose flow is wanted"));
        }
        if *fusion == HeadFusion::Each {
            return Err(invalid("fusion", fusion.name().into(), "mean, max or min"));
        }
        for (what, share) in [("residual", residual), ("discard ratio", discard_ratio)] {
            if !(0.0..1.0).contains(share) {
                return Err(invalid(what, share.to_string(), "a share: 0 or more, less than 1"));
            }
        }
        let maps = match reduce {
            Reduce::None => Some(HeadFusion::Each),
            Reduce::Mean => Some(HeadFusion::Mean),
            Reduce::Max => Some(HeadFusion::Max),
            Reduce::Min => Some(HeadFusion::Min),
            Reduce::Rollout | Reduce::Flow => None,
        };
        let mut layers = chosen("layers", options.layers.as_deref(), layers)?;
        if maps.is_none() {
            layers.sort_unstable();
            layers.dedup();
        }
        let each = maps == Some(HeadFusion::Each);
        Ok(Self {
            layers,
            fusion: maps,
            computed: if each { heads } else { 1 },
            heads: if each { chosen("heads", options.heads.as_deref(), heads)? } else { vec![0] },
        })
    }
}

struct Session<'a, E> {
    runner: &'a Runner<E>,
    control: &'a dyn Control,
}

impl<E: Layers> Session<'_, E> {
    fn progress(&self, loaded: usize, total: usize) {
        self.control.progress(Progress { stage: Stage::Attention, loaded, total });
    }

    async fn run(&self, batch: &Batch, outputs: &[String]) -> Result<Vec<Vec<f32>>, Error> {
        self.control.checkpoint().await?;
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        self.runner.run(batch, &outputs, self.control).await
    }

    /// Maps as the device writes them, `[queries, heads, tokens]` of each layer.
    async fn captured(
        &self,
        batch: &Batch,
        layers: &[usize],
        (fusion, heads): (HeadFusion, usize),
        take: &mut dyn FnMut(Vec<f32>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let bytes = 4 * batch.queries() * heads * batch.rows();
        let mut done = 0;
        self.progress(done, layers.len());
        for group in layers.chunks((BYTES_A_RUN / bytes.max(1)).max(1)) {
            let name = |&layer: &usize| self.runner.encoder.attention_output(layer, fusion);
            let outputs: Vec<String> = group.iter().map(name).collect();
            for layer in self.run(batch, &outputs).await? {
                take(layer)?;
                done += 1;
                self.progress(done, layers.len());
                self.control.checkpoint().await?;
            }
        }
        Ok(())
    }

    /// The wanted maps, one after another: what people read.
    async fn maps(&self, batch: &Batch, wanted: &Wanted, fusion: HeadFusion) -> Result<Vec<f32>, Error> {
        let (queries, tokens) = (batch.queries(), batch.rows());
        let Wanted { layers, computed, heads, .. } = wanted;
        let mut data = Vec::with_capacity(layers.len() * heads.len() * queries * tokens);
        self.captured(batch, layers, (fusion, *computed), &mut |layer| {
            for (&head, query) in heads.iter().flat_map(|head| (0..queries).map(move |query| (head, query))) {
                data.extend_from_slice(&layer[(query * computed + head) * tokens..][..tokens]);
            }
            Ok(())
        })
        .await?;
        Ok(data)
    }

    /// A rollout on the device, of which only the queries' rows leave it.
    async fn rollout(&self, batch: &Batch, wanted: &Wanted, fusion: HeadFusion) -> Result<Vec<f32>, Error> {
        let layers = &wanted.layers;
        self.progress(0, layers.len());
        let outputs = self.runner.encoder.rollout_outputs(layers, fusion);
        let mut values = self.run(batch, &outputs).await?;
        self.progress(layers.len(), layers.len());
        Ok(values.swap_remove(0))
    }

    /// A rollout with values discarded, or a flow: arithmetic in host memory over the fused maps of the device.
    async fn through_on_host(
        &self,
        batch: &Batch,
        wanted: &Wanted,
        options: &AttentionOptions,
    ) -> Result<Vec<f32>, Error> {
        let tokens = batch.rows();
        let mixing = Mixing { residual: options.residual, discard_ratio: options.discard_ratio };
        let fused = (options.fusion, 1);
        if let (Reduce::Flow, Some(query)) = (options.reduce, options.query) {
            let mut layers = Vec::with_capacity(wanted.layers.len());
            let mut keep = |layer| {
                layers.push(layer);
                Ok(())
            };
            self.captured(batch, &wanted.layers, fused, &mut keep).await?;
            let maps = layers.iter().map(|layer| Map::new(layer, tokens)).collect::<Result<Vec<_>, _>>()?;
            return Ok(flow(&maps, query, mixing)?);
        }
        let queries = options.query.map_or_else(|| (0..tokens).collect(), |query| vec![query]);
        let mut rollout = Rollout::new(tokens, &queries, mixing)?;
        let down: Vec<usize> = wanted.layers.iter().rev().copied().collect();
        let mut through = |layer: Vec<f32>| Ok(rollout.through(Map::new(&layer, tokens)?)?);
        self.captured(batch, &down, fused, &mut through).await?;
        Ok(rollout.into_rows())
    }
}

pub(crate) fn invalid(what: &str, got: String, expected: &str) -> Error {
    Error::InvalidInput { what: what.into(), got, expected: expected.into() }
}

/// The wanted ones of `count` layers or heads.
pub(crate) fn chosen(what: &str, wanted: Option<&[usize]>, count: usize) -> Result<Vec<usize>, Error> {
    let Some(wanted) = wanted else { return Ok((0..count).collect()) };
    let got = match wanted.iter().find(|&&index| index >= count) {
        Some(index) => index.to_string(),
        None if wanted.is_empty() => "none".to_owned(),
        None => return Ok(wanted.to_vec()),
    };
    Err(invalid(what, got, &format!("one or more of 0 to {}, counted from 0", count - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_cut_to_its_sequence() {
        let rows: Vec<f32> = (0..9).map(|v| v as f32).collect();
        let map = |start, len, longest| square(&rows, &Sequence { start, len, skip: 0 }, longest);
        assert_eq!(map(0, 1, 3), [0.0]);
        assert_eq!(map(1, 2, 3), [3.0, 4.0, 6.0, 7.0]);
        assert!(square(&[], &Sequence { start: 0, len: 0, skip: 0 }, 0).is_empty());
    }
}
