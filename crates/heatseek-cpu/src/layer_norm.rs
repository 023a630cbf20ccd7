use heatseek_ops::{LayerNorm, Operands};

use crate::math::mean_and_rstd;
use crate::simd::{F32s, Kernel, load_up_to, store_up_to};
use crate::{Isa, parallel};

/// See [`LayerNorm`].
pub(crate) fn layer_norm(isa: Isa, op: &LayerNorm, operands: &mut Operands<'_>) {
    let (x, affine) = (operands.input("x"), operands.input("affine"));
    parallel::for_each_row(operands.output("y"), op.width, |r, out| {
        isa.run(Row { row: &x[r * op.width..][..op.width], affine, eps: op.eps, out });
    });
}

struct Row<'a> {
    row: &'a [f32],
    affine: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let moments = mean_and_rstd::<V>(self.row, self.eps);
        let (gamma, beta) = self.affine.split_at(self.row.len());
        normalize::<V>(self.row, moments, gamma, beta, self.out);
    }
}

/// Writes `(row − mean) · rstd · gamma + beta`, of a row or of some of its columns.
#[inline(always)]
pub(crate) fn normalize<V: F32s>(
    row: &[f32],
    (mean, rstd): (f32, f32),
    gamma: &[f32],
    beta: &[f32],
    out: &mut [f32],
) {
    let (mean, rstd) = (V::splat(mean), V::splat(rstd));
    let len = out.len();
    assert!(row.len() >= len && gamma.len() >= len && beta.len() >= len, "a row has its affine");
    for at in (0..len).step_by(V::LANES) {
        let left = len - at;
        // SAFETY: as asserted.
        unsafe {
            let value = load_up_to::<V>(row.as_ptr().add(at), left).sub(mean).mul(rstd);
            let gamma = load_up_to(gamma.as_ptr().add(at), left);
            let value = value.mul_add(gamma, load_up_to(beta.as_ptr().add(at), left));
            store_up_to(value, out.as_mut_ptr().add(at), left);
        }
    }
}
