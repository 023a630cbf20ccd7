//! What can be wrong with vectors.

use std::fmt::Display;

use thiserror::Error;

/// Why a vector cannot be indexed or searched for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The vector has another width than the index.
    #[error("{what} has {got} elements, but this index holds vectors of {expected}")]
    Dimension {
        /// Which vector.
        what: String,
        /// Width of the index.
        expected: usize,
        /// Width that came.
        got: usize,
    },
    /// The vector holds a NaN or an infinity.
    #[error("{what} is not finite at element {index}")]
    NotFinite {
        /// Which vector.
        what: String,
        /// The first such element.
        index: usize,
    },
    /// What should be several vectors does not divide into them.
    #[error("{what} has {got} elements, which is no whole number of vectors of {width}")]
    Rows {
        /// Which vectors.
        what: String,
        /// Width of one.
        width: usize,
        /// Elements that came.
        got: usize,
    },
    /// Too few vectors to take ranges of.
    #[error("there are {vectors} vectors to take ranges of; give ranges, or two vectors or more")]
    Ranges {
        /// How many came.
        vectors: usize,
    },
    /// What is stored as a 16-bit float is larger than these can be.
    #[error(
        "{what} is {got} at element {index}, and 16-bit floats end at 65504; store it as f32 or int8, or compare \
         by the cosine, which keeps directions only"
    )]
    TooLarge {
        /// Which vector.
        what: String,
        /// The first such element.
        index: usize,
        /// Its value.
        got: String,
    },
    /// What an index is made of does not fit together.
    #[error("an index of {expected} cannot be made of {got}")]
    Parts {
        /// What should have come.
        expected: String,
        /// What came.
        got: String,
    },
    /// No more vectors fit.
    #[error("an index holds 2³² − 1 vectors at most; begin another")]
    Full,
    /// There is no precision of this name.
    #[error("precision is `{got}`; expected float32, int8, uint8, binary or ubinary")]
    Precision {
        /// The name.
        got: String,
    },
}

/// Fails if a value is a NaN or an infinity.
pub(crate) fn check_finite(what: &dyn Display, values: &[f32]) -> Result<(), SearchError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(SearchError::NotFinite { what: what.to_string(), index }),
        None => Ok(()),
    }
}
