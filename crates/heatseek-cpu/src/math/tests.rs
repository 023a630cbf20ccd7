//! On every instruction set of this machine, against f64.

use super::{Decay, dot, erf, exp, largest, mean_and_rstd, sum, tanh};
use crate::Isa;
use crate::simd::{F32s, Kernel};

/// Elementwise functions by name, because a kernel cannot hold generic ones.
#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    /// With this scale.
    Decay(f32),
    Erf,
    Tanh,
}

struct Apply<'a>(Function, &'a mut [f32]);

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        for chunk in self.1.chunks_mut(V::LANES) {
            // SAFETY: as many lanes as the chunk has.
            unsafe {
                let x = V::load_first(chunk.as_ptr(), chunk.len());
                let y = match self.0 {
                    Function::Exp => exp(x),
                    Function::Decay(scale) => Decay::new(scale).of(x),
                    Function::Erf => erf(x),
                    Function::Tanh => tanh(x),
                };
                y.store_first(chunk.as_mut_ptr(), chunk.len());
            }
        }
    }
}

fn apply(isa: Isa, function: Function, mut values: Vec<f32>) -> Vec<f32> {
    isa.run(Apply(function, &mut values));
    values
}

/// Floats of both signs from `least` to `most` in magnitude: every `step`th there is.
fn floats(least: f32, most: f32, step: usize) -> Vec<f32> {
    let magnitudes = (least.to_bits()..=most.to_bits()).step_by(step).map(f32::from_bits);
    magnitudes.flat_map(|v| [v, -v]).collect()
}

/// The largest absolute and relative errors over densely sampled floats.
fn worst(isa: Isa, function: Function, inputs: &[f32], truth: impl Fn(f64) -> f64) -> (f64, f64) {
    let outputs = apply(isa, function, inputs.to_vec());
    let mut worst = (0.0f64, 0.0f64);
    for (x, y) in inputs.iter().zip(outputs) {
        let expected = truth(f64::from(*x));
        let error = (f64::from(y) - expected).abs();
        assert!(error.is_finite(), "{function:?} of {x} is {y} on {isa}");
        worst = (worst.0.max(error), worst.1.max(error / expected.abs()));
    }
    worst
}

#[test]
fn exp_is_within_two_ulps() {
    let inputs: Vec<f32> =
        floats(1e-10, 88.3, 997).into_iter().filter(|x| (-87.3..=88.3).contains(x)).collect();
    for isa in Isa::available() {
        let outputs = apply(isa, Function::Exp, inputs.clone());
        let mut worst = 0.0f64;
        for (x, y) in inputs.iter().zip(outputs) {
            let expected = f64::from(*x).exp();
            let nearest = expected as f32;
            let ulp = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
            worst = worst.max((f64::from(y) - expected).abs() / ulp);
        }
        assert!(worst <= 2.0, "{worst} ULP on {isa}");
        let ends = apply(isa, Function::Exp, vec![0.0, -1e9, f32::NEG_INFINITY, 1e9, f32::NAN]);
        assert_eq!(ends[0], 1.0, "{isa}");
        assert!((0.0..2e-38).contains(&ends[1]) && (0.0..2e-38).contains(&ends[2]), "{ends:?} on {isa}");
        assert!(ends[3].is_finite() && ends[3] > 1e38 && ends[4].is_nan(), "{ends:?} on {isa}");
    }
}

#[test]
fn decay_is_within_its_bounds() {
    for (isa, scale) in Isa::available().flat_map(|isa| [(isa, 1.0), (isa, 0.176_776_7), (isa, 3.0)]) {
        // Down to e^−16, which is what f32 has beside 1, and to e^−80: the scale is rounded in the other base.
        for (most, bound) in [(16.0, 2e-6), (80.0, 1e-5)] {
            let inputs: Vec<f32> =
                floats(1e-10, most / scale, 997).into_iter().filter(|x| *x < 0.0).collect();
            let truth = |x: f64| (x * f64::from(scale)).exp();
            let (absolute, relative) = worst(isa, Function::Decay(scale), &inputs, truth);
            assert!(absolute <= 3e-7 && relative <= bound, "{absolute:e}, {relative:e} on {isa}");
        }
        let ends = apply(isa, Function::Decay(scale), vec![0.0, -1e9, f32::NEG_INFINITY, f32::NAN]);
        assert_eq!(ends[0], 1.0, "{isa}");
        assert!((0.0..4e-38).contains(&ends[1]) && (0.0..4e-38).contains(&ends[2]), "{ends:?} on {isa}");
        assert!(ends[3].is_nan(), "{ends:?} on {isa}");
    }
}

#[test]
fn tanh_is_within_its_bounds() {
    let inputs = floats(1e-10, 40.0, 997);
    for isa in Isa::available() {
        let (absolute, relative) = worst(isa, Function::Tanh, &inputs, f64::tanh);
        assert!(absolute <= 4e-7 && relative <= 4e-7, "{absolute:e}, {relative:e} on {isa}");
        let ends = apply(isa, Function::Tanh, vec![0.0, f32::INFINITY, f32::NAN]);
        assert!(ends[0] == 0.0 && (ends[1] - 1.0).abs() < 3e-7 && ends[2].is_nan(), "{ends:?} on {isa}");
    }
}

#[test]
fn erf_is_within_its_bounds() {
    let inputs = floats(1e-10, 10.0, 4999);
    // The reference's activation holds an erf good to 1e-15: gelu(√2 x) = x/√2 · (1 + erf x).
    let truth = |x: f64| {
        let gelu = heatseek_ops::reference::activation;
        let at = |x: f64| {
            gelu(heatseek_ops::Activation::GeluErf, x * std::f64::consts::SQRT_2) * std::f64::consts::SQRT_2
                / x
                - 1.0
        };
        // Near 0 that difference has lost its digits, and the series has not.
        if x.abs() < 1e-4 { std::f64::consts::FRAC_2_SQRT_PI * (x - x * x * x / 3.0) } else { at(x) }
    };
    for isa in Isa::available() {
        let (absolute, relative) = worst(isa, Function::Erf, &inputs, truth);
        assert!(absolute <= 3e-7 && relative <= 3e-7, "{absolute:e}, {relative:e} on {isa}");
        let ends = apply(isa, Function::Erf, vec![0.0, f32::INFINITY, f32::NAN]);
        assert!(ends[0] == 0.0 && (ends[1] - 1.0).abs() < 3e-7 && ends[2].is_nan(), "{ends:?} on {isa}");
    }
}

struct OfRows<'a>(&'a [f32], &'a [f32]);

impl Kernel for OfRows<'_> {
    type Output = [f32; 5];

    #[inline(always)]
    fn run<V: F32s>(self) -> [f32; 5] {
        let (mean, rstd) = mean_and_rstd::<V>(self.0, 1e-5);
        [dot::<V>(self.0, self.1), sum::<V>(self.0), largest::<V>(self.0), mean, rstd]
    }
}

#[test]
fn sums_of_rows_of_every_length_are_right() {
    for isa in Isa::available() {
        for len in 1..=70usize {
            let a: Vec<f32> = (0..len).map(|i| ((i * 37 % 19) as f32 - 9.0) / 8.0).collect();
            let b: Vec<f32> = (0..len).map(|i| ((i * 23 % 17) as f32 - 8.0) / 4.0).collect();
            let [dot, sum, largest, mean, rstd] = isa.run(OfRows(&a, &b));
            // Multiples of 1/32 below 2¹⁹: these sums are exact in any order.
            assert_eq!(dot, a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>(), "{len} on {isa}");
            assert_eq!(sum, a.iter().sum::<f32>(), "{len} on {isa}");
            assert_eq!(largest, a.iter().copied().fold(f32::NEG_INFINITY, f32::max), "{len} on {isa}");
            let truth = a.iter().map(|&v| f64::from(v)).sum::<f64>() / len as f64;
            let variance = a.iter().map(|&v| (f64::from(v) - truth).powi(2)).sum::<f64>() / len as f64;
            let expected = 1.0 / (variance + 1e-5).sqrt();
            assert!((f64::from(mean) - truth).abs() < 1e-6, "{len} on {isa}");
            assert!((f64::from(rstd) / expected - 1.0).abs() < 1e-5, "{len} on {isa}: {rstd}, {expected}");
        }
    }
}
