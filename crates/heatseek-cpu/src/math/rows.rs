//! Sums over rows. Four running vectors, because the next sum of one has to wait for the last.

use super::exp;
use crate::simd::{F32s, load_up_to, store_up_to};

/// `Σ a·b` over the shorter of the two.
#[inline(always)]
pub(crate) fn dot<V: F32s>(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let mut sums = [V::splat(0.0); 4];
    let mut at = 0;
    // SAFETY: within both.
    unsafe {
        while at + 4 * V::LANES <= len {
            for (i, sum) in sums.iter_mut().enumerate() {
                let from = at + i * V::LANES;
                *sum = V::load(a.as_ptr().add(from)).mul_add(V::load(b.as_ptr().add(from)), *sum);
            }
            at += 4 * V::LANES;
        }
        while at < len {
            let (a, b) = (a.as_ptr().add(at), b.as_ptr().add(at));
            sums[0] = load_up_to::<V>(a, len - at).mul_add(load_up_to(b, len - at), sums[0]);
            at += V::LANES;
        }
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum()
}

/// `Σ v`.
#[inline(always)]
pub(crate) fn sum<V: F32s>(row: &[f32]) -> f32 {
    let mut sums = [V::splat(0.0); 4];
    let mut at = 0;
    // SAFETY: within the row.
    unsafe {
        while at + 4 * V::LANES <= row.len() {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(V::load(row.as_ptr().add(at + i * V::LANES)));
            }
            at += 4 * V::LANES;
        }
        while at < row.len() {
            sums[0] = sums[0].add(load_up_to(row.as_ptr().add(at), row.len() - at));
            at += V::LANES;
        }
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum()
}

/// The largest of `row`; −∞ of none.
#[inline(always)]
pub(crate) fn largest<V: F32s>(row: &[f32]) -> f32 {
    let mut largest = V::splat(f32::NEG_INFINITY);
    let whole = row.len() / V::LANES * V::LANES;
    // SAFETY: within the row.
    unsafe {
        for at in (0..whole).step_by(V::LANES) {
            largest = largest.max(V::load(row.as_ptr().add(at)));
        }
    }
    row[whole..].iter().copied().fold(largest.largest(), |a, b| if a > b { a } else { b })
}

/// Mean of a row, and `1/√(variance + eps)`, in two passes.
#[inline(always)]
pub(crate) fn mean_and_rstd<V: F32s>(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum::<V>(row) / n;
    let mut sums = [V::splat(0.0); 4];
    let (whole, means) = (row.len() / V::LANES * V::LANES, V::splat(mean));
    // SAFETY: within the row.
    unsafe {
        for (turn, at) in (0..whole).step_by(V::LANES).enumerate() {
            let centred = V::load(row.as_ptr().add(at)).sub(means);
            sums[turn % 4] = centred.mul_add(centred, sums[turn % 4]);
        }
    }
    let tail: f32 = row[whole..].iter().map(|v| (v - mean) * (v - mean)).sum();
    let squares = sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum() + tail;
    (mean, 1.0 / (squares / n + eps).sqrt())
}

/// Makes each `v` of `row` `e^(factor · (v − highest))`, and gives their sum.
#[inline(always)]
pub(crate) fn exp_row<V: F32s>(row: &mut [f32], factor: f32, highest: f32) -> f32 {
    let (factors, highests) = (V::splat(factor), V::splat(highest));
    let mut sums = [V::splat(0.0); 2];
    let whole = row.len() / V::LANES * V::LANES;
    // SAFETY: within the row; of the last vector only as many lanes are stored as were loaded.
    unsafe {
        let mut at = 0;
        while at + 2 * V::LANES <= whole {
            for (i, sum) in sums.iter_mut().enumerate() {
                let to = row.as_mut_ptr().add(at + i * V::LANES);
                let value = exp(V::load(to).sub(highests).mul(factors));
                value.store(to);
                *sum = sum.add(value);
            }
            at += 2 * V::LANES;
        }
        while at < whole {
            let to = row.as_mut_ptr().add(at);
            let value = exp(V::load(to).sub(highests).mul(factors));
            value.store(to);
            sums[0] = sums[0].add(value);
            at += V::LANES;
        }
        if whole < row.len() {
            let (to, left) = (row.as_mut_ptr().add(whole), row.len() - whole);
            let value = exp(V::load_first(to, left).sub(highests).mul(factors));
            store_up_to(value, to, left);
        }
    }
    sums[0].add(sums[1]).sum() + row[whole..].iter().sum::<f32>()
}
