use heatseek_ops::{LayerNorm, Operands};

use crate::{math, parallel};

/// See [`LayerNorm`].
pub(crate) fn layer_norm(op: &LayerNorm, operands: &mut Operands<'_>) {
    let (x, affine) = (operands.input("x"), operands.input("affine"));
    parallel::for_each_row(operands.output("y"), op.width, |r, out| {
        normalize_row(&x[r * op.width..][..op.width], affine, op.eps, out);
    });
}

/// Writes the LayerNorm of one row.
pub(crate) fn normalize_row(row: &[f32], affine: &[f32], eps: f32, out: &mut [f32]) {
    let (mean, rstd) = math::mean_and_rstd(row, eps);
    let (gamma, beta) = affine.split_at(row.len());
    for ((o, v), (g, b)) in out.iter_mut().zip(row).zip(gamma.iter().zip(beta)) {
        *o = (v - mean) * rstd * g + b;
    }
}
