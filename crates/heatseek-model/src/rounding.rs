//! A matrix in few bits, laid out as `quantized.rs` reads it.

use half::bf16;

use crate::StoredTensor;

/// Shares of the largest magnitude that are tried as −8, the end of four bits' range. Cutting a few large weights off can
/// round all the others better; from 8/7 on, the largest magnitude is within the range on the other side, too.
const ENDS: [f32; 10] = [1.15, 1.1, 1.05, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7];
/// How often a scale is fitted to the integers that it gave. More change next to nothing.
const FITS: usize = 1;
/// Integers of four bits.
const FOUR: [f32; 2] = [-8.0, 7.0];
/// Integers of eight bits; the 256th would make a range of no use to kernels that want it symmetric.
const EIGHT: [f32; 2] = [-127.0, 127.0];

/// Eight bits and a scale for each row, whose largest magnitude is 127.
pub(crate) fn eight(name: &str, values: &[f32], [n, k]: [usize; 2]) -> [StoredTensor; 2] {
    let (mut integers, mut scales) = (Vec::with_capacity(values.len()), Vec::with_capacity(4 * n));
    for row in values.chunks_exact(k) {
        let scale = largest(row) / EIGHT[1];
        integers.extend(row.iter().map(|&v| (integer(v, scale, EIGHT) as i8).cast_unsigned()));
        scales.extend(scale.to_le_bytes());
    }
    [
        StoredTensor { name: name.to_owned(), dtype: "I8", shape: vec![n, k], data: integers },
        StoredTensor { name: format!("{name}_scale"), dtype: "F32", shape: vec![n, 1], data: scales },
    ]
}

/// Four bits, and of each group of columns the scale with the least squared error.
pub(crate) fn four(name: &str, values: &[f32], [n, k]: [usize; 2], group: usize) -> [StoredTensor; 3] {
    let (mut words, mut scales) = (Vec::new(), Vec::new());
    for row in values.chunks_exact(k) {
        let mut nibbles = Vec::with_capacity(k.next_multiple_of(8));
        for part in row.chunks_exact(group) {
            let scale = best_scale(part);
            scales.extend(scale.to_le_bytes());
            nibbles.extend(part.iter().map(|&v| (integer(v, scale.to_f32(), FOUR) - FOUR[0]) as u8));
        }
        nibbles.resize(k.next_multiple_of(8), 0);
        words.extend(nibbles.as_chunks::<2>().0.iter().map(|[low, high]| low | high << 4));
    }
    let sizes = [n as i64, k as i64];
    let shape = sizes.iter().flat_map(|n| n.to_le_bytes()).collect();
    let part = |suffix: &str, dtype, shape, data| StoredTensor {
        name: format!("{name}{suffix}"),
        dtype,
        shape,
        data,
    };
    [
        part("_packed", "I32", vec![n, k.div_ceil(8)], words),
        part("_shape", "I64", vec![2], shape),
        part("_scale", "BF16", vec![n, k / group], scales),
    ]
}

/// The scale whose integers are nearest to `part`. Of either sign, since there is one integer more below zero than
/// above: the largest weight gets it.
fn best_scale(part: &[f32]) -> bf16 {
    let whole = largest(part) / -FOUR[0];
    let mut best = (f32::INFINITY, bf16::ZERO);
    for end in ENDS.into_iter().flat_map(|share| [whole * share, -whole * share]) {
        let mut scale = bf16::from_f32(end);
        for _ in 0..=FITS {
            let (error, fitted) = fit(part, scale.to_f32());
            if error < best.0 {
                best = (error, scale);
            }
            scale = bf16::from_f32(fitted);
        }
    }
    best.1
}

/// The squared error of `part` in integers of this scale, and the scale that is best for these integers.
fn fit(part: &[f32], scale: f32) -> (f32, f32) {
    let (mut error, mut products, mut squares) = (0.0, 0.0, 0.0);
    for &value in part {
        let integer = integer(value, scale, FOUR);
        error += (value - scale * integer).powi(2);
        products += value * integer;
        squares += integer * integer;
    }
    (error, if squares > 0.0 { products / squares } else { scale })
}

/// `value` in whole units of `scale`, within `ends`.
fn integer(value: f32, scale: f32, [least, most]: [f32; 2]) -> f32 {
    // Where there is one float for each integer, a sum is rounded to an integer; `round` is a call on plain x86-64.
    const WHOLE: f32 = 1.5 * (1 << 23) as f32;
    if scale == 0.0 { 0.0 } else { (value / scale).clamp(least, most) + WHOLE - WHOLE }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squared_error(part: &[f32], scale: f32) -> f32 {
        fit(part, scale).0
    }

    #[test]
    fn no_scale_nearby_is_better() {
        for seed in 0..50 {
            let part: Vec<f32> =
                (0..32).map(|i| ((i * 37 + seed * 101) % 97) as f32 / 97.0 - 0.5 + 1e-3 * i as f32).collect();
            let best = squared_error(&part, best_scale(&part).to_f32());
            let plain = squared_error(&part, largest(&part) / FOUR[1]);
            assert!(best < plain, "{seed}: {best} of {plain}");
            // Every scale of a fine grid, both signs: what the search misses is little.
            let grid = (1..2000).flat_map(|i| [i as f32 / 10_000.0, i as f32 / -10_000.0]);
            let least = grid.map(|scale| squared_error(&part, scale)).fold(f32::INFINITY, f32::min);
            assert!(best <= 1.1 * least, "{seed}: {best} of {least}");
        }
    }

    #[test]
    fn the_largest_weight_gets_the_integer_that_only_one_sign_has() {
        // Eighths from −1 to 7/8 are exact, and so are their opposites.
        for sign in [1.0, -1.0] {
            let part: Vec<f32> = (-8..8).map(|i| sign * i as f32 / 8.0).collect();
            assert_eq!(best_scale(&part).to_f32(), sign / 8.0);
            assert_eq!(squared_error(&part, sign / 8.0), 0.0);
        }
        assert_eq!(best_scale(&[0.0; 8]), bf16::ZERO);
    }
}
