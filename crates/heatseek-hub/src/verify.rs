//! Is the file on disk the file that was published?

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, KnownFile};

/// What stands at a file's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// The published file.
    Valid,
    /// Nothing.
    Missing,
    /// Something else, with the SHA-256 it has.
    Different {
        /// Hash of what is there, lower-case hexadecimal.
        sha256: String,
    },
}

/// Compares `file` under `model_dir` with the catalog. Reads the whole file: 90 MB take about 0.3 s.
///
/// # Errors
/// [`Error::Io`] when something is there but cannot be read.
pub fn check(model_dir: &Path, file: &KnownFile) -> Result<FileState, Error> {
    let path = model_dir.join(file.path);
    let mut open = match File::open(&path) {
        Ok(open) => open,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let sha256 = sha256_of(&mut open).map_err(Error::io("read", path))?;
    Ok(if sha256 == file.sha256 { FileState::Valid } else { FileState::Different { sha256 } })
}

/// Compares every one of `files` under `folder`, which came from `origin`, with the catalog.
pub(crate) fn check_all(folder: &Path, origin: &str, files: &[&KnownFile]) -> Result<(), Error> {
    for file in files {
        let got = match check(folder, file)? {
            FileState::Valid => continue,
            FileState::Missing => "of nothing (the file is not there)".to_owned(),
            FileState::Different { sha256 } => sha256,
        };
        let origin = origin.to_owned();
        return Err(Error::WrongHash { file: file.path.to_owned(), origin, got, expected: file.sha256 });
    }
    Ok(())
}

fn sha256_of(reader: &mut impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut block = vec![0u8; 1 << 16];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(hex(&hasher.finalize())),
            len => hasher.update(&block[..len]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
