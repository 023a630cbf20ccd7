//! Attention rollout: what tokens looked at through all layers (Abnar & Zuidema, "Quantifying Attention Flow in
//! Transformers", 2020).

use crate::{AnalysisError, Map};

/// How a layer's map becomes one step of rollout or flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    /// The share of the residual connection: what a token keeps of itself. 0 or more, less than 1.
    pub residual: f64,
    /// The share of a map's values, the lowest, that are set to 0 before: 0 or more, less than 1. As vit-explain
    /// does (github.com/jacobgil/vit-explain, `vit_rollout.py`), but what the first token sees of itself is kept,
    /// and each row is divided by its own sum, where that code divides columns.
    pub discard_ratio: f64,
}

impl Default for Mixing {
    /// The paper's: half residual, nothing discarded.
    fn default() -> Self {
        Self { residual: 0.5, discard_ratio: 0.0 }
    }
}

impl Mixing {
    /// Fails where a share is not one.
    ///
    /// # Errors
    /// [`AnalysisError::Range`].
    pub fn check(&self) -> Result<(), AnalysisError> {
        for (what, got) in [("residual", self.residual), ("discard ratio", self.discard_ratio)] {
            if !(0.0..1.0).contains(&got) {
                let expected = "a share: 0 or more, less than 1";
                return Err(AnalysisError::Range { what, expected, got: got.to_string() });
            }
        }
        Ok(())
    }

    /// `(1 − residual)·A + residual·I` with the lowest values of `A` discarded, each row divided by its sum:
    /// `[tokens, tokens]`. A row of which nothing is left stays 0.
    pub fn mix(&self, map: Map<'_>) -> Vec<f64> {
        let tokens = map.tokens();
        let mut mixed: Vec<f64> = map.values().iter().map(|&a| f64::from(a)).collect();
        for lowest in self.lowest(map.values()) {
            mixed[lowest] = 0.0;
        }
        for (query, row) in mixed.chunks_exact_mut(tokens.max(1)).enumerate() {
            row.iter_mut().for_each(|a| *a *= 1.0 - self.residual);
            row[query] += self.residual;
            let sum: f64 = row.iter().sum();
            if sum > 0.0 {
                row.iter_mut().for_each(|a| *a /= sum);
            }
        }
        mixed
    }

    /// Places of the lowest values, of equal ones the first; never that of the first token's view of itself.
    fn lowest(&self, values: &[f32]) -> Vec<usize> {
        let count = (values.len() as f64 * self.discard_ratio) as usize;
        let mut places: Vec<usize> = (0..values.len()).collect();
        if count > 0 && count < places.len() {
            let order = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]).then(a.cmp(b));
            places.select_nth_unstable_by(count, order);
        }
        places.truncate(count);
        places.retain(|&place| place != 0);
        places
    }
}

/// Rollout of some tokens: rows that are multiplied by the mixed map of one layer after another, **from the last
/// layer down**. `queries × tokens²` multiplications a layer, and no more memory than one layer's map.
///
/// ```
/// use heatseek_attention::{Map, Mixing, Rollout};
/// let last = Map::new(&[0.5, 0.5, 0.0, 1.0], 2)?;
/// let mut rollout = Rollout::new(2, &[0], Mixing { residual: 0.0, ..Mixing::default() })?;
/// rollout.through(last)?;
/// assert_eq!(rollout.into_rows(), [0.5, 0.5]);
/// # Ok::<(), heatseek_attention::AnalysisError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rollout {
    tokens: usize,
    mixing: Mixing,
    rows: Vec<f64>,
}

impl Rollout {
    /// Of `queries`, before any layer.
    ///
    /// # Errors
    /// [`AnalysisError::Range`] for a query that is no token, or shares that are none.
    pub fn new(tokens: usize, queries: &[usize], mixing: Mixing) -> Result<Self, AnalysisError> {
        mixing.check()?;
        let mut rows = vec![0.0; queries.len() * tokens];
        for (row, &query) in queries.iter().enumerate() {
            if query >= tokens {
                let expected = "a token of the map, counted from 0";
                return Err(AnalysisError::Range { what: "query", expected, got: query.to_string() });
            }
            rows[row * tokens + query] = 1.0;
        }
        Ok(Self { tokens, mixing, rows })
    }

    /// Goes through the layer below those so far.
    ///
    /// # Errors
    /// [`AnalysisError::Length`] for a map of other tokens.
    pub fn through(&mut self, map: Map<'_>) -> Result<(), AnalysisError> {
        let tokens = self.tokens;
        crate::error::check_shape("a map", map.values().len(), &[("tokens", tokens), ("tokens", tokens)])?;
        let mixed = self.mixing.mix(map);
        let mut next = vec![0.0; tokens];
        for row in self.rows.chunks_exact_mut(tokens.max(1)) {
            next.fill(0.0);
            for (&share, layer) in row.iter().zip(mixed.chunks_exact(tokens)) {
                // Before the last layer a row has a single value.
                if share != 0.0 {
                    next.iter_mut().zip(layer).for_each(|(sum, a)| *sum += share * a);
                }
            }
            row.copy_from_slice(&next);
        }
        Ok(())
    }

    /// `[queries, tokens]`: the share of each token of the input. Rows sum to 1.
    pub fn into_rows(self) -> Vec<f32> {
        self.rows.into_iter().map(|share| share as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::{Tolerance, assert_close, values};

    /// Rollout of all tokens through `layers`, first to last.
    fn rollout(layers: &[impl AsRef<[f32]>], tokens: usize, mixing: Mixing) -> Vec<f32> {
        let queries: Vec<usize> = (0..tokens).collect();
        let mut rollout = Rollout::new(tokens, &queries, mixing).unwrap();
        for layer in layers.iter().rev() {
            rollout.through(Map::new(layer.as_ref(), tokens).unwrap()).unwrap();
        }
        rollout.into_rows()
    }

    fn random_map(seed: u64, tokens: usize) -> Vec<f32> {
        let mut map: Vec<f32> = values(seed, tokens * tokens, 1.0).iter().map(|v| (3.0 * v).exp()).collect();
        for row in map.chunks_exact_mut(tokens) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|a| *a /= sum);
        }
        map
    }

    const CLOSE: Tolerance = Tolerance::Abs(1e-6);

    #[test]
    fn the_papers_example() {
        // The values are already mixed: (A + I)/2 of these maps.
        let (first, second) = ([0.6, 0.4, 0.2, 0.8], [0.5, 0.5, 0.9, 0.1]);
        let plain = Mixing { residual: 0.0, discard_ratio: 0.0 };
        assert_close(&rollout(&[&first, &second], 2, plain), &[0.4, 0.6, 0.56, 0.44], &[2, 2], CLOSE);
        let half = rollout(&[&first, &second], 2, Mixing::default());
        assert_close(&half, &[0.625, 0.375, 0.415, 0.585], &[2, 2], CLOSE);
    }

    #[test]
    fn identity_stays_identity_and_uniform_becomes_uniform() {
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert_eq!(rollout(&[identity; 5], 3, Mixing::default()), identity);
        let third = [1.0 / 3.0; 9];
        assert_close(&rollout(&[third; 40], 3, Mixing::default()), &third, &[3, 3], CLOSE);
        // After one layer it is not uniform yet.
        assert!(rollout(&[third], 3, Mixing::default())[0] > 0.6);
    }

    #[test]
    fn rows_sum_to_one_and_some_rows_are_as_those_of_all() {
        let maps: Vec<Vec<f32>> = (0..4).map(|seed| random_map(seed, 7)).collect();
        let layers: Vec<&[f32]> = maps.iter().map(Vec::as_slice).collect();
        let mixing = Mixing { residual: 0.3, discard_ratio: 0.25 };
        let all = rollout(&layers, 7, mixing);
        for row in all.chunks_exact(7) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        let mut some = Rollout::new(7, &[5, 2], mixing).unwrap();
        for layer in layers.iter().rev() {
            some.through(Map::new(layer, 7).unwrap()).unwrap();
        }
        assert_eq!(some.into_rows(), [&all[35..42], &all[14..21]].concat());
    }

    #[test]
    fn the_lowest_are_discarded_but_not_the_first_tokens_view_of_itself() {
        let map = [0.1, 0.9, 0.3, 0.7];
        let mixing = Mixing { residual: 0.0, discard_ratio: 0.5 };
        assert_eq!(rollout(&[&map], 2, mixing), [0.1, 0.9, 0.0, 1.0]);
        // All but 0.9 are among the lowest; of a row of nothing, nothing is made.
        let most = Mixing { residual: 0.0, discard_ratio: 0.75 };
        assert_eq!(rollout(&[&map], 2, most), [0.1, 0.9, 0.0, 0.0]);
    }

    #[test]
    fn shares_and_queries_are_checked() {
        assert!(Rollout::new(2, &[2], Mixing::default()).is_err());
        for wrong in [1.0, -0.1, f64::NAN] {
            assert!(Rollout::new(2, &[0], Mixing { residual: wrong, ..Mixing::default() }).is_err());
            assert!(Rollout::new(2, &[0], Mixing { discard_ratio: wrong, ..Mixing::default() }).is_err());
        }
    }
}
