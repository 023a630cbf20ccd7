//! Texts, one a line, as they come in.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::failure::Failure;

/// Room for a few thousand short lines: what is buffered is embedded together.
const BUFFER_BYTES: usize = 1 << 18;
/// The most texts embedded together, so that output keeps flowing.
const GROUP_TEXTS: usize = 512;

/// A file or standard input, read line by line.
pub struct Lines {
    reader: BufReader<Box<dyn Read>>,
    name: String,
    line: usize,
    offset_bytes: u64,
}

impl Lines {
    /// Opens `path`; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let (source, name): (Box<dyn Read>, String) = if path.as_os_str() == "-" {
            (Box::new(io::stdin()), "standard input".to_owned())
        } else {
            let file = File::open(path).map_err(|error| Failure::file("open", path, &error))?;
            (Box::new(file), path.display().to_string())
        };
        Ok(Self { reader: BufReader::with_capacity(BUFFER_BYTES, source), name, line: 0, offset_bytes: 0 })
    }

    /// The texts that are there already, at least one; nothing at the end. A program that writes one line
    /// and waits for its answer gets it.
    pub fn next_group(&mut self) -> Result<Vec<String>, Failure> {
        let mut group = Vec::new();
        while let Some(text) = self.next_line()? {
            group.push(text);
            if group.len() == GROUP_TEXTS || !self.reader.buffer().contains(&b'\n') {
                break;
            }
        }
        Ok(group)
    }

    fn next_line(&mut self) -> Result<Option<String>, Failure> {
        let mut bytes = Vec::new();
        let len_bytes = self.reader.read_until(b'\n', &mut bytes).map_err(|error| Failure::Told {
            code: "invalid_input",
            message: format!("could not read {}: {error}", self.name),
        })?;
        if len_bytes == 0 {
            return Ok(None);
        }
        self.line += 1;
        let start = self.offset_bytes;
        self.offset_bytes += len_bytes as u64;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let within = error.utf8_error().valid_up_to();
            Failure::invalid(format!(
                "{} is not UTF-8 at byte {} (line {}, byte {within} of it); convert it first",
                self.name,
                start + within as u64,
                self.line
            ))
        })?;
        Ok(Some(text))
    }
}
