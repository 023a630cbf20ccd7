//! No pooling: each token its own vector.

use super::Pool;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "none",
    aliases: &["tokens"],
    papers: &[],
    equation: "x_t for every t that counts",
    options: "",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "late interaction by MaxSim; an index as long as its texts",
    make: |_, _, _| Ok(Box::new(EachToken)),
}];

struct EachToken;

impl Pool for EachToken {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        Ok(each_token(&Tokens::counted(states), states.width))
    }

    fn gives_several(&self) -> bool {
        true
    }
}

/// Each of the tokens alone.
pub(crate) fn each_token(tokens: &Tokens, width: usize) -> Pooled {
    let n = tokens.rows.len();
    let one = |token: usize| (0..n).map(|t| f64::from(t == token)).collect();
    let all: Vec<_> = tokens.rows.iter().enumerate().map(|(t, row)| (row.clone(), one(t))).collect();
    tokens.pooled_all(width, &all, true)
}
