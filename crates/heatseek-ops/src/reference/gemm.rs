use super::mean_and_variance;
use crate::bf16;
use crate::int8::{BLOCK, QuantizedWeight, RowBits, quantize_block, quantize_row};
use crate::{Activation, Gemm, Operands, Residual};

/// See [`Gemm`].
pub fn gemm(op: &Gemm, rows: usize, operands: &mut Operands<'_>) {
    let (weight, colsum) = (operands.input("weight"), operands.input("colsum"));
    with_products(op, rows, operands, |row, mean, out| {
        for (j, out) in out.iter_mut().enumerate() {
            let folded = if op.norm_in.is_some() { mean * f64::from(colsum[j]) } else { 0.0 };
            *out = dot(row, &weight[j * op.k..][..op.k]) - folded;
        }
    });
}

/// The same with the rows of `x` rounded to bf16 as they are met, as `weight [n, k]` has been: see [`crate::bf16`].
pub fn gemm_bf16(op: &Gemm, rows: usize, weight: &[f32], operands: &mut Operands<'_>) {
    let colsum = operands.input("colsum");
    let mut rounded = vec![0.0; op.k];
    with_products(op, rows, operands, |row, mean, out| {
        rounded.iter_mut().zip(row).for_each(|(to, &from)| *to = bf16::rounded(from));
        for (j, out) in out.iter_mut().enumerate() {
            let folded = if op.norm_in.is_some() { mean * f64::from(colsum[j]) } else { 0.0 };
            *out = dot(&rounded, &weight[j * op.k..][..op.k]) - folded;
        }
    });
}

/// The same in 8 bits, with exact sums: see [`crate::int8`].
pub fn gemm_int8(
    op: &Gemm,
    rows: usize,
    weight: &QuantizedWeight,
    bits: RowBits,
    operands: &mut Operands<'_>,
) {
    let mut integers = vec![0i8; op.k];
    with_products(op, rows, operands, |row, mean, out| {
        let quantized = quantize_row(row, bits, &mut integers);
        let centred = f64::from(quantized.middle) - mean;
        for (j, out) in out.iter_mut().enumerate() {
            let row = &weight.values[j * op.k..][..op.k];
            let sum: i64 = integers.iter().zip(row).map(|(&q, &v)| i64::from(q) * i64::from(v)).sum();
            *out = f64::from(weight.scales[j])
                * (f64::from(quantized.scale) * sum as f64 + centred * f64::from(weight.sums[j]));
        }
    });
}

/// The same with a scale for each block of a row, as GPUs do it.
pub fn gemm_int8_blocks(op: &Gemm, rows: usize, weight: &QuantizedWeight, operands: &mut Operands<'_>) {
    let mut integers = [0i8; BLOCK];
    with_products(op, rows, operands, |row, mean, out| {
        for (j, out) in out.iter_mut().enumerate() {
            *out = -mean * f64::from(weight.sums[j]);
        }
        for (block, at) in row.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
            let scale = f64::from(quantize_block(block, &mut integers));
            for (j, out) in out.iter_mut().enumerate() {
                let row = &weight.values[j * op.k + at..][..block.len()];
                let sum: i32 = integers.iter().zip(row).map(|(&q, &v)| i32::from(q) * i32::from(v)).sum();
                *out += scale * f64::from(sum);
            }
        }
        for (out, scale) in out.iter_mut().zip(&weight.scales) {
            *out *= f64::from(*scale);
        }
    });
}

/// A GEMM whose `products(row, mean, out)` of a row, less `mean` times the sums of the weight's rows, are computed in
/// whatever way; `mean` is 0 without a folded LayerNorm.
fn with_products(
    op: &Gemm,
    rows: usize,
    operands: &mut Operands<'_>,
    mut products: impl FnMut(&[f32], f64, &mut [f64]),
) {
    let (k, n) = (op.k, op.n);
    let (x, bias, residual) = (operands.input("x"), operands.input("bias"), operands.input("residual"));
    let (residual_stats, residual_affine) =
        (operands.input("residual_stats"), operands.input("residual_affine"));
    let (y, stats) = (operands.output("y"), operands.output("stats"));
    let mut sums = vec![0.0f64; n];
    for r in 0..rows {
        let row = &x[r * k..][..k];
        let (mean, rstd) = match op.norm_in {
            Some(eps) => {
                let (mean, variance) = mean_and_variance(row);
                (mean, 1.0 / (variance + f64::from(eps)).sqrt())
            }
            None => (0.0, 1.0),
        };
        if op.norm_in.is_some() {
            stats[2 * r] = mean as f32;
            stats[2 * r + 1] = rstd as f32;
        }
        products(row, mean, &mut sums);
        for (j, sum) in sums.iter().enumerate() {
            let mut v = activation(op.activation, rstd * sum + f64::from(bias[j]));
            match op.residual {
                Residual::None => {}
                Residual::Add => v += f64::from(residual[r * n + j]),
                Residual::AddNormalized => {
                    let (mean, rstd) = (residual_stats[2 * r], residual_stats[2 * r + 1]);
                    let centred = f64::from(residual[r * n + j]) - f64::from(mean);
                    v += centred * f64::from(rstd) * f64::from(residual_affine[j])
                        + f64::from(residual_affine[n + j]);
                }
            }
            y[r * n + j] = v as f32;
        }
    }
}

/// A dot product in f64. Four running sums, because one would make whole models take minutes.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f64; 4];
    for (a, b) in a.chunks(4).zip(b.chunks(4)) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f64::from(a) * f64::from(b);
        }
    }
    sums.iter().sum()
}

/// The activation in f64.
pub fn activation(kind: Activation, v: f64) -> f64 {
    match kind {
        Activation::Identity => v,
        Activation::GeluErf => 0.5 * v * (1.0 + erf(v * std::f64::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            // 0.044715: Hendrycks & Gimpel, "Gaussian Error Linear Units" (arXiv 1606.08415), section 2.
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v);
            0.5 * v * (1.0 + inner.tanh())
        }
        Activation::Relu => v.max(0.0),
        Activation::Silu => v / (1.0 + (-v).exp()),
        Activation::Tanh => v.tanh(),
        // 1.702: Hendrycks & Gimpel, as above; "GELU approximation".
        Activation::QuickGelu => v / (1.0 + (-1.702 * v).exp()),
    }
}

/// `erf` to about 1e-15: its Maclaurin series up to |x| = 3, the continued fraction of `erfc` beyond
/// (Abramowitz & Stegun 7.1.6 and 7.1.14).
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    let scale = (-a * a).exp() / std::f64::consts::PI.sqrt();
    let magnitude = if a < 3.0 {
        let (mut term, mut sum, mut i) = (a, a, 0.0);
        while term > sum * 1e-17 {
            i += 1.0;
            term *= 2.0 * a * a / (2.0 * i + 1.0);
            sum += term;
        }
        2.0 * scale * sum
    } else {
        let fraction = (1..=60).rev().fold(a, |tail, i| a + f64::from(i) / 2.0 / tail);
        1.0 - scale / fraction
    };
    magnitude.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_matches_published_values() {
        // Abramowitz & Stegun, table 7.1, and erf(3.5) from DLMF 7.23.
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
            (3.5, 0.999_999_256_901_627_7),
        ] {
            assert!((erf(x) - expected).abs() < 2e-15, "erf({x}) = {} not {expected}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }

    /// What int8 may differ from f32 by: half a step of each factor, times the other one's magnitudes.
    #[test]
    fn int8_stays_within_its_bound_of_f32() {
        use crate::Operand;
        let (rows, k, n) = (3, 68, 4);
        let wave =
            |len: usize, step: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * step).sin()).collect() };
        let (x, weight, bias) = (wave(rows * k, 0.7), wave(n * k, 1.3), wave(n, 2.1));
        let op = Gemm::linear(k, n);
        let quantized = QuantizedWeight::new(&weight, k);
        type Run<'a> = &'a dyn Fn(&mut Operands<'_>);
        let run = |run: Run<'_>| {
            let mut y = vec![0.0; rows * n];
            let inputs = [("x", &x), ("weight", &weight), ("bias", &bias)];
            let inputs = inputs.map(|(name, values)| (name, Operand::F32(values))).to_vec();
            let mut operands = Operands::new(inputs, [("y", &mut y[..])]);
            run(&mut operands);
            y
        };
        let truth = run(&|operands| gemm(&op, rows, operands));
        let check = |what: &str, steps: f32, int8: Run<'_>| {
            // All values are within ±1, so ranges are at most 2.
            let bound = k as f32 * (0.5 * 2.0 / steps + 0.5 / 127.0);
            let worst = run(int8).iter().zip(&truth).fold(0.0f32, |m, (a, t)| m.max((a - t).abs()));
            assert!(worst > 0.0 && worst < bound, "{what}: {worst} of {bound}");
        };
        for bits in [RowBits::Eight, RowBits::Seven] {
            check(&format!("{bits:?}"), bits.steps(), &|o| gemm_int8(&op, rows, &quantized, bits, o));
        }
        // 252 steps at least: the largest magnitude is rounded up by less than a hundredth.
        check("blocks", 252.0, &|o| gemm_int8_blocks(&op, rows, &quantized, o));
    }

    #[test]
    fn activations_have_their_known_values() {
        for (kind, at_one) in [
            (Activation::Identity, 1.0),
            (Activation::GeluErf, 0.841_344_746_068_542_9),
            (Activation::GeluTanh, 0.841_191_990_607_477_1),
            (Activation::Relu, 1.0),
            (Activation::Silu, 0.731_058_578_630_004_9),
            (Activation::Tanh, 0.761_594_155_955_764_9),
            (Activation::QuickGelu, 0.845_795_765_932_815_4),
        ] {
            assert!((activation(kind, 1.0) - at_one).abs() < 1e-9, "{kind:?}");
            assert_eq!(activation(kind, 0.0), 0.0, "{kind:?}");
        }
    }
}
