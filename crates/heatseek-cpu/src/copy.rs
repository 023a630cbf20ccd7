use heatseek_ops::{CopyRows, Operands};

use crate::parallel;

/// See [`CopyRows`].
pub(crate) fn copy(op: &CopyRows, operands: &mut Operands<'_>) {
    let (x, behind) = (operands.input("x"), operands.input("behind"));
    parallel::for_each_row(operands.output("y"), op.width + op.behind, |r, out| {
        out[..op.width].copy_from_slice(&x[r * op.width..][..op.width]);
        out[op.width..].copy_from_slice(&behind[r * op.behind..][..op.behind]);
    });
}
