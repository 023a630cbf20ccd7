//! Learned scores of tokens.

use crate::linear::Linear;
use crate::math::{dot, sigmoid};
use crate::{Params, PoolError};

/// What comes before the last product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Linear,
    /// `tanh(W x + b)`.
    Tanh,
    /// That times `σ(U x + c)`.
    Gated,
}

/// `w_b · f(x) + k_b` of branches b.
#[derive(Clone, Debug)]
pub(crate) struct Scorer {
    pub(crate) hidden: Option<Linear>,
    gate: Option<Linear>,
    pub(crate) score: Linear,
}

impl Scorer {
    /// Tensors `score` `[B, h]`, `hidden` `[h, D]` or, with a part of its own for each branch, `[B h, D]`, and `gate`
    /// like that; each `.weight` and optionally `.bias`.
    pub(crate) fn read(params: &Params, kind: Kind, width: usize) -> Result<Self, PoolError> {
        let hidden = match kind {
            Kind::Linear => None,
            _ => Some(Linear::read(params, "hidden", None, width)?),
        };
        let outputs = hidden.as_ref().map_or(width, |hidden| hidden.outputs);
        let gate = match kind {
            Kind::Gated => Some(Linear::read(params, "gate", Some(outputs), width)?),
            _ => None,
        };
        let branches =
            params.get("score.weight").and_then(|(shape, _)| shape.first().copied()).unwrap_or(1).max(1);
        // As wide as what all branches share, or as the part of each.
        let own = hidden.is_some()
            && outputs % branches == 0
            && params.get("score.weight").is_some_and(|(shape, _)| shape == [branches, outputs / branches]);
        let inputs = if own { outputs / branches } else { outputs };
        Ok(Self { hidden, gate, score: Linear::read(params, "score", Some(branches), inputs)? })
    }

    pub(crate) fn gated(&self) -> bool {
        self.gate.is_some()
    }

    pub(crate) fn branches(&self) -> usize {
        self.score.outputs
    }

    /// `[branches][tokens]`.
    pub(crate) fn scores(&self, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut scores = vec![Vec::new(); self.branches()];
        for row in rows {
            let mut x = row.clone();
            if let Some(hidden) = &self.hidden {
                x = hidden.apply(row).into_iter().map(f64::tanh).collect();
            }
            if let Some(gate) = &self.gate {
                x.iter_mut().zip(gate.apply(row)).for_each(|(x, gate)| *x *= sigmoid(gate));
            }
            let part = self.score.inputs;
            for (branch, scores) in scores.iter_mut().enumerate() {
                let first = if part < x.len() { branch * part } else { 0 };
                scores.push(dot(&x[first..][..part], self.score.row(branch)) + self.score.bias(branch));
            }
        }
        scores
    }
}
