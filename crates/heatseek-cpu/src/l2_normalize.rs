use heatseek_ops::{L2Normalize, Operands};

use crate::math::dot;
use crate::simd::{F32s, Kernel};
use crate::{Isa, parallel};

/// See [`L2Normalize`].
pub(crate) fn l2_normalize(isa: Isa, op: &L2Normalize, operands: &mut Operands<'_>) {
    let x = operands.input("x");
    parallel::for_each_row(operands.output("y"), op.width, |r, out| {
        out.copy_from_slice(&x[r * op.width..][..op.width]);
        isa.run(Row(out));
    });
}

struct Row<'a>(&'a mut [f32]);

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        scale_to_unit::<V>(self.0);
    }
}

/// `v / max(‖v‖, 1e-12)`; the bound is PyTorch's `functional.normalize` default.
#[inline(always)]
pub(crate) fn scale_to_unit<V: F32s>(row: &mut [f32]) {
    let norm = dot::<V>(row, row).sqrt().max(1e-12);
    row.iter_mut().for_each(|v| *v /= norm);
}
