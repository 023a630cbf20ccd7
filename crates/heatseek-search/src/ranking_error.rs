//! What is wrong with a setting of ranking.

use thiserror::Error;

/// Why texts or hits cannot be ranked as asked.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RankingError {
    /// A setting is out of its range.
    #[error("`{setting}` is {got}; expected {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What came.
        got: f32,
        /// What may come.
        expected: &'static str,
    },
    /// There is not one vector for each hit.
    #[error("there are {expected} hits, but {got} vectors")]
    Vectors {
        /// Hits.
        expected: usize,
        /// Vectors.
        got: usize,
    },
    /// Vectors to compare have different widths.
    #[error("vector {id} has {got} elements, but the first one has {expected}")]
    Width {
        /// Whose vector.
        id: u64,
        /// Width of the first.
        expected: usize,
        /// Width of this one.
        got: usize,
    },
}

impl RankingError {
    /// Fails unless `got` is a finite number, 0 or more, and at most `most`.
    pub(crate) fn check(
        setting: &'static str,
        got: f32,
        most: f32,
        expected: &'static str,
    ) -> Result<(), RankingError> {
        match got.is_finite() && (0.0..=most).contains(&got) {
            true => Ok(()),
            false => Err(RankingError::Setting { setting, got, expected }),
        }
    }
}
