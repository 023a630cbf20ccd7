use super::polynomial;
use crate::simd::F32s;

/// `erf x` within 3e-7, absolute and relative. NaN of NaN.
///
/// `x · P(x²) / Q(x²)`, odd as erf is, fitted on [0, 3.9] so that the largest relative error is least: 1.8e-8.
/// Beyond, erf is 1 to within 3.5e-8.
#[inline(always)]
pub(crate) fn erf<V: F32s>(x: V) -> V {
    let x = V::splat(-3.9).max(x);
    let x = V::splat(3.9).min(x);
    let square = x.mul(x);
    let p = polynomial(
        square,
        &[
            std::f32::consts::FRAC_2_SQRT_PI,
            0.189_533_8,
            0.052_649_1,
            3.732_294_6e-3,
            2.848_681_6e-4,
            2.066_709_4e-6,
        ],
    );
    let q =
        polynomial(square, &[1.0, 0.501_302_8, 0.113_762_73, 0.014_902_161, 1.155_803_6e-3, 3.826_238_6e-5]);
    x.mul(p).div(q)
}
