//! What can be wrong with a stored index.

use std::fmt;

use thiserror::Error;

/// Why an index could not be opened, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file is not what it should be.
    #[error(
        "{file}: expected {expected}, got {got}; the file is damaged: restore it or index the documents again"
    )]
    Damaged {
        /// Which file.
        file: String,
        /// What should stand there.
        expected: String,
        /// What does.
        got: String,
    },
    /// Files of an index are there, but none of its manifests can be used.
    #[error(
        "no manifest of this index can be used ({reasons}): restore its files or index the documents again"
    )]
    NoManifest {
        /// What is wrong with each.
        reasons: String,
    },
    /// The newest state can be read no more, and the one before it can: its files are left as they are.
    #[error(
        "the last change of this index is damaged ({reasons}): restore its files, or open it with `recover` as it was \
         before that change"
    )]
    Lost {
        /// What is wrong, and what the change was.
        reasons: String,
    },
    /// There is no index.
    #[error("there is no index here: make one first, or look for it elsewhere")]
    NotFound,
    /// A newer version of the library wrote it.
    #[error(
        "{file} has format version {got}, written by heatseek {library}; this one reads up to version {known}: use \
         heatseek {library} or newer"
    )]
    Version {
        /// The manifest.
        file: String,
        /// Its version.
        got: u32,
        /// The library that wrote it.
        library: String,
        /// The newest version that can be read.
        known: u32,
    },
    /// The index was made with other settings than it is opened with.
    #[error(
        "this index was made with {}: open it with those, or index the documents again with the new ones",
        Listed(differences)
    )]
    Identity {
        /// What differs.
        differences: Vec<Difference>,
    },
    /// An argument.
    #[error("{what}: expected {expected}, got {got}")]
    Invalid {
        /// Which argument.
        what: String,
        /// What would have been right.
        expected: String,
        /// What came.
        got: String,
    },
    /// An archive holds something else than files of an index.
    #[error(
        "`{name}` in this archive is {got}, which no index has: nothing was imported; export the index anew"
    )]
    Archive {
        /// What the archive calls it.
        name: String,
        /// What is wrong with it.
        got: String,
    },
    /// A commit that was prepared for an older state.
    #[error(
        "the index is at generation {current}, but this commit continues generation {base}: prepare it again"
    )]
    Stale {
        /// The generation that the commit continues.
        base: u64,
        /// The generation of the index.
        current: u64,
    },
    /// Another writer has the index open.
    #[cfg(not(target_arch = "wasm32"))]
    #[error(
        "another process or part of this one is writing to the index in {path}: close it there, or open it to read"
    )]
    Locked {
        /// The index's folder.
        path: std::path::PathBuf,
    },
    /// The file system failed.
    #[cfg(not(target_arch = "wasm32"))]
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: std::path::PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// A setting that an index was made with, and the one it is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which setting.
    pub setting: String,
    /// The index's.
    pub index: String,
    /// The caller's.
    pub given: String,
}

struct Listed<'a>(&'a [Difference]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Difference { setting, index, given }) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{setting} {index} (not {given})")?;
        }
        Ok(())
    }
}

/// What is wrong with a value, before it is known whether a file or a caller gave it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { what: what.into(), expected: expected.into(), got: got.into() }
    }

    pub(crate) fn in_file(self, file: impl fmt::Display) -> StoreError {
        let Self { what, expected, got } = self;
        StoreError::Damaged { file: format!("{file}, {what}"), expected, got }
    }

    pub(crate) fn in_call(self) -> StoreError {
        let Self { what, expected, got } = self;
        StoreError::Invalid { what, expected, got }
    }
}
