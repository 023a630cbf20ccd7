use heatseek_ops::{CopyRows, Operands};

use crate::parallel;

/// See [`CopyRows`].
pub(crate) fn copy(op: &CopyRows, operands: &mut Operands<'_>) {
    let x = operands.input("x");
    parallel::for_each_row(operands.output("y"), op.width, |r, out| {
        out.copy_from_slice(&x[r * op.width..][..op.width]);
    });
}
