//! Where vectors go: JSON Lines on stdout, or a NumPy matrix in a file.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use heatseek::{Precision, Quantized};
use serde::Serialize;

use crate::failure::Failure;
use crate::npy::NpyWriter;

/// A place for vectors.
pub struct Sink {
    out: Out,
    precision: Precision,
}

enum Out {
    /// One JSON object a line.
    JsonLines(io::BufWriter<io::Stdout>),
    /// A matrix.
    Npy(NpyWriter),
}

/// The vectors of one input.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Vectors<'a> {
    /// The one it has.
    One(Values<'a>),
    /// A list of them, where pooling gives several.
    Several(Vec<Values<'a>>),
}

/// The elements of a vector.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Values<'a> {
    /// As they are.
    F32(&'a [f32]),
    /// Steps or bits.
    I8(&'a [i8]),
    /// The same without sign.
    U8(&'a [u8]),
}

impl<'a> Vectors<'a> {
    /// Gives those of inputs one after another, `counts` of each where they have several; `width` is that of a vector
    /// as stored.
    pub fn of_each<'c>(
        all: &'a Quantized,
        width: usize,
        counts: Option<&'c [usize]>,
    ) -> impl FnMut(usize) -> Self + use<'a, 'c> {
        let mut next = 0;
        move |input| {
            let from = next;
            let one = |row: usize| Values::of(all, row * width..(row + 1) * width);
            next += counts.map_or(1, |counts| counts[input]);
            match counts {
                None => Self::One(one(from)),
                Some(_) => Self::Several((from..next).map(one).collect()),
            }
        }
    }
}

impl<'a> Values<'a> {
    /// Those in `range` of `all`.
    pub fn of(all: &'a Quantized, range: Range<usize>) -> Self {
        match all {
            Quantized::Float32(all) => Self::F32(&all[range]),
            Quantized::Int8(all) => Self::I8(&all[range]),
            Quantized::Uint8(all) => Self::U8(&all[range]),
        }
    }
}

impl Sink {
    /// The file at `output`, or stdout, for elements of `precision`.
    pub fn open(output: Option<&Path>, precision: Precision) -> Result<Self, Failure> {
        let descr = match precision {
            Precision::Float32 => "<f4",
            Precision::Int8 | Precision::Binary => "|i1",
            Precision::Uint8 | Precision::Ubinary => "|u1",
        };
        let out = match output {
            Some(path) => Out::Npy(NpyWriter::create(path, descr)?),
            None => Out::JsonLines(io::BufWriter::new(io::stdout())),
        };
        Ok(Self { out, precision })
    }

    /// What elements are stored as.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Writes `count` vectors: as a matrix `data [count, …]`, or as the lines that `rows` makes of them.
    pub fn write_matrix<R: Serialize, I: Iterator<Item = R>>(
        &mut self,
        data: &Quantized,
        count: usize,
        rows: impl FnOnce() -> I,
    ) -> Result<(), Failure> {
        let out = match (&mut self.out, data) {
            (Out::Npy(npy), Quantized::Float32(values)) => return npy.write(values, count),
            (Out::Npy(npy), Quantized::Uint8(values)) => return npy.write_bytes(values, count),
            (Out::Npy(npy), Quantized::Int8(values)) => {
                let bytes: Vec<u8> = values.iter().map(|v| v.cast_unsigned()).collect();
                return npy.write_bytes(&bytes, count);
            }
            (Out::JsonLines(out), _) => out,
        };
        for row in rows() {
            serde_json::to_writer(&mut *out, &row).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        // Whoever waits for an answer to one line should not wait for a full buffer.
        out.flush()?;
        Ok(())
    }

    /// Completes the file; `width` is that of a vector as stored.
    pub fn finish(self, width: usize) -> Result<(), Failure> {
        match self.out {
            Out::Npy(npy) => npy.finish(&[width]),
            Out::JsonLines(mut out) => Ok(out.flush()?),
        }
    }
}
