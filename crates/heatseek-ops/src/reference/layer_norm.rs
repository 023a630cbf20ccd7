use super::normalized_row;
use crate::{LayerNorm, Operands};

/// See [`LayerNorm`].
pub fn layer_norm(op: &LayerNorm, _rows: usize, operands: &mut Operands<'_>) {
    let (x, affine, y) = (operands.input("x"), operands.input("affine"), operands.output("y"));
    for (row, out) in x.chunks_exact(op.width).zip(y.chunks_exact_mut(op.width)) {
        for (o, v) in out.iter_mut().zip(normalized_row(row, affine, op.eps)) {
            *o = v as f32;
        }
    }
}
