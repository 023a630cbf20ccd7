//! Where vectors go: JSON Lines on stdout, or a NumPy matrix in a file.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::failure::Failure;
use crate::npy::NpyWriter;

/// A place for vectors.
pub enum Sink {
    /// One JSON object a line.
    JsonLines(io::BufWriter<io::Stdout>),
    /// A float32 matrix.
    Npy(NpyWriter),
}

impl Sink {
    /// The file at `output`, or stdout.
    pub fn open(output: Option<&Path>) -> Result<Self, Failure> {
        Ok(match output {
            Some(path) => Self::Npy(NpyWriter::create(path)?),
            None => Self::JsonLines(io::BufWriter::new(io::stdout())),
        })
    }

    /// Writes `count` vectors: as a matrix `data [count, …]`, or as the lines that `rows` makes of them.
    pub fn write_matrix<R: Serialize, I: Iterator<Item = R>>(
        &mut self,
        data: &[f32],
        count: usize,
        rows: impl FnOnce() -> I,
    ) -> Result<(), Failure> {
        let out = match self {
            Self::Npy(npy) => return npy.write(data, count),
            Self::JsonLines(out) => out,
        };
        for row in rows() {
            serde_json::to_writer(&mut *out, &row).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        // Whoever waits for an answer to one line should not wait for a full buffer.
        out.flush()?;
        Ok(())
    }

    /// Completes the file; `width` is that of a vector.
    pub fn finish(self, width: usize) -> Result<(), Failure> {
        match self {
            Self::Npy(npy) => npy.finish(&[width]),
            Self::JsonLines(mut out) => Ok(out.flush()?),
        }
    }
}
