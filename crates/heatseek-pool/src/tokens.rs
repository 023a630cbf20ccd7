//! The tokens that count, in f64, and the way back.

use crate::math::to_f32;
use crate::{Pooled, States};

/// Tokens `start..start + rows.len()` of a text of `total`.
pub(crate) struct Tokens {
    /// Each `[width]`.
    pub(crate) rows: Vec<Vec<f64>>,
    /// The first of them.
    pub(crate) start: usize,
    total: usize,
    width: usize,
}

impl Tokens {
    /// Those of the last hidden state that count.
    pub(crate) fn counted(states: &States<'_>) -> Self {
        Self::from(states, states.counted().start)
    }

    /// Those that count without the class token and, of a picture, without all tokens before the patches.
    pub(crate) fn without_class(states: &States<'_>) -> Self {
        Self::from(states, states.counted().start.max(prefix(states)))
    }

    fn from(states: &States<'_>, start: usize) -> Self {
        let start = start.min(states.tokens);
        let row = |token| states.row(states.last(), token).iter().map(|&v| f64::from(v)).collect();
        Self {
            rows: (start..states.tokens).map(row).collect(),
            start,
            total: states.tokens,
            width: states.width,
        }
    }

    /// What there is of no tokens: zeros.
    pub(crate) fn nothing(&self, width: usize) -> Pooled {
        self.pooled(&vec![0.0; width], Some(&[]))
    }

    /// `[width]`; zeros of no tokens.
    pub(crate) fn mean(&self) -> Vec<f64> {
        self.weighted(&vec![1.0 / self.rows.len() as f64; self.rows.len()])
    }

    /// The sum of rows times `weights`.
    pub(crate) fn weighted(&self, weights: &[f64]) -> Vec<f64> {
        weighted(&self.rows, self.width, weights)
    }

    /// One vector, and what each of these tokens weighed.
    pub(crate) fn pooled(&self, vector: &[f64], weights: Option<&[f64]>) -> Pooled {
        self.pooled_all(
            vector.len(),
            &[(vector.to_vec(), weights.unwrap_or_default().to_vec())],
            weights.is_some(),
        )
    }

    /// Several.
    pub(crate) fn pooled_all(&self, width: usize, all: &[(Vec<f64>, Vec<f64>)], weighted: bool) -> Pooled {
        let vectors = all.iter().flat_map(|(vector, _)| to_f32(vector)).collect();
        let placed = |(_, weights): &(Vec<f64>, Vec<f64>)| {
            let mut placed = vec![0.0; self.start];
            placed.extend(to_f32(weights));
            placed.resize(self.total, 0.0);
            placed
        };
        Pooled { vectors, width, weights: weighted.then(|| all.iter().flat_map(placed).collect()) }
    }
}

/// Tokens before the first patch of a picture; of a text, the class token.
pub(crate) fn prefix(states: &States<'_>) -> usize {
    states.grid.map_or(1, |(prefix, ..)| prefix)
}

/// The sum of rows of `width` times `weights`.
pub(crate) fn weighted(rows: &[Vec<f64>], width: usize, weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; width];
    for (row, weight) in rows.iter().zip(weights) {
        sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += weight * v);
    }
    sum
}
