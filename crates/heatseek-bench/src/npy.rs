//! NumPy's `.npy`, version 1.0: a header that says type and shape, then the numbers.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The numbers start here: NumPy wants a multiple of 64, and 128 holds any shape we can write.
const HEADER_BYTES: usize = 128;
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// A matrix, or an array of more extents, written row by row. It appears under its name when it is complete.
pub struct NpyWriter {
    out: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    rows: usize,
    /// NumPy's name of the type of an element.
    descr: &'static str,
}

impl NpyWriter {
    /// Begins the array that will be `path`, of elements of the type that NumPy calls `descr`.
    pub fn create(path: &Path, descr: &'static str) -> Result<Self, Failure> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|error| Failure::file("create", &partial, &error))?;
        let mut writer = Self { out: BufWriter::new(file), partial, path: path.to_owned(), rows: 0, descr };
        // The shape is known at the end only; until then the header is a placeholder.
        let blank = [0u8; HEADER_BYTES];
        let written = writer.out.write_all(&blank);
        writer.told(written)?;
        Ok(writer)
    }

    /// Appends `rows` rows, little-endian float32.
    pub fn write(&mut self, values: &[f32], rows: usize) -> Result<(), Failure> {
        for value in values {
            let written = self.out.write_all(&value.to_le_bytes());
            self.told(written)?;
        }
        self.rows += rows;
        Ok(())
    }

    /// Appends `rows` rows of elements of one byte.
    pub fn write_bytes(&mut self, values: &[u8], rows: usize) -> Result<(), Failure> {
        let written = self.out.write_all(values);
        self.told(written)?;
        self.rows += rows;
        Ok(())
    }

    /// Writes the header for rows of the shape `row` and gives the file its name.
    pub fn finish(mut self, row: &[usize]) -> Result<(), Failure> {
        let done = self
            .out
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.out.write_all(&header(self.rows, row, self.descr)))
            .and_then(|()| self.out.flush())
            .and_then(|()| fs::rename(&self.partial, &self.path));
        self.told(done)
    }

    fn told(&self, result: io::Result<()>) -> Result<(), Failure> {
        result.map_err(|error| Failure::file("write", &self.path, &error))
    }
}

fn header(rows: usize, row: &[usize], descr: &str) -> Vec<u8> {
    let extents: String = row.iter().map(|n| format!(", {n}")).collect();
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}{extents}), }}");
    let dict_bytes = HEADER_BYTES - MAGIC.len() - 2;
    let mut header = MAGIC.to_vec();
    header.extend((dict_bytes as u16).to_le_bytes());
    header.extend(format!("{dict:<width$}\n", width = dict_bytes - 1).bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_long_as_promised_and_end_the_line() {
        for (rows, row) in [(0, &[384][..]), (1, &[1]), (usize::MAX, &[usize::MAX]), (48, &[12, 1370, 1370])]
        {
            let header = header(rows, row, "<f4");
            assert_eq!(header.len(), HEADER_BYTES);
            assert_eq!(header.last(), Some(&b'\n'));
            assert_eq!(u16::from_le_bytes([header[8], header[9]]) as usize, HEADER_BYTES - 10);
        }
    }
}
