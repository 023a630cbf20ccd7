//! One query, one head: from query and keys to attention (Vig, "A Multiscale Visualization of Attention in the
//! Transformer Model", 2019: the neuron view).

use crate::AnalysisError;
use crate::error::check_shape;

/// How a token's attention came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Neuron {
    /// `q·k / √d` for each key: `[tokens]`.
    pub scores: Vec<f32>,
    /// Their softmax.
    pub probabilities: Vec<f32>,
}

/// Scores and attention of `query` `[d]` over `keys` `[tokens, d]`.
///
/// # Errors
/// [`AnalysisError::Length`] where keys are not as wide as the query.
pub fn neuron(query: &[f32], keys: &[f32]) -> Result<Neuron, AnalysisError> {
    let width = query.len();
    check_shape("keys", keys.len(), &[("tokens", keys.len() / width.max(1)), ("wide", width)])?;
    let dot = |key: &[f32]| query.iter().zip(key).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>();
    let scores: Vec<f64> =
        keys.chunks_exact(width.max(1)).map(|key| dot(key) / (width as f64).sqrt()).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raised: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let sum: f64 = raised.iter().sum();
    Ok(Neuron {
        scores: scores.iter().map(|&score| score as f32).collect(),
        probabilities: raised.iter().map(|e| (e / sum) as f32).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_add_up_to_scores_and_scores_to_attention() {
        let found = neuron(&[2.0, 0.0, 1.0, 1.0], &[1.0, 5.0, 0.0, 0.0, 0.0, 1.0, 1.0, -1.0]).unwrap();
        assert_eq!(found.scores, [1.0, 0.0]);
        let e = 1f64.exp();
        for (p, expected) in found.probabilities.iter().zip([e / (1.0 + e), 1.0 / (1.0 + e)]) {
            assert!((f64::from(*p) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn large_scores_stay_finite_and_keys_are_checked() {
        let found = neuron(&[1000.0], &[1000.0, -1000.0, 0.0]).unwrap();
        assert_eq!(found.probabilities, [1.0, 0.0, 0.0]);
        assert!(neuron(&[1.0, 2.0], &[1.0, 2.0, 3.0]).is_err());
        assert_eq!(neuron(&[1.0], &[]).unwrap().scores, [0f32; 0]);
    }
}
