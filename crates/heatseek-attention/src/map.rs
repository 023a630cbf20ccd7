//! A map: what every token looked at.

use crate::AnalysisError;
use crate::error::check_shape;

/// Attention of one head, or of several fused: `[tokens, tokens]` row-major, a row for each token that looks.
/// Rows need not sum to 1: those of heads fused by their maximum do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Map<'a> {
    values: &'a [f32],
    tokens: usize,
}

impl<'a> Map<'a> {
    /// `values` as a map of `tokens` tokens.
    ///
    /// # Errors
    /// [`AnalysisError::Length`] unless there are `tokens × tokens` of them.
    pub fn new(values: &'a [f32], tokens: usize) -> Result<Self, AnalysisError> {
        check_shape("a map", values.len(), &[("tokens", tokens), ("tokens", tokens)])?;
        Ok(Self { values, tokens })
    }

    /// Tokens that look, and tokens looked at.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// All values, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// What token `query` looked at.
    pub fn row(&self, query: usize) -> &'a [f32] {
        &self.values[query * self.tokens..][..self.tokens]
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [f32]> {
        (0..self.tokens).map(|query| self.row(query))
    }

    /// What tokens got on the average over those that look, themselves included: `[tokens]`. Where rows sum
    /// to 1, so do these.
    pub fn received(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.tokens];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, &a)| *sum += f64::from(a));
        }
        sums.iter().map(|sum| sum / self.tokens as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_square() {
        assert!(Map::new(&[0.0; 9], 3).is_ok());
        let error = Map::new(&[0.0; 8], 3).unwrap_err();
        assert_eq!(error.to_string(), "a map has 8 values; expected 3 tokens × 3 tokens");
    }

    #[test]
    fn what_tokens_received_is_the_mean_of_columns() {
        let map = Map::new(&[1.0, 0.0, 0.25, 0.75], 2).unwrap();
        assert_eq!(map.received(), [0.625, 0.375]);
    }
}
