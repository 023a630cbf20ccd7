//! The attention of the poolers that have one: products of a query with the keys of tokens, softmax, the sum of
//! values so weighted.

use heatseek_ops::{Activation, Pooling, Tensor};

use crate::linear::{Linear, each};
use crate::math::{softmax_hiding, to_f64};
use crate::options::Options;
use crate::tokens::Tokens;
use crate::{AttentionForm, DeviceForm, Params, PoolError, Query, Skip, States};

/// Projections, each the identity where there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Projections {
    /// `[K, D]`.
    pub(crate) query: Option<Linear>,
    /// `[K, D]`.
    pub(crate) key: Option<Linear>,
    /// `[V, D]`.
    pub(crate) value: Option<Linear>,
    /// `[D', V]`.
    pub(crate) output: Option<Linear>,
}

impl Projections {
    /// Tensors `query`, `key`, `value`, `output`, each `.weight` and optionally `.bias`, as far as the file has them.
    pub(crate) fn read(params: Option<&Params>, width: usize) -> Result<Self, PoolError> {
        Self::read_some(params, width, &[])
    }

    /// The same for a file that may have none of them if it has one of `others`.
    pub(crate) fn read_some(
        params: Option<&Params>,
        width: usize,
        others: &[&str],
    ) -> Result<Self, PoolError> {
        let query = Linear::optional(params, "query", None, width)?;
        let keys = query.as_ref().map_or(width, |query| query.outputs);
        let key = match keys == width {
            true => Linear::optional(params, "key", Some(width), width)?,
            // A query of another width than the tokens cannot meet them as they are.
            false => params.map(|params| Linear::read(params, "key", Some(keys), width)).transpose()?,
        };
        let value = Linear::optional(params, "value", None, width)?;
        let values = value.as_ref().map_or(width, |value| value.outputs);
        let output = Linear::optional(params, "output", None, values)?;
        let read = Self { query, key, value, output };
        let ours = |params: &&Params| others.iter().any(|name| params.get(name).is_some());
        if let (Some(params), true) = (params.filter(|params| !ours(params)), read.is_identity()) {
            // Weights were given and none of them is ours: say so by the first.
            Linear::read(params, "query", Some(width), width)?;
        }
        Ok(read)
    }

    fn is_identity(&self) -> bool {
        [&self.query, &self.key, &self.value, &self.output].iter().all(|map| map.is_none())
    }

    /// K.
    pub(crate) fn keys(&self, width: usize) -> usize {
        self.key.as_ref().map_or(width, |key| key.outputs)
    }

    /// V.
    pub(crate) fn values(&self, width: usize) -> usize {
        self.value.as_ref().map_or(width, |value| value.outputs)
    }

    /// D'.
    pub(crate) fn width(&self, width: usize) -> usize {
        self.output.as_ref().map_or_else(|| self.values(width), |output| output.outputs)
    }

    /// Reads option `heads`, which must divide K and V.
    pub(crate) fn heads(
        &self,
        options: &mut Options<'_>,
        default: usize,
        width: usize,
    ) -> Result<usize, PoolError> {
        options.parts("heads", default, gcd(self.keys(width), self.values(width)))
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Where the query comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The mean of the tokens that count.
    Mean,
    /// The first of all tokens, whatever is left out.
    Cls,
    /// The last.
    Last,
    /// The mean of these, counted from the first token of all.
    Tokens(Vec<usize>),
    /// `[K]`, the same for every text.
    Learned(Vec<f32>),
}

impl Source {
    /// The query before its projection.
    pub(crate) fn of(
        &self,
        pooler: &'static str,
        states: &States<'_>,
        tokens: &Tokens,
    ) -> Result<Vec<f64>, PoolError> {
        let rows = match self {
            Self::Mean => return Ok(tokens.mean()),
            Self::Learned(query) => return Ok(to_f64(query)),
            _ if states.tokens == 0 => return Ok(vec![0.0; states.width]),
            Self::Cls => &[0][..],
            Self::Last => &[states.tokens - 1],
            Self::Tokens(these) => these,
        };
        let mut mean = vec![0.0; states.width];
        for &token in rows {
            if token >= states.tokens {
                return Err(PoolError::States {
                    pooler,
                    what: "the token that is the query".into(),
                    got: token.to_string(),
                    expected: format!("less than {}, the number of tokens", states.tokens),
                });
            }
            let row = states.row(states.last(), token);
            mean.iter_mut().zip(row).for_each(|(mean, &v)| *mean += f64::from(v) / rows.len() as f64);
        }
        Ok(mean)
    }

    /// As devices know it, if they do.
    fn on_device(&self) -> Option<Query> {
        match self {
            Self::Mean => Some(Query::Pooled(Pooling::Mean)),
            Self::Cls => Some(Query::Pooled(Pooling::Cls)),
            Self::Last => Some(Query::Pooled(Pooling::Last)),
            Self::Tokens(these) if these == &[0] => Some(Query::Pooled(Pooling::Cls)),
            Self::Tokens(_) => None,
            Self::Learned(query) => Some(Query::Constant(Tensor::new(&[query.len()], query.clone()))),
        }
    }
}

/// What products are divided by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scale {
    /// The root of the width of a head's keys.
    SqrtHead,
    /// The root of the width of all heads' keys.
    SqrtWidth,
    /// Nothing.
    One,
}

/// A whole attention.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) projections: Projections,
    pub(crate) heads: usize,
    pub(crate) scale: Scale,
    /// How many of the largest scores of each head are hidden.
    pub(crate) hide_top: usize,
}

impl Attention {
    /// Weights `[heads][tokens]` of a query that is projected already, `[K]`.
    pub(crate) fn weights(&self, query: &[f64], rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let keys = each(self.projections.key.as_ref(), rows);
        let (part, scale) = (query.len() / self.heads, self.scale(query.len()));
        let head = |head: usize| {
            let place = head * part..(head + 1) * part;
            let query = &query[place.clone()];
            let product =
                |key: &Vec<f64>| query.iter().zip(&key[place.clone()]).map(|(q, k)| q * k).sum::<f64>();
            let mut scores: Vec<f64> = keys.iter().map(|key| product(key) * scale).collect();
            softmax_hiding(&mut scores, self.hide_top);
            scores
        };
        (0..self.heads).map(head).collect()
    }

    /// `weights(query)` of the values, `[V]`, and the mean of the weights over the heads.
    pub(crate) fn attend(&self, query: &[f64], rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
        let weights = self.weights(query, rows);
        (sum_by_head(&weights, &each(self.projections.value.as_ref(), rows)), mean_of_heads(&weights))
    }

    /// The query, projected.
    pub(crate) fn query(&self, raw: &[f64]) -> Vec<f64> {
        self.projections.query.as_ref().map_or_else(|| raw.to_vec(), |map| map.apply(raw))
    }

    /// The result, projected.
    pub(crate) fn output(&self, vector: Vec<f64>) -> Vec<f64> {
        match &self.projections.output {
            None => vector,
            Some(map) => map.apply(&vector),
        }
    }

    fn scale(&self, keys: usize) -> f64 {
        match self.scale {
            Scale::SqrtHead => ((keys / self.heads) as f64).sqrt().recip(),
            Scale::SqrtWidth => (keys as f64).sqrt().recip(),
            Scale::One => 1.0,
        }
    }

    /// As devices run it, if they can; `key` is the activation behind the projection of keys.
    pub(crate) fn device_form(
        &self,
        source: &Source,
        residual: bool,
        key: Activation,
        width: usize,
    ) -> Option<DeviceForm> {
        let Projections { query: q, key: k, value: v, output: o } = &self.projections;
        // There the residual goes before the output projection, here behind it.
        if self.hide_top > 0 || (residual && o.is_some()) {
            return None;
        }
        let plain = |map: &Option<Linear>| map.as_ref().map(|map| map.projection(Activation::Identity));
        Some(DeviceForm::Attention(Box::new(AttentionForm {
            layer: None,
            query: source.on_device()?,
            query_projection: plain(q),
            key_projection: k.as_ref().map(|map| map.projection(key)),
            value_projection: plain(v),
            output_projection: plain(o),
            num_heads: self.heads,
            scale: self.scale(self.projections.keys(width)) as f32,
            skip: if residual { Skip::Raw } else { Skip::None },
        })))
    }
}

/// Head h weighs its part of the values: `[V]`, of no tokens empty.
pub(crate) fn sum_by_head(weights: &[Vec<f64>], values: &[Vec<f64>]) -> Vec<f64> {
    let width = values.first().map_or(0, Vec::len);
    let mut sum = vec![0.0; width];
    let part = (width / weights.len()).max(1);
    for (sum, (head, weights)) in sum.chunks_exact_mut(part).zip(weights.iter().enumerate()) {
        for (weight, value) in weights.iter().zip(values) {
            let value = &value[head * part..];
            sum.iter_mut().zip(value).for_each(|(sum, v)| *sum += weight * v);
        }
    }
    sum
}

/// `[tokens]`.
pub(crate) fn mean_of_heads(weights: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; weights.first().map_or(0, Vec::len)];
    for head in weights {
        mean.iter_mut().zip(head).for_each(|(mean, weight)| *mean += weight / weights.len() as f64);
    }
    mean
}
