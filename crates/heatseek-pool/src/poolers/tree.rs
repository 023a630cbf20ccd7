//! A soft tree of learned filters: row 63.

use super::Pool;
use crate::math::{dot, sigmoid};
use crate::options::Options;
use crate::pooler::Sizes;
use crate::regions::{filled, regions, side};
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{Params, PoolError, Pooled, States};

const TENSORS: &str = "leaves [M, K], nodes [M - 1, K]: K tokens of a window, of pictures its k × k patches; node i has nodes 2i + 1 and 2i + 2 below it, leaves behind the nodes";

pub(crate) const ROWS: &[Row] = &[Row {
    name: "tree",
    aliases: &[],
    papers: &[(63, "Mixed, gated and tree pooling")],
    equation: "of each window and channel x: leaf v_m · x, node σ(ω_m · x) left + (1 − σ) right; the mean of the windows by their length. A window that is not full is filled with its mean",
    options: "",
    tensors: TENSORS,
    kind: Kind::Learned,
    expect: "as good as its training; the order of tokens matters; no token weights",
    make: tree,
}];

struct Tree {
    leaves: Vec<f32>,
    nodes: Vec<f32>,
    size: usize,
}

fn tree(_: &mut Options<'_>, params: Option<&Params>, _: Sizes) -> Result<Box<dyn Pool>, PoolError> {
    let params = params.ok_or(PoolError::NeedsWeights { pooler: "tree", tensors: TENSORS })?;
    let (leaves, size) = match params.get("leaves") {
        Some((&[leaves, size], _)) => (leaves.max(1), size.max(1)),
        _ => (1, 1),
    };
    Ok(Box::new(Tree {
        leaves: params.require("leaves", &[leaves, size])?.to_vec(),
        nodes: params.require("nodes", &[leaves - 1, size])?.to_vec(),
        size,
    }))
}

impl Tree {
    /// Of node or leaf `place` and what is below it.
    fn of(&self, place: usize, x: &[f64]) -> f64 {
        match self.nodes.chunks_exact(self.size).nth(place) {
            Some(node) => {
                let left = sigmoid(dot(x, node));
                left * self.of(2 * place + 1, x) + (1.0 - left) * self.of(2 * place + 2, x)
            }
            None => dot(x, &self.leaves[place * self.size - self.nodes.len()..][..self.size]),
        }
    }
}

impl Pool for Tree {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let regions = regions(states, &tokens, side("tree", states, self.size)?);
        let counted: usize = regions.iter().map(Vec::len).sum();
        let mut vector = vec![0.0; states.width];
        for (c, out) in vector.iter_mut().enumerate() {
            for region in &regions {
                let x = filled(&tokens, region, c, self.size);
                *out += self.of(0, &x) * region.len() as f64 / counted as f64;
            }
        }
        Ok(tokens.pooled(&vector, None))
    }
}
