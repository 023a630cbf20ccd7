//! Elementwise functions that the compiler can vectorise: no branches, no calls.

/// `e^x` within 2 ULP for results that are normal numbers; 0 below, saturating at `e^88` above.
///
/// `2^n · e^r` with `n = round(x · log2 e)` and the Taylor series of `e^r` on `|r| ≤ ln 2 / 2`, whose first
/// dropped term `r⁷/7!` is 1.2e-7 · 2⁻⁴ of the result there.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Cody & Waite's split of ln 2: the high part has enough trailing zeros for n · HIGH to be exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // 1.5 · 2²³: adding and subtracting it rounds to an integer without a call.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-88.0, 88.0);
    let rounded = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // The low bits of `rounded` are n in two's complement, the others leave: a conversion would saturate, and
    // that costs more than the polynomial. 127 is the exponent's bias.
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    // Below e^-87.3 the result is no normal number any more: flush to zero, as GPUs may.
    if x < -87.3 { 0.0 } else { p * scale }
}

/// `tanh x`, absolute error below 3e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    // tanh saturates to ±1 in f32 from 9.02 on.
    let e = exp(2.0 * x.clamp(-9.02, 9.02));
    let value = (e - 1.0) / (e + 1.0);
    // Near zero the quotient loses digits that the odd series x − x³/3 still has.
    if x.abs() < 0.01 { x - x * x * x * (1.0 / 3.0) } else { value }
}

/// `erf x`, absolute error below 1.5e-7 (Abramowitz & Stegun 7.1.26).
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = 1.061_405_4 * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    (1.0 - p * t * exp(-a * a)).copysign(x)
}

/// `Σ a·b` in eight running sums, which the compiler keeps in vector registers.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_main, a_tail) = a.as_chunks::<8>();
    let (b_main, b_tail) = b.as_chunks::<8>();
    for (a, b) in a_main.iter().zip(b_main) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + tail
}

/// Mean of a row, and `1/√(variance + eps)`, in two passes.
pub(crate) fn mean_and_rstd(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row, |v| v) / n;
    let variance = sum(row, |v| (v - mean) * (v - mean)) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// The largest of `row`, in eight running ones; −∞ of none.
pub(crate) fn max(row: &[f32]) -> f32 {
    // Not `f32::max`: what that does with a NaN costs vectors.
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let mut largest = [f32::NEG_INFINITY; 8];
    let (main, tail) = row.as_chunks::<8>();
    for chunk in main {
        for i in 0..8 {
            largest[i] = larger(chunk[i], largest[i]);
        }
    }
    largest.iter().chain(tail).copied().fold(f32::NEG_INFINITY, larger)
}

/// `Σ f(v)` in eight running sums.
#[inline(always)]
pub(crate) fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0f32; 8];
    let (main, tail) = row.as_chunks::<8>();
    for chunk in main {
        for i in 0..8 {
            sums[i] += f(chunk[i]);
        }
    }
    sums.iter().sum::<f32>() + tail.iter().map(|&v| f(v)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 1000th float of the range, against f64.
    fn worst(range: f32, f: impl Fn(f32) -> f32, truth: impl Fn(f64) -> f64, relative: bool) -> f64 {
        let steps = 200_000;
        (0..=steps)
            .map(|i| -range + 2.0 * range * i as f32 / steps as f32)
            .map(|x| {
                let expected = truth(f64::from(x));
                let error = (f64::from(f(x)) - expected).abs();
                if relative { error / expected.abs().max(f64::MIN_POSITIVE) } else { error }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_within_its_bound() {
        assert!(worst(87.0, exp, f64::exp, true) < 2.5e-7);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), 0.0);
        assert!(exp(1e9).is_finite());
    }

    #[test]
    fn tanh_is_within_its_bound() {
        assert!(worst(20.0, tanh, f64::tanh, false) < 3e-7);
        assert!((tanh(1e-4) - 1e-4).abs() < 1e-11);
    }

    #[test]
    fn erf_is_within_its_bound() {
        // Values of DLMF table 7.23.
        for (x, expected) in
            [(0.0, 0.0), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_2), (6.0, 1.0)]
        {
            assert!((erf(x) - expected).abs() < 2.5e-7, "erf({x}) = {}", erf(x));
            assert!((erf(-x) + expected).abs() < 2.5e-7);
        }
    }
}
