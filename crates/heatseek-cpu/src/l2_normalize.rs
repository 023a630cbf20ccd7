use heatseek_ops::{L2Normalize, Operands};

use crate::{math, parallel};

/// See [`L2Normalize`].
pub(crate) fn l2_normalize(op: &L2Normalize, operands: &mut Operands<'_>) {
    let x = operands.input("x");
    parallel::for_each_row(operands.output("y"), op.width, |r, out| {
        out.copy_from_slice(&x[r * op.width..][..op.width]);
        scale_to_unit(out);
    });
}

/// `v / max(‖v‖, 1e-12)`; the bound is PyTorch's `functional.normalize` default.
pub(crate) fn scale_to_unit(row: &mut [f32]) {
    let norm = math::dot(row, row).sqrt().max(1e-12);
    row.iter_mut().for_each(|v| *v /= norm);
}
