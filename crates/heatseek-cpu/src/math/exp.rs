use super::polynomial;
use crate::simd::F32s;

/// 1.5 · 2²³ + 127: adding and subtracting it rounds to an integer without a call, and of the sum
/// [`F32s::exp2_of_rounded`] takes the low bits.
const ROUND: f32 = 12_583_039.0;

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
    let x = V::splat(-87.3).max(x);
    let x = V::splat(88.3).min(x);
    let rounded = x.mul_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND));
    let n = rounded.sub(V::splat(ROUND));
    let r = n.mul_add(V::splat(-LN2_HIGH), x);
    let r = n.mul_add(V::splat(-LN2_LOW), r);
    let p = polynomial(r, &[0.499_999_93, 0.166_665_2, 0.041_668_39, 8.368_749e-3, 1.381_450_6e-3]);
    let p = p.mul(r).mul_add(r, r).add(V::splat(1.0));
    p.mul(rounded.exp2_of_rounded())
}

/// `e^(scale · x)` of what is 0 at most, to be divided by the sum of many of which one is 1: within 3e-7, and within 2e-6
/// of its value where that is above 1e-7. Below 2^−125 it stays at about that. NaN of NaN.
///
/// As [`exp`], but the base of the exponent is 2 and the polynomial is shorter: its largest relative error is 1.1e-7.
pub(crate) struct Decay<V> {
    factor: V,
    lowest: V,
    round: V,
    coefficients: [V; 6],
}

impl<V: F32s> Decay<V> {
    /// For scales above 0.
    #[inline(always)]
    pub(crate) fn new(scale: f32) -> Self {
        let factor = scale * std::f32::consts::LOG2_E;
        let constants = V::constants(&[
            ROUND,
            1.0,
            std::f32::consts::LN_2,
            0.240_222_81,
            0.055_505_59,
            9.669_793e-3,
            1.330_053_2e-3,
        ]);
        let mut kept = [V::splat(0.0); 7];
        for (kept, constant) in kept.iter_mut().zip(constants) {
            *kept = V::splat(*constant);
        }
        let [round, coefficients @ ..] = kept;
        let (factor, lowest) = (V::splat(factor), V::splat(-125.0 / factor));
        Self { factor, lowest, round, coefficients }
    }

    /// Of each lane.
    #[inline(always)]
    pub(crate) fn of(&self, x: V) -> V {
        let x = self.lowest.max(x);
        let rounded = x.mul_add(self.factor, self.round);
        let r = x.mul_add(self.factor, self.round.sub(rounded));
        let [a, b, c, d, e, f] = self.coefficients;
        let p = f.mul_add(r, e).mul_add(r, d).mul_add(r, c).mul_add(r, b).mul_add(r, a);
        p.mul(rounded.exp2_of_rounded())
    }
}
