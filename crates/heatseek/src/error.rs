//! One error for everything a caller can meet, with a code that survives every boundary.

use heatseek_attention::AnalysisError;
use heatseek_image::ImageError;
use heatseek_model::ModelError;
use heatseek_ops::{BatchError, ExecutorError, ProgramError};
use heatseek_pool::PoolError;
use heatseek_search::store::StoreError;
use heatseek_search::{FilterError, RankingError, SearchError};
use heatseek_text::TextError;
use thiserror::Error;

use crate::control::Cancelled;

/// What went wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The model's files.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokenizer or a text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A picture, or what a model's files say about pictures.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// One of several pictures.
    #[error("picture {index}, counted from 0: {source}")]
    Picture {
        /// Its place among them.
        index: usize,
        /// What is wrong with it.
        source: ImageError,
    },
    /// The device.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The index.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// How hits are ranked.
    #[error(transparent)]
    Ranking(#[from] RankingError),
    /// Which hits are wanted.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A stored index.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pooling asked for.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// Our own Program does not fit together.
    #[error("internal error: {0}; please report this")]
    Program(#[from] ProgramError),
    /// Our own batch does not fit together.
    #[error("internal error: {0}; please report this")]
    Batch(#[from] BatchError),
    /// Our own maps do not fit together.
    #[error("internal error: {0}; please report this")]
    Analysis(#[from] AnalysisError),
    /// An argument.
    #[error("{what}: got {got}, expected {expected}")]
    InvalidInput {
        /// Which argument.
        what: String,
        /// What came.
        got: String,
        /// What would have been right.
        expected: String,
    },
    /// The caller cancelled.
    #[error("cancelled by the caller")]
    Aborted,
}

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Self {
        Error::Aborted
    }
}

impl Error {
    /// A stable word for programs: `invalid_input`, `unsupported`, `model_invalid`, `not_found`,
    /// `device_lost`, `out_of_memory`, `aborted`, `locked` or `index_invalid` (of a stored index), or `internal`.
    pub fn code(&self) -> &'static str {
        match self {
            // A fault of the call, not of the files.
            Error::Model(
                ModelError::UnknownPrompt { .. }
                | ModelError::TooLong { .. }
                | ModelError::PictureTooSmall { .. }
                | ModelError::PixelCount { .. },
            ) => "invalid_input",
            Error::Model(error) => match error.kind() {
                heatseek_model::ErrorKind::Unsupported => "unsupported",
                heatseek_model::ErrorKind::NotFound => "not_found",
                heatseek_model::ErrorKind::Internal => "internal",
                _ => "model_invalid",
            },
            Error::Image(error) | Error::Picture { source: error, .. } if error.is_model_file() => {
                "model_invalid"
            }
            Error::Image(_) | Error::Picture { .. } => "invalid_input",
            Error::Text(error) if error.is_model_file() => "model_invalid",
            Error::Text(_) | Error::Search(_) | Error::Pool(_) | Error::InvalidInput { .. } => {
                "invalid_input"
            }
            Error::Ranking(_) | Error::Filter(_) => "invalid_input",
            Error::Store(StoreError::NotFound) => "not_found",
            Error::Store(StoreError::Version { .. }) => "unsupported",
            Error::Store(StoreError::Identity { .. } | StoreError::Invalid { .. }) => "invalid_input",
            #[cfg(not(target_arch = "wasm32"))]
            Error::Store(StoreError::Locked { .. }) => "locked",
            Error::Store(_) => "index_invalid",
            Error::Aborted => "aborted",
            Error::Executor(ExecutorError::Unsupported { .. }) => "unsupported",
            Error::Executor(ExecutorError::Lost { .. }) => "device_lost",
            Error::Executor(ExecutorError::OutOfMemory { .. }) => "out_of_memory",
            _ => "internal",
        }
    }
}
