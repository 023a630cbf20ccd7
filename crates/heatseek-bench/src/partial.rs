//! A file that has its name once it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file on its way. Until it is finished it is called `….partial`, and what has its name stays as it was.
pub struct PartialFile {
    out: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
}

impl PartialFile {
    /// Begins the file that will be `path`.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|error| Failure::file("create", &partial, &error))?;
        Ok(Self { out: BufWriter::new(file), partial, path: path.to_owned() })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.with(|out| out.write_all(bytes))
    }

    /// Does what `work` does to it.
    pub fn with<T>(
        &mut self,
        work: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> Result<T, Failure> {
        work(&mut self.out).map_err(|error| Failure::file("write", &self.path, &error))
    }

    /// Gives it its name.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.with(Write::flush)?;
        fs::rename(&self.partial, &self.path).map_err(|error| Failure::file("write", &self.path, &error))
    }
}
