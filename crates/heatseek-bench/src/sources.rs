//! The text files of a corpus.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A text file, read.
pub struct Source {
    /// Where it is, as the user would write it.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl Source {
    /// Whether its name says that it is Markdown.
    pub fn is_markdown(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md"))
    }
}

/// Reads `corpus`: one file of any name, or every `.txt` and `.md` file below a folder, in order of path.
pub fn read(corpus: &Path) -> Result<Vec<Source>, Failure> {
    let meta = fs::metadata(corpus).map_err(|error| Failure::file("read", corpus, &error))?;
    let mut paths = Vec::new();
    if meta.is_dir() {
        collect(corpus, &mut paths)?;
        paths.sort();
        if paths.is_empty() {
            return Err(Failure::invalid(format!(
                "there is no .txt or .md file in {}; name a folder that has some, or one file",
                corpus.display()
            )));
        }
    } else {
        paths.push(corpus.to_owned());
    }
    paths.into_iter().map(read_one).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|error| Failure::file("list", folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Failure::file("list", folder, &error))?;
        let kind = entry.file_type().map_err(|error| Failure::file("read", &entry.path(), &error))?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // Links to folders are not followed: a cycle would never end.
        if kind.is_dir() && !hidden {
            collect(&path, paths)?;
        } else if !hidden && is_text(&path) && path.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|kind| ["txt", "md"].iter().any(|text| kind.eq_ignore_ascii_case(text)))
}

fn read_one(path: PathBuf) -> Result<Source, Failure> {
    let bytes = fs::read(&path).map_err(|error| Failure::file("read", &path, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { path, text }),
        Err(error) => Err(Failure::invalid(format!(
            "{} is not UTF-8 at byte {}; convert it first",
            path.display(),
            error.utf8_error().valid_up_to()
        ))),
    }
}
