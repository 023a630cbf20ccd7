//! Sums in f64.

/// `weights` of tokens from `counted` on, times their rows, added up: `[width]`.
pub(crate) fn weighted_sum(rows: &[f32], width: usize, weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; width];
    for (row, weight) in rows.chunks_exact(width.max(1)).zip(weights) {
        sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += weight * f64::from(v));
    }
    sum
}

/// Softmax of `scores`, in place.
pub(crate) fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

pub(crate) fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

pub(crate) fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

pub(crate) fn dot(x: &[f64], row: &[f32]) -> f64 {
    x.iter().zip(row).map(|(x, &w)| x * f64::from(w)).sum()
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Places of the largest `scores` first, of equal ones the first.
pub(crate) fn descending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// Softmax of `scores` without their `hide` largest (of equal ones the first), which become 0. At least one stays.
pub(crate) fn softmax_hiding(scores: &mut [f64], hide: usize) {
    for token in descending(scores).into_iter().take(hide.min(scores.len().saturating_sub(1))) {
        scores[token] = f64::NEG_INFINITY;
    }
    softmax(scores);
}
