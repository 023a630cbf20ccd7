//! DyReLU: a piecewise linear activation whose slopes come from what it is applied to (row 112).

use crate::linear::Linear;
use crate::tokens::weighted;
use crate::{Params, PoolError};

/// `max(α_1 x + β_1, α_2 x + β_2)` of each channel, α and β from the mean of the tokens.
#[derive(Clone, Debug)]
pub(crate) struct DyRelu {
    /// `[s, D]`.
    squeeze: Linear,
    /// `[4D, s]`: what becomes α_1, β_1, α_2 and β_2, in the order of the authors' code.
    excite: Linear,
}

/// What α and β are where the network says nothing, hσ(0) = ½, and how far either way it can bring them: `max(x, 0)`.
const AROUND: [(f64, f64); 4] = [(1.0, 2.0), (0.0, 1.0), (0.0, 2.0), (0.0, 1.0)];

impl DyRelu {
    /// The names of the authors' file: `fc.0.weight` `[s, D]` and `fc.2.weight` `[4D, s]`, each optionally with `.bias`.
    pub(crate) fn read(params: &Params, width: usize) -> Result<Self, PoolError> {
        let squeeze = Linear::read(params, "fc.0", None, width)?;
        let excite = Linear::read(params, "fc.2", Some(4 * width), squeeze.outputs)?;
        Ok(Self { squeeze, excite })
    }

    /// Of each of `rows`, `[D]`.
    pub(crate) fn apply(&self, rows: &mut [Vec<f64>]) {
        let width = self.squeeze.inputs;
        let mean = weighted(rows, width, &vec![1.0 / rows.len() as f64; rows.len()]);
        let squeezed: Vec<f64> = self.squeeze.apply(&mean).into_iter().map(|v| v.max(0.0)).collect();
        let mut parts = self.excite.apply(&squeezed);
        for (part, (centre, reach)) in parts.chunks_exact_mut(width).zip(AROUND) {
            part.iter_mut().for_each(|v| *v = (hard_sigmoid(*v) - 0.5) * reach + centre);
        }
        for row in rows {
            for (c, x) in row.iter_mut().enumerate() {
                let [a_1, b_1, a_2, b_2] = [0, 1, 2, 3].map(|part| parts[part * width + c]);
                *x = (a_1 * *x + b_1).max(a_2 * *x + b_2);
            }
        }
    }
}

/// `clamp((x + 3) / 6, 0, 1)`.
pub(crate) fn hard_sigmoid(x: f64) -> f64 {
    ((x + 3.0) / 6.0).clamp(0.0, 1.0)
}
