//! Several sources in one vector: the lines of a text, or given ranges of it.

use serde_json::Value;

use super::Pool;
use super::span::{need_offsets, overlaps, pair};
use crate::additive::{Additive, of_source};
use crate::math::softmax;
use crate::matrix::{Matrix, columns};
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "multi_source",
    aliases: &[],
    papers: &[(116, "Attention Strategies for Multi-Source Sequence-to-Sequence Learning")],
    equation: "e_t = mean·x_t/√D, z = Σ_k c_k U_c^k, c_k = Σ_t a_t x_t over the tokens of source k; flat: a is one softmax over all sources; hierarchical: one in each, and c_k times the softmax_k of mean·c_k/√D; concat: one in each, z = [c_1 U_c^1; …; c_K U_c^K]",
    options: "ranges=[[start, end], …] or start+end+… in characters (the lines of the text), kind=flat (or hierarchical, concat, which takes ranges), sentinel=energy of a source of zeros (none; not of concat)",
    tensors: "W, U [D, a], v [a]: e_t = v·tanh(mean W + x_t U) instead; W_b, U_b, v_b likewise over the sources; U_c [D, D'] (the identity); each with one dimension K in front where each source has its own",
    kind: Kind::Either,
    expect: "queries of several passages; hierarchical lets a short one weigh as much as a long one",
    make: multi_source,
}];

#[derive(Clone, Copy, PartialEq)]
enum Strategy {
    Flat,
    Hierarchical,
    Concat,
}

struct MultiSource {
    ranges: Option<Vec<(usize, usize)>>,
    strategy: Strategy,
    sentinel: Option<f64>,
    /// Learned energies of tokens, and of sources; without them, products.
    inner: Option<Additive>,
    outer: Option<Additive>,
    /// What each source is projected with.
    output: Option<Vec<Matrix>>,
}

/// A source that has tokens: its number, and their places among those that count.
type Source = (usize, Vec<usize>);

fn multi_source(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let width = sizes.hidden_size;
    let ranges = options.take("ranges", "a list of [start, end], or all of them in a row", read_ranges)?;
    let strategies =
        [("flat", Strategy::Flat), ("hierarchical", Strategy::Hierarchical), ("concat", Strategy::Concat)];
    let strategy = options.word("kind", Strategy::Flat, &strategies)?;
    let sentinel = options.take("sentinel", "a number", Value::as_f64)?;
    if strategy == Strategy::Concat {
        if ranges.is_none() {
            let expected = "flat or hierarchical without `ranges`, which say how many sources there are";
            return Err(options.wrong("kind", "concat".into(), expected));
        }
        if let Some(sentinel) = sentinel {
            return Err(options.wrong("sentinel", sentinel.to_string(), "none where kind is concat"));
        }
    }
    let output = params.filter(|params| params.get("U_c").is_some());
    let output = output
        .map(|params| Matrix::several(params, "U_c", "", [width, columns(params, "U_c", width)?]))
        .transpose()?;
    // A file with projections alone leaves the energies to products.
    let additive = params.filter(|params| output.is_none() || params.get("W").is_some());
    let read = |names| additive.map(|params| Additive::read(params, names, width)).transpose();
    let outer = if strategy == Strategy::Hierarchical { read(["W_b", "U_b", "v_b"])? } else { None };
    Ok(Box::new(MultiSource { ranges, strategy, sentinel, inner: read(["W", "U", "v"])?, outer, output }))
}

/// `[[start, end], …]`, or `[start, end, …]`, which text can say too.
fn read_ranges(value: &Value) -> Option<Vec<(usize, usize)>> {
    let all = value.as_array()?;
    let ranges: Option<Vec<_>> = match all.first()? {
        Value::Number(_) => all.chunks(2).map(|two| pair(&Value::Array(two.to_vec()))).collect(),
        _ => all.iter().map(pair).collect(),
    };
    ranges.filter(|ranges| !ranges.is_empty())
}

impl MultiSource {
    /// A token is in the first source it has characters of.
    fn sources(&self, states: &States<'_>) -> Result<Vec<Source>, PoolError> {
        // Without lines, as of a picture, all is one source.
        if self.ranges.is_none() && states.lines.len() < 2 {
            return Ok(vec![(0, (0..states.counted().len()).collect())]);
        }
        need_offsets("multi_source", states)?;
        let ends = states.lines.iter().skip(1).copied().chain([usize::MAX]);
        let lines = || states.lines.iter().copied().zip(ends).collect();
        let ranges: Vec<_> = self.ranges.clone().unwrap_or_else(lines);
        self.check(ranges.len())?;
        let mut sources: Vec<Source> = (0..ranges.len()).map(|k| (k, Vec::new())).collect();
        for (place, token) in states.counted().enumerate() {
            if let Some(k) = ranges.iter().position(|range| overlaps(states.offsets[token], *range)) {
                sources[k].1.push(place);
            }
        }
        sources.retain(|(_, places)| !places.is_empty());
        Ok(sources)
    }

    /// Fails if there are weights for fewer sources than `count`.
    fn check(&self, count: usize) -> Result<(), PoolError> {
        let additive = [&self.inner, &self.outer].into_iter().flatten().flat_map(Additive::sources);
        let output = self.output.iter().map(Vec::len).filter(|sources| *sources > 1);
        match additive.chain(output).min().filter(|least| *least < count) {
            None => Ok(()),
            Some(least) => Err(PoolError::States {
                pooler: "multi_source",
                what: "the number of sources".into(),
                got: count.to_string(),
                expected: format!("at most {least}, for which there are weights"),
            }),
        }
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

    /// What each token weighs in its source, which then weighs its share.
    fn weights(&self, tokens: &Tokens, sources: &[Source]) -> Vec<f64> {
        let (query, mut weights) = (tokens.mean(), vec![0.0; tokens.rows.len()]);
        let inner = |k: usize, token: usize| energy(self.inner.as_ref(), k, &query, &tokens.rows[token]);
        if self.strategy == Strategy::Flat {
            let places: Vec<(usize, usize)> =
                sources.iter().flat_map(|(k, places)| places.iter().map(|t| (*k, *t))).collect();
            let shares = self.shares(places.iter().map(|&(k, token)| inner(k, token)));
            places.iter().zip(shares).for_each(|((_, token), share)| weights[*token] = share);
            return weights;
        }
        for (k, places) in sources {
            let mut shares: Vec<f64> = places.iter().map(|token| inner(*k, *token)).collect();
            softmax(&mut shares);
            places.iter().zip(shares).for_each(|(token, share)| weights[*token] = share);
        }
        if self.strategy == Strategy::Hierarchical {
            let centre = |source: &Source| {
                energy(self.outer.as_ref(), source.0, &query, &context(tokens, &weights, &source.1))
            };
            let outer = self.shares(sources.iter().map(centre));
            for ((_, places), share) in sources.iter().zip(outer) {
                places.iter().for_each(|token| weights[*token] *= share);
            }
        }
        weights
    }
}

/// Of `x` for `query`: learned, or their product over √D.
fn energy(learned: Option<&Additive>, source: usize, query: &[f64], x: &[f64]) -> f64 {
    match learned {
        None => query.iter().zip(x).map(|(q, x)| q * x).sum::<f64>() / (x.len() as f64).sqrt(),
        Some(additive) => additive.energy(source, query, x),
    }
}

/// The sum of the tokens at `places`, so weighted.
fn context(tokens: &Tokens, weights: &[f64], places: &[usize]) -> Vec<f64> {
    let mut only = vec![0.0; weights.len()];
    places.iter().for_each(|token| only[*token] = weights[*token]);
    tokens.weighted(&only)
}

impl Pool for MultiSource {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let sources = self.sources(states)?;
        let mut weights = self.weights(&tokens, &sources);
        let part = self.part(states.width);
        let mut vector = vec![0.0; self.parts() * part];
        for (k, places) in &sources {
            let context = context(&tokens, &weights, places);
            let context = self.output.as_ref().map_or(context.clone(), |o| of_source(o, *k).apply(&context));
            let first = if self.strategy == Strategy::Concat { k * part } else { 0 };
            vector[first..][..part].iter_mut().zip(context).for_each(|(v, c)| *v += c);
        }
        // As heads that stand side by side: the mean over the parts.
        weights.iter_mut().for_each(|weight| *weight /= self.parts() as f64);
        Ok(tokens.pooled(&vector, Some(&weights)))
    }

    fn width(&self, sizes: Sizes) -> usize {
        self.parts() * self.part(sizes.hidden_size)
    }
}

impl MultiSource {
    /// How many vectors stand side by side.
    fn parts(&self) -> usize {
        match self.strategy {
            Strategy::Concat => self.ranges.as_ref().map_or(1, Vec::len),
            _ => 1,
        }
    }

    /// D', the width of each.
    fn part(&self, width: usize) -> usize {
        self.output.as_ref().map_or(width, |output| output[0].outputs())
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
