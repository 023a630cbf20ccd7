use super::l2_normalized;
use crate::{L2Normalize, Operands};

/// See [`L2Normalize`].
pub fn l2_normalize(op: &L2Normalize, _rows: usize, operands: &mut Operands<'_>) {
    let (x, y) = (operands.input("x"), operands.output("y"));
    for (row, out) in x.chunks_exact(op.width).zip(y.chunks_exact_mut(op.width)) {
        let wide: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
        for (o, v) in out.iter_mut().zip(l2_normalized(&wide)) {
            *o = v as f32;
        }
    }
}
