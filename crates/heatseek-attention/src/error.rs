//! What callers can get wrong.

use thiserror::Error;

/// Values that do not fit what they are said to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// A slice is longer or shorter than its shape.
    #[error("{what} has {got} values; expected {expected}")]
    Length {
        /// Which.
        what: &'static str,
        /// The shape it should have, with its names.
        expected: String,
        /// Values it has.
        got: usize,
    },
    /// A number is out of its range.
    #[error("{what} is {got}; expected {expected}")]
    Range {
        /// Which.
        what: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
}

/// Fails unless `len` is the product of `shape`, each side with its name.
pub(crate) fn check_shape(
    what: &'static str,
    len: usize,
    shape: &[(&'static str, usize)],
) -> Result<(), AnalysisError> {
    let product = shape.iter().try_fold(1usize, |all, (_, side)| all.checked_mul(*side));
    if product == Some(len) {
        return Ok(());
    }
    let sides: Vec<String> = shape.iter().map(|(name, side)| format!("{side} {name}")).collect();
    Err(AnalysisError::Length { what, expected: sides.join(" × "), got: len })
}
