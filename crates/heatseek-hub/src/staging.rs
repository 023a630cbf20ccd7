//! A directory beside the model where files wait until all of them have been verified.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, KnownFile};

/// Removed with whatever is left in it when dropped, so that a failure leaves nothing behind.
pub(crate) struct Staging {
    path: PathBuf,
}

impl Staging {
    /// On the same file system as the model, or the renames would not be atomic.
    pub(crate) fn beside(models_dir: &Path, name: &str) -> Result<Self, Error> {
        let path = models_dir.join(format!(".{name}.partial-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves verified `files` from `folder` (somewhere inside the staging directory) into `model_dir`.
    /// A model that was not there appears whole, by one rename.
    pub(crate) fn install(&self, folder: &Path, model_dir: &Path, files: &[&KnownFile]) -> Result<(), Error> {
        if model_dir.exists() {
            return move_files(folder, model_dir, files);
        }
        let whole = self.path.join("whole");
        move_files(folder, &whole, files)?;
        fs::rename(&whole, model_dir).map_err(Error::io("create", model_dir))
    }
}

fn move_files(from: &Path, to: &Path, files: &[&KnownFile]) -> Result<(), Error> {
    for file in files {
        let path = to.join(file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        fs::rename(from.join(file.path), &path).map_err(Error::io("replace", &path))?;
    }
    Ok(())
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing useful can be done about a failure here, and the next fetch uses another name.
        let _ = fs::remove_dir_all(&self.path);
    }
}
