//! "Has anything this step reads changed since it last ran?", by content: checkouts touch times.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::run;

/// A hash of a step's inputs and the file that remembers it.
pub struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    /// `file` keeps the hash; `inputs` are files (a missing one counts as empty), `settings` the rest.
    pub fn new(file: PathBuf, inputs: &[PathBuf], settings: &[&str]) -> Result<Self> {
        let mut hasher = Sha256::new();
        for setting in settings {
            hasher.update(setting.as_bytes());
            hasher.update([0]);
        }
        for input in inputs {
            hasher.update(input.as_os_str().as_encoded_bytes());
            match fs::read(input) {
                Ok(bytes) => hasher.update(Sha256::digest(&bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => hasher.update([0]),
                Err(error) => {
                    return Err(error).with_context(|| format!("could not read {}", input.display()));
                }
            }
        }
        let hash = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { file, hash })
    }

    /// True when the step ran on these very inputs and `outputs` are still there.
    pub fn is_current(&self, outputs: &[&Path]) -> Result<bool> {
        let kept = run::read_file_if_any(&self.file)?;
        Ok(kept.as_deref() == Some(self.hash.as_str()) && outputs.iter().all(|output| output.exists()))
    }

    /// Remembers that the step is done.
    pub fn set(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        }
        fs::write(&self.file, &self.hash).with_context(|| format!("could not write {}", self.file.display()))
    }
}
