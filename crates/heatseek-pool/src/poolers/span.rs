//! A part of the text.

use serde_json::Value;

use super::Pool;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "span",
    aliases: &[],
    papers: &[(89, "Multi-head Span-based Detector for AI-generated Fragments in Scientific Papers")],
    equation: "mean or max of x_t over the tokens of [s, e)",
    options: "range=start+end (all), unit=characters (or tokens), pool=mean (or max)",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "a passage in the light of its whole text: late chunking, search by what is marked",
    make: |options, _, _| {
        let range = options.take("range", "two whole numbers, start and end", pair)?;
        let characters = options.word("unit", true, &[("characters", true), ("tokens", false)])?;
        let max = options.word("pool", false, &[("mean", false), ("max", true)])?;
        Ok(Box::new(Span { range, characters, max }))
    },
}];

/// Start and end of a range, which may be empty.
pub(crate) fn pair(value: &Value) -> Option<(usize, usize)> {
    let [start, end] = &value.as_array()?[..] else { return None };
    let (start, end) = (start.as_u64()? as usize, end.as_u64()? as usize);
    (start <= end).then_some((start, end))
}

/// Whether a token of these characters has some of `[start, end)`.
pub(crate) fn overlaps(offsets: (usize, usize), (start, end): (usize, usize)) -> bool {
    offsets.0 < offsets.1 && offsets.0 < end && start < offsets.1
}

/// Fails if tokens have no characters.
pub(crate) fn need_offsets(pooler: &'static str, states: &States<'_>) -> Result<(), PoolError> {
    match states.offsets.len() == states.tokens {
        true => Ok(()),
        false => Err(PoolError::States {
            pooler,
            what: "the number of character offsets".into(),
            got: states.offsets.len().to_string(),
            expected: format!("{}, one for each token; pictures have none", states.tokens),
        }),
    }
}

struct Span {
    range: Option<(usize, usize)>,
    characters: bool,
    max: bool,
}

impl Pool for Span {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        if self.characters && self.range.is_some() {
            need_offsets("span", states)?;
        }
        let inside = |token: &usize| match self.range {
            None => true,
            Some(range) if self.characters => overlaps(states.offsets[*token], range),
            Some((start, end)) => (start..end).contains(token),
        };
        let tokens = Tokens::counted(states);
        let inside: Vec<bool> = states.counted().map(|token| inside(&token)).collect();
        let n = inside.iter().filter(|inside| **inside).count();
        if n == 0 {
            return Ok(tokens.nothing(states.width));
        }
        if self.max {
            let mut most = vec![f64::NEG_INFINITY; states.width];
            for (row, _) in tokens.rows.iter().zip(&inside).filter(|(_, inside)| **inside) {
                most.iter_mut().zip(row).for_each(|(most, v)| *most = most.max(*v));
            }
            return Ok(tokens.pooled(&most, None));
        }
        let weights: Vec<f64> = inside.iter().map(|inside| f64::from(*inside) / n as f64).collect();
        Ok(tokens.pooled(&tokens.weighted(&weights), Some(&weights)))
    }
}
