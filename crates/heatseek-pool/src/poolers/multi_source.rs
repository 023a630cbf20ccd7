//! Several sources in one vector: the lines of a text, or given ranges of it.

use serde_json::Value;

use super::Pool;
use super::span::{need_offsets, overlaps, pair};
use crate::math::{dot, softmax};
use crate::matrix::{Matrix, columns};
use crate::registry::{Kind, Row};
use crate::tokens::{Tokens, weighted};
use crate::{Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "multi_source",
    aliases: &[],
    papers: &[(116, "Attention Strategies for Multi-Source Sequence-to-Sequence Learning")],
    equation: "e_t = mean·x_t/√D; flat: one softmax over all sources; hierarchical: one in each, then c_k by the softmax of mean·c_k/√D",
    options: "ranges=[[start, end], …] in characters (the lines of the text), kind=flat (or hierarchical), sentinel=energy of a source of zeros (none)",
    tensors: "W, U [D, a], v [a]: e_t = v·tanh(mean W + x_t U) instead; W_b, U_b, v_b likewise over the sources",
    kind: Kind::Either,
    expect: "queries of several passages; hierarchical lets a short one weigh as much as a long one",
    make: |options, params, sizes| {
        let read = |value: &Value| {
            let ranges: Option<Vec<_>> = value.as_array()?.iter().map(pair).collect();
            ranges.filter(|ranges| !ranges.is_empty())
        };
        let ranges = options.take("ranges", "a list of [start, end]", read)?;
        let hierarchical = options.word("kind", false, &[("flat", false), ("hierarchical", true)])?;
        let sentinel = options.take("sentinel", "a number", Value::as_f64)?;
        let read = |names| params.map(|params| Additive::read(params, names, sizes.hidden_size)).transpose();
        let outer = if hierarchical { read(["W_b", "U_b", "v_b"])? } else { None };
        Ok(Box::new(MultiSource { ranges, hierarchical, sentinel, inner: read(["W", "U", "v"])?, outer }))
    },
}];

struct MultiSource {
    ranges: Option<Vec<(usize, usize)>>,
    hierarchical: bool,
    sentinel: Option<f64>,
    /// Learned energies of tokens, and of sources; without them, products.
    inner: Option<Additive>,
    outer: Option<Additive>,
}

/// `v·tanh(s W + x U)`.
struct Additive {
    query: Matrix,
    key: Matrix,
    score: Vec<f32>,
}

impl Additive {
    fn read(params: &Params, [w, u, v]: [&str; 3], width: usize) -> Result<Self, PoolError> {
        let inner = columns(params, w, width)?;
        Ok(Self {
            query: Matrix::read(params, w, "", [width, inner])?,
            key: Matrix::read(params, u, "", [width, inner])?,
            score: params.require(v, &[inner])?.to_vec(),
        })
    }
}

/// Of `x` for `query`: learned, or their product over √D.
fn energy(learned: Option<&Additive>, query: &[f64], x: &[f64]) -> f64 {
    match learned {
        None => query.iter().zip(x).map(|(q, x)| q * x).sum::<f64>() / (x.len() as f64).sqrt(),
        Some(map) => {
            let sum = map.query.apply(query).into_iter().zip(map.key.apply(x));
            dot(&sum.map(|(q, k)| (q + k).tanh()).collect::<Vec<_>>(), &map.score)
        }
    }
}

impl MultiSource {
    /// The sources, as places among the tokens that count; a token is in the first it has characters of.
    fn sources(&self, states: &States<'_>) -> Result<Vec<Vec<usize>>, PoolError> {
        // Without lines, as of a picture, all is one source.
        if self.ranges.is_none() && states.lines.len() < 2 {
            return Ok(vec![(0..states.counted().len()).collect()]);
        }
        need_offsets("multi_source", states)?;
        let ends = states.lines.iter().skip(1).copied().chain([usize::MAX]);
        let lines = || states.lines.iter().copied().zip(ends).collect();
        let ranges: Vec<_> = self.ranges.clone().unwrap_or_else(lines);
        let mut sources = vec![Vec::new(); ranges.len()];
        for (place, token) in states.counted().enumerate() {
            if let Some(k) = ranges.iter().position(|range| overlaps(states.offsets[token], *range)) {
                sources[k].push(place);
            }
        }
        sources.retain(|source: &Vec<usize>| !source.is_empty());
        Ok(sources)
    }

    /// Softmax of energies and, if there is one, of the sentinel, whose share is dropped.
    fn shares(&self, energies: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut shares: Vec<f64> = energies.chain(self.sentinel).collect();
        softmax(&mut shares);
        if self.sentinel.is_some() {
            shares.pop();
        }
        shares
    }
}

impl Pool for MultiSource {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let sources = self.sources(states)?;
        let (query, width) = (tokens.mean(), states.width);
        let inner = |token: &usize| energy(self.inner.as_ref(), &query, &tokens.rows[*token]);
        let mut weights = vec![0.0; tokens.rows.len()];
        if self.hierarchical {
            for source in &sources {
                let mut shares: Vec<f64> = source.iter().map(inner).collect();
                softmax(&mut shares);
                source.iter().zip(shares).for_each(|(t, share)| weights[*t] = share);
            }
            let centre = |source: &Vec<usize>| {
                let only: Vec<f64> =
                    (0..weights.len()).map(|t| if source.contains(&t) { weights[t] } else { 0.0 }).collect();
                energy(self.outer.as_ref(), &query, &weighted(&tokens.rows, width, &only))
            };
            let outer = self.shares(sources.iter().map(centre));
            for (source, share) in sources.iter().zip(outer) {
                source.iter().for_each(|t| weights[*t] *= share);
            }
        } else {
            let places: Vec<usize> = sources.concat();
            let shares = self.shares(places.iter().map(inner));
            places.iter().zip(shares).for_each(|(t, share)| weights[*t] = share);
        }
        Ok(tokens.pooled(&tokens.weighted(&weights), Some(&weights)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pooler, PoolerSpec, Sizes};
    use heatseek_testkit::values;

    const SIZES: Sizes = Sizes { hidden_size: 2, num_hidden_layers: 1, num_attention_heads: 1 };

    fn pooled(spec: &str, hidden: &[f32], lines: &[usize]) -> Pooled {
        let offsets: Vec<_> = (0..hidden.len() / 2).map(|t| (t, t + 1)).collect();
        let states = States {
            hidden: vec![hidden],
            tokens: hidden.len() / 2,
            width: 2,
            offsets: &offsets,
            lines,
            ..States::default()
        };
        Pooler::new(&PoolerSpec::parse(spec).unwrap(), None, SIZES).unwrap().pool(&states).unwrap()
    }

    #[test]
    fn equal_energies_share_by_length_or_by_source() {
        let same = [1.0, 2.0].repeat(4);
        assert_eq!(pooled("multi_source", &same, &[0, 3]).weights.unwrap(), [0.25; 4]);
        let by_source = pooled("multi_source:kind=hierarchical", &same, &[0, 3]).weights.unwrap();
        for (got, expected) in by_source.iter().zip([1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 0.5]) {
            assert!((got - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn of_one_source_both_are_the_same_and_a_far_sentinel_is_none() {
        let hidden = values(3, 10, 1.0);
        let flat = pooled("multi_source", &hidden, &[0]);
        assert_eq!(pooled("multi_source:kind=hierarchical", &hidden, &[0]), flat);
        assert_eq!(pooled("multi_source:sentinel=-1e9", &hidden, &[0]), flat);
        assert!(pooled("multi_source:sentinel=9", &hidden, &[0]).weights.unwrap().iter().sum::<f32>() < 0.5);
    }
}
