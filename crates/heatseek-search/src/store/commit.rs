//! A step from one state of an index to the next.

use super::state::Change;

/// What to do, in this order, for an index to pass to its next state. [`perform`](Self::perform) does it for hosts whose
/// files are written and read without waiting; others do as it does.
#[derive(Debug)]
pub struct Commit {
    /// Files to write, by name, and to have on the disk before the manifest is begun.
    pub files: Vec<(String, Vec<u8>)>,
    /// The manifest to write then over what has its name, and to have on the disk before anything is removed. The index
    /// is in its next state from the moment that it is there whole. `None` if the state stays.
    pub manifest: Option<(String, Vec<u8>)>,
    /// Files to remove then. Those that are not there or cannot be removed do no harm, and are removed when a writer
    /// opens the index.
    pub remove: Vec<String>,
    pub(crate) change: Change,
}

/// Files of one index, which nobody else writes meanwhile.
pub trait Files {
    /// Why a file could not be written.
    type Error;

    /// Writes a file over what has its name.
    ///
    /// # Errors
    /// Whatever the host meets.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Returns when all files written are on the disk with their names, so that no loss of power undoes them.
    ///
    /// # Errors
    /// Whatever the host meets.
    fn sync(&mut self) -> Result<(), Self::Error>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the host meets.
    fn remove(&mut self, name: &str) -> Result<(), Self::Error>;
}

impl Commit {
    /// Carries it out.
    ///
    /// # Errors
    /// The first of a write or a sync: the index is in its old state then, or, if the manifest was written but could not
    /// be synced, in the new one when it is opened again. What cannot be removed is no error.
    pub fn perform<F: Files>(&self, files: &mut F) -> Result<(), F::Error> {
        for (name, bytes) in &self.files {
            files.write(name, bytes)?;
        }
        if !self.files.is_empty() {
            files.sync()?;
        }
        if let Some((name, bytes)) = &self.manifest {
            files.write(name, bytes)?;
            files.sync()?;
        }
        for name in &self.remove {
            // As said above.
            let _ = files.remove(name);
        }
        Ok(())
    }
}
