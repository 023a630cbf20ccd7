//! How nearly all tokens are the same (Dong et al., "Attention is Not All You Need: Pure Attention Loses Rank Doubly
//! Exponentially with Depth", 2021).

use crate::AnalysisError;
use crate::error::check_shape;

/// `‖res(X)‖ / ‖X‖` of `hidden` `[tokens, width]`: what is left of it when each token loses their mean, in the
/// paper's norm `√(‖·‖₁ ‖·‖_∞)`. 0 where all tokens are the same.
///
/// # Errors
/// [`AnalysisError::Length`] where rows are not whole.
pub fn relative_residual<T: Copy + Into<f64>>(hidden: &[T], tokens: usize) -> Result<f64, AnalysisError> {
    let width = hidden.len() / tokens.max(1);
    check_shape("hidden states", hidden.len(), &[("tokens", tokens), ("wide", width)])?;
    let mut means = vec![0.0; width];
    for row in hidden.chunks_exact(width.max(1)) {
        means.iter_mut().zip(row).for_each(|(mean, &v)| *mean += v.into() / tokens as f64);
    }
    let whole = norm(hidden, &vec![0.0; width]);
    Ok(if whole > 0.0 { norm(hidden, &means) / whole } else { 0.0 })
}

/// `√(largest column sum × largest row sum)` of sizes, of `hidden` less `means`.
fn norm<T: Copy + Into<f64>>(hidden: &[T], means: &[f64]) -> f64 {
    let mut columns = vec![0.0; means.len()];
    let mut rows = 0.0f64;
    for row in hidden.chunks_exact(means.len().max(1)) {
        let mut sum = 0.0;
        for ((column, &v), mean) in columns.iter_mut().zip(row).zip(means) {
            let size = (v.into() - mean).abs();
            *column += size;
            sum += size;
        }
        rows = rows.max(sum);
    }
    (columns.into_iter().fold(0.0, f64::max) * rows).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::values;

    const TOKENS: usize = 12;
    const WIDTH: usize = 16;

    fn product(a: &[f64], b: &[f64], inner: usize) -> Vec<f64> {
        let columns = b.len() / inner;
        let cell = |place: usize| {
            let (row, column) = (place / columns, place % columns);
            (0..inner).map(|k| a[row * inner + k] * b[k * columns + column]).sum()
        };
        (0..a.len() / inner * columns).map(cell).collect()
    }

    fn residual(x: &[f64]) -> f64 {
        relative_residual(x, TOKENS).unwrap()
    }

    #[test]
    fn by_hand() {
        // Mean (2, 1): rows ±(1, 1); 1-norm 2, ∞-norm 2. Of the whole: columns 4 and 2, rows 3 + 2 and 1.
        let found = relative_residual(&[3f32, 2.0, 1.0, 0.0], 2).unwrap();
        assert!((found - 2.0 / 20f64.sqrt()).abs() < 1e-12);
        assert_eq!(relative_residual(&[0f32; 4], 2).unwrap(), 0.0);
        assert!(relative_residual(&[0f32; 5], 2).is_err());
    }

    #[test]
    fn even_attention_leaves_nothing_and_identity_all() {
        let x: Vec<f64> = values(1, TOKENS * WIDTH, 1.0).into_iter().map(f64::from).collect();
        let even = vec![1.0 / TOKENS as f64; TOKENS * TOKENS];
        assert!(residual(&product(&even, &x, TOKENS)) < 1e-15);
        let mut identity = vec![0.0; TOKENS * TOKENS];
        (0..TOKENS).for_each(|t| identity[t * TOKENS + t] = 1.0);
        assert_eq!(residual(&product(&identity, &x, TOKENS)), residual(&x));
    }
}
