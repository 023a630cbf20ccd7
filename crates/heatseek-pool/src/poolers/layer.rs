//! Several layers: tokens of each reduced, then the layers, or the other way round.

use serde_json::Value;

use super::Pool;
use crate::downcast::Downcast;
use crate::math::{dot, softmax, to_f64};
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::weighted;
use crate::{Layers, Needs, Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "layer",
        aliases: &["layers"],
        papers: &[
            (3, "MaxPoolBERT: Enhancing BERT Classification via Layer- and Token-Wise Aggregation"),
            (23, "Pooling And Attention: What Are Effective Designs For LLM-Based Embedding Models?"),
            (76, "A BERTology View of LLM Orchestrations: Token- and Layer-Selective Probes"),
        ],
        equation: "s_l = tokens(Z_l), z = mix(s_1 … s_n); layers_first: tokens(mix(Z_1 … Z_n)); mha: W_up MHA(q, K = V = W_down x)",
        options: "layers=first_last (or last_4, or a list, 0 the embeddings), mix=mean (max, gate, mha, or numbers whose softmax weighs the layers), tokens=mean (max, cls, last, gate, mha), order=tokens_first (or layers_first), heads: of mha (1)",
        tensors: "w_tok [n, D] (layers_first: [1, D]) for tokens=gate, w_lay [D] for mix=gate; tok_mha and lay_mha for mha of tokens and layers, each .down.weight [p, D], .in_proj_weight [3p, p], .out_proj.weight [p, p], .up.weight [D, p], and optionally biases and .query [p] (the mean)",
        kind: Kind::Either,
        expect: "the mean of the first and the last layer is a strong baseline for models that were not trained to embed",
        make: |options, params, sizes| Ok(Box::new(layer(options, params, sizes)?)),
    },
    Row {
        name: "max_cls",
        aliases: &["maxcls"],
        papers: &[(3, "MaxPoolBERT: Enhancing BERT Classification via Layer- and Token-Wise Aggregation")],
        equation: "max over the last k layers of Z_l[cls]; layer:layers=last_k,tokens=cls has their mean",
        options: "k=3",
        tensors: "",
        kind: Kind::TrainingFree,
        expect: "between cls and mean",
        make: |options, _, sizes| {
            let layers = last(options, sizes)?;
            Ok(Box::new(LayerPool { layers, mix: Mix::Max, tokens: Stage::Cls, layers_first: false }))
        },
    },
];

/// Option `k`: the last so many layers.
pub(crate) fn last(options: &mut Options<'_>, sizes: Sizes) -> Result<Vec<usize>, PoolError> {
    let layers = sizes.num_hidden_layers;
    let k = options.count("k", 3.min(layers))?;
    match k <= layers {
        true => Ok((layers + 1 - k..=layers).collect()),
        false => Err(options.wrong("k", k.to_string(), &format!("at most {layers}"))),
    }
}

/// Option `layers`.
pub(crate) fn chosen(
    options: &mut Options<'_>,
    sizes: Sizes,
    default: Vec<usize>,
) -> Result<Vec<usize>, PoolError> {
    let most = sizes.num_hidden_layers;
    let one = |value: &Value| value.as_u64().map(|l| l as usize).filter(|l| *l <= most);
    let read = |value: &Value| match value {
        Value::Array(all) if !all.is_empty() => all.iter().map(one).collect(),
        Value::String(word) if word == "first_last" => Some(vec![1.min(most), most]),
        Value::String(word) => {
            let k = word.strip_prefix("last_")?.parse().ok().filter(|k| (1..=most).contains(k))?;
            Some((most + 1 - k..=most).collect())
        }
        value => Some(vec![one(value)?]),
    };
    let expected = format!("first_last, last_k, or layers from 0 to {most}");
    Ok(options.take("layers", &expected, read)?.unwrap_or(default))
}

enum Mix {
    Mean,
    Max,
    Weights(Vec<f64>),
    Gate(Vec<f32>),
    Mha(Box<Downcast>),
}

enum Stage {
    Mean,
    Max,
    Cls,
    Last,
    /// `[n, D]`.
    Gate(Vec<f32>),
    Mha(Box<Downcast>),
}

struct LayerPool {
    layers: Vec<usize>,
    mix: Mix,
    tokens: Stage,
    layers_first: bool,
}

fn layer(options: &mut Options<'_>, params: Option<&Params>, sizes: Sizes) -> Result<LayerPool, PoolError> {
    let most = sizes.num_hidden_layers;
    let layers = chosen(options, sizes, vec![1.min(most), most])?;
    let layers_first = options.word("order", false, &[("tokens_first", false), ("layers_first", true)])?;
    let (n, width) = (layers.len(), sizes.hidden_size);
    let learned = |name: &str, shape: &[usize]| match params {
        Some(params) => params.require(name, shape).map(<[f32]>::to_vec),
        None => Err(PoolError::NeedsWeights { pooler: "layer", tensors: "w_tok or w_lay for a gate" }),
    };
    let heads = options.count("heads", 1)?;
    let words = [("mean", 0), ("max", 1), ("cls", 2), ("last", 3), ("gate", 4), ("mha", 5)];
    let mha = |options: &Options<'_>, name: &str| match params {
        Some(params) => Downcast::read(options, params, name, width, heads),
        None => Err(PoolError::NeedsWeights { pooler: "layer", tensors: "tok_mha or lay_mha for mha" }),
    };
    let tokens = match options.word("tokens", 0, &words)? {
        0 => Stage::Mean,
        1 => Stage::Max,
        2 => Stage::Cls,
        3 => Stage::Last,
        5 => Stage::Mha(mha(options, "tok_mha")?.into()),
        _ => Stage::Gate(learned("w_tok", &[if layers_first { 1 } else { n }, width])?),
    };
    let expected = format!("mean, max, gate, mha, or {n} numbers");
    let numbers = |all: &[Value]| all.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
    let of_layers = mha(options, "lay_mha");
    let mix = options.take("mix", &expected, |value| match value {
        Value::Array(all) if all.len() == n => numbers(all).map(|scores| Ok(Mix::Weights(scores))),
        Value::String(word) => match &word[..] {
            "mean" => Some(Ok(Mix::Mean)),
            "max" => Some(Ok(Mix::Max)),
            "gate" => Some(learned("w_lay", &[width]).map(Mix::Gate)),
            "mha" => Some(of_layers.map(|mha| Mix::Mha(mha.into()))),
            _ => None,
        },
        _ => None,
    })?;
    let mut mix = mix.unwrap_or(Ok(Mix::Mean))?;
    if let Mix::Weights(scores) = &mut mix {
        softmax(scores);
    }
    Ok(LayerPool { layers, mix, tokens, layers_first })
}

impl LayerPool {
    /// One of several layers, and what each had of it.
    fn mix(&self, rows: &[Vec<f64>]) -> (Vec<f64>, Option<Vec<f64>>) {
        let weights = match &self.mix {
            Mix::Max => return (most(rows), None),
            Mix::Mean => vec![1.0 / rows.len() as f64; rows.len()],
            Mix::Weights(weights) => weights.clone(),
            Mix::Gate(gate) => gated(rows, gate),
            Mix::Mha(mha) => {
                let (vector, weights) = mha.apply(rows);
                return (vector, Some(weights));
            }
        };
        (weighted(rows, rows[0].len(), &weights), Some(weights))
    }

    /// One of all tokens of a layer, and what each had of it; `place` is that of the layer among those chosen.
    fn tokens(&self, rows: &[Vec<f64>], states: &States<'_>, place: usize) -> (Vec<f64>, Option<Vec<f64>>) {
        let counted = states.counted();
        let some = &rows[counted.clone()];
        let place_of = |token: usize| (0..rows.len()).map(|t| f64::from(t == token)).collect::<Vec<f64>>();
        let whole = |weights: Vec<f64>| [vec![0.0; counted.start], weights].concat();
        let weights = match &self.tokens {
            Stage::Max => return (most(some), None),
            Stage::Mean => whole(vec![1.0 / some.len() as f64; some.len()]),
            Stage::Cls => place_of(0),
            Stage::Last => place_of(rows.len() - 1),
            Stage::Mha(mha) => {
                let (vector, weights) = mha.apply(some);
                return (vector, Some(whole(weights)));
            }
            Stage::Gate(gates) => whole(gated(some, &gates[place * states.width..][..states.width])),
        };
        (weighted(rows, states.width, &weights), Some(weights))
    }
}

/// Softmax of `row · gate` over the rows.
fn gated(rows: &[Vec<f64>], gate: &[f32]) -> Vec<f64> {
    let mut scores: Vec<f64> = rows.iter().map(|row| dot(row, gate)).collect();
    softmax(&mut scores);
    scores
}

pub(crate) fn most(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut most = rows[0].clone();
    rows.iter().for_each(|row| most.iter_mut().zip(row).for_each(|(most, v)| *most = most.max(*v)));
    most
}

impl Pool for LayerPool {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let width = states.width;
        if states.counted().is_empty()
            && !(matches!(self.tokens, Stage::Cls | Stage::Last) && states.tokens > 0)
        {
            return Ok(Pooled { vectors: vec![0.0; width], width, weights: None });
        }
        let layers: Vec<Vec<Vec<f64>>> =
            states.hidden.iter().map(|layer| layer.chunks_exact(width).map(to_f64).collect()).collect();
        let (vector, weights) = if self.layers_first {
            let mixed =
                |t: usize| self.mix(&layers.iter().map(|layer| layer[t].clone()).collect::<Vec<_>>()).0;
            self.tokens(&(0..states.tokens).map(mixed).collect::<Vec<_>>(), states, 0)
        } else {
            let reduced: Vec<_> =
                layers.iter().enumerate().map(|(place, rows)| self.tokens(rows, states, place)).collect();
            let (vectors, weights): (Vec<_>, Vec<_>) = reduced.into_iter().unzip();
            let (vector, shares) = self.mix(&vectors);
            let weights: Option<Vec<Vec<f64>>> = weights.into_iter().collect();
            (vector, shares.zip(weights).map(|(shares, weights)| weighted(&weights, states.tokens, &shares)))
        };
        let f32s = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
        Ok(Pooled { vectors: f32s(vector), width, weights: weights.map(f32s) })
    }

    fn needs(&self) -> Needs {
        Needs { layers: Layers::These(self.layers.clone()), ..Needs::default() }
    }
}
