//! What callers can get wrong.

use thiserror::Error;

/// A pooler that cannot be made, or states that do not fit it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PoolError {
    /// There is no pooler of this name.
    #[error("pooling is `{got}`; expected auto, {known}")]
    Unknown {
        /// The name asked for.
        got: String,
        /// Those there are.
        known: String,
    },
    /// An option is not one of the pooler's, or its value is none it takes.
    #[error("pooling {pooler}: `{option}` is {got}; expected {expected}")]
    Option {
        /// The pooler.
        pooler: &'static str,
        /// The option.
        option: String,
        /// What came.
        got: String,
        /// What it may be.
        expected: String,
    },
    /// The pooler cannot work without learned weights.
    #[error(
        "pooling {pooler} needs learned weights: a safetensors file with {tensors}; without them it would only give noise"
    )]
    NeedsWeights {
        /// The pooler.
        pooler: &'static str,
        /// The tensors it reads, with their shapes.
        tensors: &'static str,
    },
    /// A tensor of the weights is missing or has another shape.
    #[error("pooling weights: tensor `{tensor}` is {got}; expected {expected}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// Its shape, or that it is missing.
        got: String,
        /// The shape that was wanted.
        expected: String,
    },
    /// The weights are no safetensors file.
    #[error("pooling weights: {0}")]
    File(String),
    /// The states are not as long as their shape, or something the pooler needs is not among them.
    #[error("pooling {pooler}: {what} is {got}; expected {expected}")]
    States {
        /// The pooler.
        pooler: &'static str,
        /// Which.
        what: String,
        /// What came.
        got: String,
        /// What was needed.
        expected: String,
    },
}
