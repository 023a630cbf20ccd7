//! From inputs to vectors: pooled by the device where it can, otherwise here, from states that it gives back.

use heatseek_model::HostTail;
use heatseek_ops::{Batch, HeadFusion, Pooling, Sequence};
use heatseek_pool::{
    DeviceForm, Layers as WantedLayers, Map, Needs, Params, Pooled, Pooler, PoolerSpec, Sizes, States,
};

use crate::look::{Layers, square};
use crate::runner::Runner;
use crate::{Control, Error};

/// The share of the residual connection in rollouts: attention and what it is added to weigh the same (Abnar &
/// Zuidema, 2020).
pub(crate) const RESIDUAL: f32 = 0.5;

/// What is wanted of vectors.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) pooling: Option<&'a PoolerSpec>,
    pub(crate) params: Option<&'a Params>,
    pub(crate) normalize: Option<bool>,
    pub(crate) truncate_dim: Option<usize>,
    /// Whether the weights of tokens are wanted.
    pub(crate) weights: bool,
}

/// What poolers need to know about a sequence of a batch beside its states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// Characters of each token in the text, without its prompt.
    pub(crate) offsets: Vec<(usize, usize)>,
    /// The first character of each line of the text.
    pub(crate) lines: Vec<usize>,
    /// Places of landmarks.
    pub(crate) landmarks: Vec<usize>,
    /// Prefix tokens, rows and columns of a picture.
    pub(crate) grid: Option<(usize, usize, usize)>,
}

impl Input {
    /// The same without token `token`.
    pub(crate) fn without(&self, token: usize) -> Self {
        let mut left = self.clone();
        if token < left.offsets.len() {
            left.offsets.remove(token);
        }
        left.landmarks.iter_mut().filter(|place| **place > token).for_each(|place| *place -= 1);
        left
    }
}

/// How vectors come about.
#[derive(Debug)]
pub(crate) struct Way {
    /// `None` is the model's own head.
    pooler: Option<Pooler>,
    /// Whether the device pools, if it can.
    fused: bool,
    normalize: Option<bool>,
    weights: bool,
    tail: HostTail,
    /// Elements of a vector before it is truncated, and those that are kept.
    whole: usize,
    kept: usize,
    /// What is to be told about the choice.
    pub(crate) warning: Option<String>,
}

/// The sizes that poolers ask for.
pub(crate) fn sizes(encoder: &impl Layers) -> Sizes {
    let [num_hidden_layers, num_attention_heads, hidden_size] = encoder.sizes();
    Sizes { hidden_size, num_hidden_layers, num_attention_heads }
}

impl Way {
    /// The way of `wanted`.
    ///
    /// # Errors
    /// [`Error::Pool`]; [`Error::InvalidInput`] for vectors that the model's Dense layers cannot take, a truncation
    /// to none or more elements than there are, or parameters without a pooling.
    pub(crate) fn new(encoder: &impl Layers, wanted: Wanted<'_>) -> Result<Self, Error> {
        let (own, sizes) = (encoder.own_pooling(), sizes(encoder));
        let named = wanted.pooling.filter(|spec| spec.name != "auto");
        if named.is_none() && wanted.params.is_some() {
            return Err(Error::InvalidInput {
                what: "pooling weights".into(),
                got: "some, but no pooling".into(),
                expected: "the pooling that they are of".into(),
            });
        }
        let pooler = match named {
            Some(spec) => Some(Pooler::new(spec, wanted.params, sizes)?),
            // SigLIP's head is none of the table.
            None => Pooling::from_name(own)
                .map(|pooling| Pooler::new(&PoolerSpec::named(pooling.name()), None, sizes))
                .transpose()?,
        };
        let chosen = named.and(pooler.as_ref());
        let warning = chosen.filter(|pooler| pooler.row().name != own).map(|pooler| {
            format!("the model's own pooling is `{own}`; it was asked for `{}`", pooler.row().name)
        });
        let on_device = |pooler: &Pooler| match pooler.device_form() {
            None => false,
            // The op of the others writes no weights.
            Some(form) => !wanted.weights || matches!(form, DeviceForm::Attention(_)),
        };
        let fused = pooler.as_ref().is_none_or(on_device);
        let tail = encoder.host_tail(wanted.normalize);
        let whole = match (&pooler, tail.widths()) {
            (None, _) => encoder.embedding_dim(),
            (Some(pooler), None) => pooler.width(),
            (Some(pooler), Some([takes, gives])) if pooler.width() == takes => gives,
            (Some(pooler), Some([takes, _])) => {
                return Err(Error::InvalidInput {
                    what: format!("pooling {}", pooler.spec()),
                    got: format!("vectors of {} elements", pooler.width()),
                    expected: format!("{takes}, which the model's Dense layers take"),
                });
            }
        };
        let kept = wanted.truncate_dim.unwrap_or(whole);
        if kept == 0 || kept > whole {
            return Err(Error::InvalidInput {
                what: "truncate_dim".into(),
                got: kept.to_string(),
                expected: format!("1 to {whole}, the elements of a vector"),
            });
        }
        let Wanted { normalize, weights, .. } = wanted;
        Ok(Self { pooler, fused, normalize, weights, tail, whole, kept, warning })
    }

    /// Elements of a vector.
    pub(crate) fn width(&self) -> usize {
        self.kept
    }

    /// `None` is the model's own head.
    pub(crate) fn pooler(&self) -> Option<&Pooler> {
        self.pooler.as_ref()
    }

    /// Whether an input may get several vectors.
    pub(crate) fn gives_several(&self) -> bool {
        self.pooler.as_ref().is_some_and(Pooler::gives_several)
    }

    /// Tokens between landmarks, if there are to be any.
    pub(crate) fn landmarks(&self) -> Option<usize> {
        self.pooler.as_ref()?.needs().landmarks
    }

    /// Whether inputs are pooled here, so that an [`Input`] matters.
    pub(crate) fn on_host(&self) -> bool {
        !self.fused
    }

    /// Whether a batch may hold one input only: maps are as large as the longest squared.
    pub(crate) fn alone(&self) -> bool {
        self.on_host() && self.pooler.as_ref().is_some_and(|pooler| !pooler.needs().maps.is_empty())
    }

    /// Whether vectors have unit length.
    pub(crate) fn normalizes(&self) -> bool {
        self.tail.normalizes()
    }

    /// What becomes of vectors that were pooled: [`HostTail`] and truncation, for each of them.
    pub(crate) fn finish(&self, pooled: Pooled) -> Pooled {
        let rows = pooled.vectors.chunks_exact(pooled.width.max(1));
        let vectors = rows.flat_map(|row| self.truncated(self.tail.apply(row))).collect();
        Pooled { vectors, width: self.kept, weights: pooled.weights }
    }

    /// How much each of `tokens` tokens weighs where the device pools; `states` are the rows that it pools.
    pub(crate) fn plain_weights(
        &self,
        states: &[f32],
        tokens: usize,
        skip: usize,
    ) -> Result<Option<Vec<f32>>, Error> {
        let Some(pooler) = self.pooler.as_ref().filter(|pooler| pooler.needs() == Needs::default()) else {
            return Ok(None);
        };
        let width = states.len() / tokens.max(1);
        let states = States { hidden: vec![states], tokens, width, skip, ..States::default() };
        Ok(pooler.pool(&states)?.weights)
    }

    fn truncated(&self, mut vector: Vec<f32>) -> Vec<f32> {
        if self.kept < self.whole {
            vector.truncate(self.kept);
            let length = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
            if self.normalizes() && length > 0.0 {
                vector.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
            }
        }
        vector
    }

    /// The vectors of each sequence of `batch`, and the outputs `also`. `inputs` are of the sequences where
    /// [`Way::on_host`].
    pub(crate) async fn vectors<E: Layers>(
        &self,
        runner: &Runner<E>,
        batch: &mut Batch,
        inputs: &[Input],
        also: &[&str],
        control: &dyn Control,
    ) -> Result<(Vec<Pooled>, Vec<Vec<f32>>), Error> {
        let mut outputs = Outputs::default();
        let also: Vec<usize> = also.iter().map(|name| outputs.place(name)).collect();
        let output = match self.fused {
            true => {
                let pooler = self.pooler.as_ref();
                runner.vector_output(pooler, self.normalize, self.weights, control).await?
            }
            false => None,
        };
        let (pooled, values) = match (output, &self.pooler) {
            (None, Some(pooler)) => {
                let needed = outputs.needed(&runner.encoder, pooler);
                batch.set_residual(RESIDUAL);
                let values = runner.run(batch, &outputs.names(), control).await?;
                let width = runner.encoder.sizes()[2];
                let pooled = batch
                    .sequences()
                    .iter()
                    .zip(inputs)
                    .map(|of| Ok(self.finish(needed.pool(pooler, (&values, width), batch, of)?)));
                (pooled.collect::<Result<Vec<_>, Error>>()?, values)
            }
            (Some(output), _) => {
                let at = outputs.place(&output.vectors);
                let weights = output.weights.map(|name| outputs.place(&name));
                let values = runner.run(batch, &outputs.names(), control).await?;
                let one = |(row, sequence): (&[f32], &Sequence)| Pooled {
                    vectors: self.truncated(row.to_vec()),
                    width: self.kept,
                    weights: weights.map(|at| mean_of_heads(&values[at], batch.rows(), sequence)),
                };
                let rows = values[at].chunks_exact(self.whole);
                (rows.zip(batch.sequences()).map(one).collect(), values)
            }
            // The model's own head is part of its Program.
            (None, None) => (Vec::new(), Vec::new()),
        };
        Ok((pooled, also.into_iter().map(|at| values[at].clone()).collect()))
    }
}

/// Where the vectors of many inputs are collected: data, the number of vectors, those of each input and the weights,
/// where these are wanted.
pub(crate) struct Collected<'a> {
    pub(crate) data: &'a mut Vec<f32>,
    pub(crate) count: &'a mut usize,
    pub(crate) counts: &'a mut Option<Vec<usize>>,
    pub(crate) weights: &'a mut Option<Vec<Vec<f32>>>,
}

impl Collected<'_> {
    /// Weights are dropped if an input has none.
    pub(crate) fn extend(&mut self, pooled: Vec<Pooled>) {
        for Pooled { vectors, width, weights } in pooled {
            let count = vectors.len() / width.max(1);
            *self.count += count;
            self.data.extend(vectors);
            self.counts.iter_mut().for_each(|counts| counts.push(count));
            match (&mut *self.weights, weights) {
                (Some(all), Some(weights)) => all.push(weights),
                (all, _) => *all = None,
            }
        }
    }
}

/// What the heads gave to each token of `sequence`, of `weights` `[rows, heads]`: the mean.
fn mean_of_heads(weights: &[f32], rows: usize, sequence: &Sequence) -> Vec<f32> {
    let heads = weights.len() / rows.max(1);
    let of_tokens = &weights[sequence.start * heads..][..sequence.len * heads];
    let mean = |of_token: &[f32]| of_token.iter().map(|&v| f64::from(v)).sum::<f64>() / heads as f64;
    of_tokens.chunks_exact(heads.max(1)).map(|of_token| mean(of_token) as f32).collect()
}

/// Outputs to ask for, each once.
#[derive(Default)]
pub(crate) struct Outputs(Vec<String>);

impl Outputs {
    fn place(&mut self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// Where the hidden states and the maps are that `pooler` needs.
    pub(crate) fn needed(&mut self, encoder: &impl Layers, pooler: &Pooler) -> Needed {
        let last = encoder.sizes()[0];
        let needs = pooler.needs();
        let states = match needs.layers {
            WantedLayers::Last => vec![last],
            WantedLayers::These(layers) => layers,
        };
        let state = |&layer: &usize| match layer == last {
            // What the model itself pools: of some models there is a LayerNorm behind the last layer.
            true => encoder.state_output().to_owned(),
            false => encoder.hidden_output(layer),
        };
        let states = states.iter().map(|layer| self.place(&state(layer))).collect();
        let mut maps = Vec::new();
        for map in needs.maps {
            maps.push(match map {
                Map::Layer(layer) => self.place(&encoder.attention_output(layer, HeadFusion::Mean)),
                Map::Rollout => {
                    let all: Vec<usize> = (0..last).collect();
                    let names = encoder.rollout_outputs(&all, HeadFusion::Mean);
                    let places: Vec<usize> = names.iter().map(|name| self.place(name)).collect();
                    places[0]
                }
            });
        }
        Needed { states, maps }
    }
}

/// Where the states and the maps that a pooler needs are among the values of a run.
pub(crate) struct Needed {
    states: Vec<usize>,
    maps: Vec<usize>,
}

impl Needed {
    /// Pools one sequence of `batch` with what is known of it; hidden states are `width` wide.
    pub(crate) fn pool(
        &self,
        pooler: &Pooler,
        (values, width): (&[Vec<f32>], usize),
        batch: &Batch,
        (sequence, input): (&Sequence, &Input),
    ) -> Result<Pooled, Error> {
        let rows = |&at: &usize| &values[at][sequence.start * width..][..sequence.len * width];
        let maps: Vec<Vec<f32>> =
            self.maps.iter().map(|&at| square(&values[at], sequence, batch.longest())).collect();
        Ok(pooler.pool(&States {
            hidden: self.states.iter().map(rows).collect(),
            tokens: sequence.len,
            width,
            skip: sequence.skip,
            maps: maps.iter().map(Vec::as_slice).collect(),
            offsets: &input.offsets,
            lines: &input.lines,
            landmarks: &input.landmarks,
            grid: input.grid,
        })?)
    }
}
