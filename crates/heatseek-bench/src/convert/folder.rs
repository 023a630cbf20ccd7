//! A model's folder, written.

use std::fs;
use std::path::{Path, PathBuf};

use heatseek::ModelFiles;

use crate::failure::Failure;

/// A new folder, whose files are removed again unless it is [kept](Self::keep).
pub struct Folder {
    path: PathBuf,
    written: Vec<PathBuf>,
}

impl Folder {
    /// Makes sure that `path` is there and empty: no file of anybody's is written over.
    pub fn claim(path: &Path) -> Result<Self, Failure> {
        let fail = |error| Failure::file("write to", path, &error);
        fs::create_dir_all(path).map_err(fail)?;
        match fs::read_dir(path).map_err(fail)?.next() {
            None => Ok(Self { path: path.to_owned(), written: Vec::new() }),
            Some(_) => {
                let path = path.display();
                Err(Failure::invalid(format!("{path} is not empty: give --out a folder of its own")))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file; `name` is relative, with `/` between folders.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path.join(name);
        let fail = |error| Failure::file("write", &path, &error);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        self.written.push(path.clone());
        fs::write(&path, bytes).map_err(fail)
    }

    /// Writes all of a model's files.
    pub fn write_all(&mut self, files: &ModelFiles) -> Result<(), Failure> {
        for name in files.paths() {
            if let Some(bytes) = files.get(name) {
                self.write(name, bytes)?;
            }
        }
        Ok(())
    }

    /// Copies those of `names` that are in the folder `from`, and not here.
    pub fn copy(&mut self, from: &Path, names: &[&str]) -> Result<(), Failure> {
        for name in names {
            let path = from.join(name);
            if path.is_file() && !self.path.join(name).exists() {
                let bytes = fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
                self.write(name, &bytes)?;
            }
        }
        Ok(())
    }

    /// Bytes of all that was written.
    pub fn bytes(&self) -> u64 {
        self.written.iter().filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum()
    }

    /// Everything is well: it stays.
    pub fn keep(mut self) {
        self.written.clear();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for path in &self.written {
            // Whatever stopped us is said; what cannot be removed either is seen by the next who claims the folder.
            let _ = fs::remove_file(path);
            let parents = path.ancestors().skip(1).take_while(|parent| parent.starts_with(&self.path));
            parents.for_each(|parent| drop(fs::remove_dir(parent)));
        }
    }
}
