//! What can be wrong with a model's files.

use heatseek_ops::{BatchError, ProgramError};
use thiserror::Error;

/// What kind of failure a [`ModelError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A sound model that Heatseek cannot run.
    Unsupported,
    /// Files or arguments that contradict themselves or each other.
    Invalid,
    /// A file that is not there.
    NotFound,
    /// A bug of Heatseek.
    Internal,
}

/// Why a model cannot be loaded or used. Files are named relative to the model's folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file the model needs is not there.
    #[error("`{file}` is missing from the model: {hint}")]
    MissingFile {
        /// The file.
        file: String,
        /// What it is for, and what to do.
        hint: String,
    },
    /// A file could not be read.
    #[error("cannot read `{file}`: {source}")]
    Io {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Weights in a format that runs code when it is read.
    #[error("the weights are only there as `{file}`; convert them to `{expected}` with safetensors")]
    PickledWeights {
        /// The file found.
        file: String,
        /// The file wanted.
        expected: String,
    },
    /// A file is not JSON.
    #[error("`{file}` is not JSON: {source}")]
    Json {
        /// The file.
        file: String,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// A JSON field is absent or makes no sense.
    #[error("`{file}`: `{field}` must be {expected}, but is {got}")]
    Field {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// What it may be.
        expected: String,
        /// What it is.
        got: String,
    },
    /// A setting Heatseek does not implement.
    #[error("`{file}`: `{field}` is {got}, which is not supported; supported: {supported}")]
    UnsupportedSetting {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// Its value.
        got: String,
        /// What would work.
        supported: String,
    },
    /// An architecture Heatseek does not implement.
    #[error("`{file}`: models of type `{model_type}` are not supported; supported: {supported}")]
    UnsupportedArchitecture {
        /// The configuration.
        file: String,
        /// Its `model_type`.
        model_type: String,
        /// The types that work.
        supported: String,
    },
    /// A sentence-transformers module Heatseek does not implement.
    #[error("`{file}`: the module `{module}` is not supported; supported: {supported}")]
    UnsupportedModule {
        /// The module list.
        file: String,
        /// The module's type.
        module: String,
        /// The modules that work.
        supported: String,
    },
    /// Modules in an order that makes no vectors.
    #[error("`{file}`: expected {expected}, got {got}")]
    ModuleOrder {
        /// The module list.
        file: String,
        /// What should have been there.
        expected: String,
        /// What was.
        got: String,
    },
    /// A safetensors file whose header or size is wrong.
    #[error("`{file}` is not a sound safetensors file: expected {expected}, got {got}")]
    Safetensors {
        /// The file.
        file: String,
        /// What the format demands.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A tensor whose entry in a safetensors header lies.
    #[error("`{file}`: tensor `{tensor}`: expected {expected}, got {got}")]
    TensorEntry {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// What the format demands.
        expected: String,
        /// What was found.
        got: String,
    },
    /// Weights stored in a type Heatseek does not read.
    #[error("`{file}`: tensor `{tensor}` is {got}, which is not supported; supported: {supported}")]
    UnsupportedDtype {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its type.
        got: String,
        /// The types that work.
        supported: String,
    },
    /// A weight is not in the checkpoint.
    #[error("`{file}` has no tensor `{tensor}` (names tried: {tried}), which {field} calls for")]
    MissingTensor {
        /// The file.
        file: String,
        /// The tensor, without prefix.
        tensor: String,
        /// The full names looked for.
        tried: String,
        /// The configuration that wants it.
        field: String,
    },
    /// A weight's shape is not what the configuration says.
    #[error("`{file}`: tensor `{tensor}` should be {expected:?} by {field}, but is {got:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The shape by the configuration.
        expected: Vec<usize>,
        /// The shape found.
        got: Vec<usize>,
        /// The configuration that says so.
        field: String,
    },
    /// A picture smaller than a patch.
    #[error(
        "a picture of {width} x {height} pixels is smaller than one patch of {patch_size} x {patch_size}; make it larger"
    )]
    PictureTooSmall {
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// Side of a patch.
        patch_size: usize,
    },
    /// Pixels of the wrong number.
    #[error("a picture of {width} x {height} pixels has {} values in three channels, but {got} were given", 3 * width * height)]
    PixelCount {
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// Values given.
        got: usize,
    },
    /// The checkpoint has a weight that the model as configured would not use.
    #[error("`{file}`: tensor `{tensor}` belongs to no part of the model that {expected}")]
    UnexpectedTensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// What the configuration describes.
        expected: String,
    },
    /// A weight is NaN or infinite.
    #[error("`{file}`: tensor `{tensor}` holds {got} at index {index}; every weight must be finite")]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Flat index of the first such element.
        index: usize,
        /// The element.
        got: f32,
    },
    /// A token or token type id beyond the model's tables.
    #[error("{what} {got} at position {position} is out of range; the model has {limit}")]
    IdOutOfRange {
        /// `token id` or `token type id`.
        what: &'static str,
        /// The id.
        got: u32,
        /// Its place in the sequence.
        position: usize,
        /// Rows of the table.
        limit: usize,
    },
    /// A sequence longer than the model has positions.
    #[error("a sequence of {got} tokens is too long; the model takes at most {limit}")]
    TooLong {
        /// Tokens.
        got: usize,
        /// `max_position_embeddings`.
        limit: usize,
    },
    /// A text without the token that CLIP takes its vector from.
    #[error("a text has no token that ends it; `eos_token_id` of `{file}` and the tokenizer must agree")]
    NoTextEnd {
        /// The configuration.
        file: String,
    },
    /// A sequence that cannot join a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A prompt name the model does not have.
    #[error("this model has no prompt named `{name}`; it has: {known}")]
    UnknownPrompt {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A pooler whose vectors the model's Dense layers do not take.
    #[error(
        "the pooler's vectors have {got} elements and the model's Dense layer takes {expected}; use a pooler that gives {expected}"
    )]
    PooledWidth {
        /// Elements of a pooled vector.
        got: usize,
        /// `in_features`.
        expected: usize,
    },
    /// A hidden state the model does not have.
    #[error("hidden state {got} is asked for; the model has 0, the embeddings, to {last}")]
    NoSuchLayer {
        /// The one asked for.
        got: usize,
        /// The last there is.
        last: usize,
    },
    /// A Program that does not fit together.
    #[error("internal error: {0}; please report this with the model's name")]
    Program(#[from] ProgramError),
}

impl ModelError {
    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::MissingFile { .. } => ErrorKind::NotFound,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::PickledWeights { .. }
            | Self::UnsupportedSetting { .. }
            | Self::UnsupportedArchitecture { .. }
            | Self::UnsupportedModule { .. }
            | Self::UnsupportedDtype { .. } => ErrorKind::Unsupported,
            Self::Program(_) => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        }
    }
}
