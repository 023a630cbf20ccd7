use super::polynomial;
use crate::simd::F32s;

/// `e^x` within 2 ULP on [−87.3, 88.3], where results are normal numbers; below it stays at about `e^−87.3`, 1e-38,
/// and above at about `e^88.3`. NaN of NaN.
///
/// `2^n · e^r` with `n = round(x · log2 e)`, and on `|r| ≤ ln 2 / 2` a polynomial fitted so that the largest relative
/// error is least: 3e-9.
#[inline(always)]
pub(crate) fn exp<V: F32s>(x: V) -> V {
    // Cody & Waite's split of ln 2: the high part has enough trailing zeros for n · HIGH to be exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // 1.5 · 2²³: adding and subtracting it rounds to an integer without a call.
    const ROUND: f32 = 12_582_912.0;
    let x = V::splat(-87.3).max(x);
    let x = V::splat(88.3).min(x);
    let rounded = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND));
    let n = rounded.sub(V::splat(ROUND));
    let r = n.mul_add(V::splat(-LN2_HIGH), x);
    let r = n.mul_add(V::splat(-LN2_LOW), r);
    let p = polynomial(r, [0.499_999_93, 0.166_665_2, 0.041_668_39, 8.368_749e-3, 1.381_450_6e-3]);
    let p = p.mul(r).mul_add(r, r).add(V::splat(1.0));
    p.mul(rounded.exp2_of_rounded())
}
