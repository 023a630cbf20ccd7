//! How numbers become 8-bit integers in plans of [`Dtype::Int8`](crate::Dtype::Int8): the one definition that the
//! reference and every backend share.
//!
//! A weight `w[j][k] ≈ scale_j · v[j][k]` is quantised once, symmetrically, with a scale for each of its rows (an
//! output column of the GEMM). A row `x[k] ≈ middle + scale · q[k]` is quantised while running, over exactly the range
//! of its own values, so that what else is in the batch cannot change it. Then
//!
//! ```text
//! x · w_j = scale_j · (scale · Σ_k q[k] v[j][k]  +  middle · Σ_k v[j][k])
//! ```
//!
//! with both sums exact in i32. `middle` is a float, so the range need not contain zero: subtracting a LayerNorm's mean
//! only moves it, and a folded LayerNorm quantises a row to the same integers as a separate one without affine.
//!
//! That is how it is in host memory. A GPU stages a part of a row before it has seen the rest, so there each [`BLOCK`]
//! of a row has a scale of its own, and its integers are as far below zero as above: [`quantize_block`]. Then
//!
//! ```text
//! x · w_j = scale_j · Σ_blocks (scale_block · Σ_k∈block q[k] v[j][k])
//! ```
//!
//! with the inner sums exact.

/// The deepest product whose sums cannot leave i32: 2¹⁷ products of at most 2⁷ · 127.
pub const MAX_DEPTH: usize = (1 << 17) - 1;

/// The largest magnitude of a quantised weight. Not 128: symmetric, so that a column keeps its sign structure.
const WEIGHT_LIMIT: f32 = 127.0;

/// Elements of a row that have a scale of their own on a GPU.
pub const BLOCK: usize = 32;

/// How finely rows are quantised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RowBits {
    /// 128 integers, −64 to 63: what instructions take that only multiply 7 bits with 8 exactly.
    Seven,
    /// 256 integers, −128 to 127.
    #[default]
    Eight,
}

impl RowBits {
    /// Steps between the smallest and the largest integer.
    pub fn steps(self) -> f32 {
        match self {
            Self::Seven => 127.0,
            Self::Eight => 255.0,
        }
    }

    /// What the smallest integer is below zero.
    pub fn half(self) -> f32 {
        match self {
            Self::Seven => 64.0,
            Self::Eight => 128.0,
        }
    }
}

/// A GEMM's `weight [n, k]` in 8 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedWeight {
    /// `[n, k]`, within ±127.
    pub values: Vec<i8>,
    /// `[n]`: what each row's integers are multiplied with.
    pub scales: Vec<f32>,
    /// `[n]`: the sum of each row's integers.
    pub sums: Vec<i32>,
}

impl QuantizedWeight {
    /// Quantises `weight [n, k]`, whose values are finite.
    pub fn new(weight: &[f32], k: usize) -> Self {
        let n = weight.len().checked_div(k).unwrap_or(0);
        let mut quantized = Self {
            values: Vec::with_capacity(n * k),
            scales: Vec::with_capacity(n),
            sums: Vec::with_capacity(n),
        };
        for row in weight.chunks_exact(k.max(1)) {
            let largest = row.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let inverse = inverse_step(largest, WEIGHT_LIMIT);
            quantized.scales.push(if inverse == 0.0 { 0.0 } else { largest / WEIGHT_LIMIT });
            let from = quantized.values.len();
            quantized.values.extend(row.iter().map(|v| (v * inverse).round_ties_even() as i8));
            quantized.sums.push(quantized.values[from..].iter().map(|&v| i32::from(v)).sum());
        }
        quantized
    }
}

/// How the integers of a row become its values: `middle + scale · q`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowScale {
    /// The difference between neighbouring integers.
    pub scale: f32,
    /// What zero stands for.
    pub middle: f32,
}

/// Quantises one row. All steps are single f32 operations, so that every backend can find the same integers. A row with
/// a value that is not finite gets a `scale` that is not, either: its products are no numbers that look right.
pub fn quantize_row(row: &[f32], bits: RowBits, integers: &mut [i8]) -> RowScale {
    let least = row.iter().copied().fold(f32::INFINITY, |m, v| if v < m { v } else { m });
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, |m, v| if v > m { v } else { m });
    let range = if row.is_empty() { 0.0 } else { largest - least };
    let inverse = inverse_step(range, bits.steps());
    for (integer, v) in integers.iter_mut().zip(row) {
        *integer = (((v - least) * inverse).round_ties_even() - bits.half()) as i8;
    }
    let finite = row.iter().all(|v| v.is_finite());
    let scale = match inverse {
        _ if !finite => f32::NAN,
        0.0 => 0.0,
        _ => range / bits.steps(),
    };
    RowScale { scale, middle: least + bits.half() * scale }
}

/// Quantises one [`BLOCK`], or what is left of a row, to integers within ±127, and returns their scale. All steps but the
/// last are exact, so that every backend can find the same integers: the largest magnitude is rounded up to eight bits,
/// and 127 divided by that is a division of integers. A block below 2⁻¹¹⁹ is zeros. One with a value that is not finite,
/// or beyond 2¹¹⁷, gets a `scale` that is not finite.
pub fn quantize_block(block: &[f32], integers: &mut [i8]) -> f32 {
    // The bits of magnitudes are in the order of the magnitudes, and those of NaN come last.
    let largest = block.iter().map(|v| v.abs().to_bits()).max().unwrap_or(0);
    let exponent = largest >> 23;
    let inverse = match exponent {
        8..244 => {
            let rounded_up = (largest >> 16 & 0x7f) + 129;
            ((127 << 17) / rounded_up) as f32 * f32::from_bits((244 - exponent) << 23)
        }
        _ => 0.0,
    };
    for (integer, v) in integers.iter_mut().zip(block) {
        *integer = (v * inverse).round_ties_even() as i8;
    }
    match exponent {
        0..8 => 0.0,
        8..244 => 1.0 / inverse,
        _ => f32::from_bits(largest | 0x7f80_0000),
    }
}

/// Steps per unit where `steps` of them span `range`; 0 for a range too small to divide by.
fn inverse_step(range: f32, steps: f32) -> f32 {
    let inverse = steps / range;
    if inverse.is_finite() { inverse } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_their_largest_and_are_within_half_a_step() {
        let weight = [0.5, -2.0, 0.25, 0.0, 0.0, 0.0, 1e-3, 3e-3, -1e-3];
        let quantized = QuantizedWeight::new(&weight, 3);
        assert_eq!(quantized.values[1], -127);
        assert_eq!(quantized.scales[1], 0.0);
        assert_eq!(quantized.sums, [32 - 127 + 16, 0, 42 + 127 - 42]);
        for (i, w) in weight.iter().enumerate() {
            let scale = quantized.scales[i / 3];
            let back = scale * f32::from(quantized.values[i]);
            assert!((back - w).abs() <= 0.5001 * scale, "{w} became {back}");
        }
    }

    #[test]
    fn rows_use_the_whole_range_wherever_it_lies() {
        for (bits, ends) in [(RowBits::Eight, [-128, 127]), (RowBits::Seven, [-64, 63])] {
            for row in [[-1.0, 0.3, 2.0], [100.0, 100.5, 103.0], [-7.0, -6.9, -4.0]] {
                let mut integers = [0; 3];
                let RowScale { scale, middle } = quantize_row(&row, bits, &mut integers);
                assert_eq!([integers[0], integers[2]], ends, "{row:?}");
                for (q, v) in integers.iter().zip(row) {
                    let back = middle + scale * f32::from(*q);
                    assert!((back - v).abs() <= 0.501 * scale, "{v} became {back}");
                }
            }
        }
    }

    #[test]
    fn rows_without_a_range_are_exact_and_rows_without_numbers_are_none() {
        let mut integers = [9; 2];
        assert_eq!(
            quantize_row(&[3.5; 2], RowBits::Eight, &mut integers),
            RowScale { scale: 0.0, middle: 3.5 }
        );
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(quantize_row(&[1.0, bad], RowBits::Eight, &mut integers).scale.is_nan());
            assert!(quantize_row(&[bad, 1.0], RowBits::Eight, &mut integers).scale.is_nan());
        }
        assert_eq!(quantize_row(&[], RowBits::Eight, &mut []).scale, 0.0);
    }

    #[test]
    fn blocks_use_their_range_to_within_a_hundredth() {
        for largest in [1.0f32, 1.003, 1.5, 1.9999999, 3.7e-5, -2.0e30, 2.0f32.powi(-119), 2.0f32.powi(116)] {
            let block = [largest, 0.3 * largest, -0.77 * largest, 0.0];
            let mut integers = [99; 4];
            let scale = quantize_block(&block, &mut integers);
            assert!((125..=127).contains(&integers[0].unsigned_abs()), "{largest:e}: {integers:?}");
            for (q, v) in integers.iter().zip(block) {
                let back = scale * f32::from(*q);
                assert!((back - v).abs() <= 0.5001 * scale, "{v:e} became {back:e}");
            }
        }
    }

    #[test]
    fn blocks_without_a_range_are_zeros_and_blocks_without_numbers_are_none() {
        for nothing in [0.0, 1e-38, 2.0f32.powi(-120), f32::MIN_POSITIVE / 2.0] {
            let mut integers = [9; 2];
            assert_eq!(quantize_block(&[nothing, -nothing], &mut integers), 0.0);
            assert_eq!(integers, [0; 2]);
        }
        assert_eq!(quantize_block(&[], &mut []), 0.0);
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2.0f32.powi(117)] {
            assert!(!quantize_block(&[1.0, bad, 2.0], &mut [0; 3]).is_finite(), "{bad}");
        }
    }
}
