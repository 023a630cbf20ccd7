use super::polynomial;
use crate::simd::F32s;

/// `tanh x` within 4e-7, absolute and relative. NaN of NaN.
///
/// `x · P(x²) / Q(x²)`, odd as tanh is, fitted on [0, 9.02] so that the largest relative error is least: 2.2e-8.
/// Beyond, tanh is 1 to within 3e-8.
#[inline(always)]
pub(crate) fn tanh<V: F32s>(x: V) -> V {
    let x = V::splat(-9.02).max(x);
    let x = V::splat(9.02).min(x);
    let square = x.mul(x);
    let p = polynomial(square, &[1.0, 0.133_799_85, 3.494_329_6e-3, 2.058_746e-5, 1.332_297_4e-8]);
    let q = polynomial(square, &[1.0, 0.467_133_01, 0.025_872_253, 3.283_537_4e-4, 7.763_955_3e-7]);
    x.mul(p).div(q)
}
