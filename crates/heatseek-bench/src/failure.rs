//! How a failure looks to whoever called us: one line on stderr, and status 1.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use heatseek::store::StoreError;

/// Why a command stopped.
#[derive(Debug)]
pub enum Failure {
    /// Something to tell the user: a stable code for programs, and a sentence.
    Told {
        /// A word such as `invalid_input`.
        code: &'static str,
        /// What, where, and what to do.
        message: String,
    },
    /// Nobody reads our output any more (`heatseek … | head`): not a failure worth a word.
    NobodyReads,
}

impl Failure {
    /// Bad input from the user.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Told { code: "invalid_input", message: message.into() }
    }

    /// A bug of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Told {
            code: "internal",
            message: format!("internal error: {}; please report this", message.into()),
        }
    }

    /// A file that could not be read or written.
    pub fn file(action: &str, path: &Path, error: &io::Error) -> Self {
        let code = if error.kind() == ErrorKind::NotFound { "not_found" } else { "invalid_input" };
        Self::Told { code, message: format!("could not {action} {}: {error}", path.display()) }
    }

    /// Prints the line and gives the exit status.
    pub fn report(self) -> ExitCode {
        match self {
            Self::Told { code, message } => {
                // One line, whatever the message holds, so that programs can read it.
                let message = message.replace(['\n', '\r'], " ");
                let _ = writeln!(io::stderr(), "heatseek: {message} [{code}]");
                ExitCode::FAILURE
            }
            Self::NobodyReads => ExitCode::SUCCESS,
        }
    }
}

/// Errors of writing to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Told { code: "internal", message: format!("could not write the output: {error}") },
        }
    }
}

impl From<heatseek_hub::Error> for Failure {
    fn from(error: heatseek_hub::Error) -> Self {
        Self::Told { code: error.code(), message: error.to_string() }
    }
}

impl From<heatseek::SearchError> for Failure {
    fn from(error: heatseek::SearchError) -> Self {
        heatseek::Error::from(error).into()
    }
}

impl From<heatseek::Error> for Failure {
    fn from(error: heatseek::Error) -> Self {
        Self::Told { code: error.code(), message: error.to_string() }
    }
}

/// What is wrong with the index at `place`, with that place.
pub fn in_index(place: impl Display) -> impl FnOnce(StoreError) -> Failure {
    move |error| {
        let error = heatseek::Error::from(error);
        Failure::Told { code: error.code(), message: format!("{place}: {error}") }
    }
}
