use crate::{CopyRows, Operands};

/// See [`CopyRows`].
pub fn copy(op: &CopyRows, _: usize, operands: &mut Operands<'_>) {
    let (x, behind) = (operands.input("x"), operands.input("behind"));
    for (r, out) in operands.output("y").chunks_exact_mut(op.width + op.behind).enumerate() {
        out[..op.width].copy_from_slice(&x[r * op.width..][..op.width]);
        out[op.width..].copy_from_slice(&behind[r * op.behind..][..op.behind]);
    }
}
