use crate::{CopyRows, Operands};

/// See [`CopyRows`].
pub fn copy(_: &CopyRows, _: usize, operands: &mut Operands<'_>) {
    operands.output("y").copy_from_slice(operands.input("x"));
}
