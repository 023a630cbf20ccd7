//! NumPy's `.npy`, version 1.0: a header that says type and shape, then the numbers.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::io::{Seek, SeekFrom};
use std::path::Path;

use crate::failure::Failure;
use crate::partial::PartialFile;

/// The numbers start here: NumPy wants a multiple of 64, and 128 holds any shape we can write.
const HEADER_BYTES: usize = 128;
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// A matrix, or an array of more extents, written row by row. It appears under its name when it is complete.
pub struct NpyWriter {
    file: PartialFile,
    rows: usize,
    /// NumPy's name of the type of an element.
    descr: &'static str,
}

impl NpyWriter {
    /// Begins the array that will be `path`, of elements of the type that NumPy calls `descr`.
    pub fn create(path: &Path, descr: &'static str) -> Result<Self, Failure> {
        let mut writer = Self { file: PartialFile::create(path)?, rows: 0, descr };
        // The shape is known at the end only; until then the header is a placeholder.
        writer.file.write(&[0u8; HEADER_BYTES])?;
        Ok(writer)
    }

    /// Appends `rows` rows, little-endian float32.
    pub fn write(&mut self, values: &[f32], rows: usize) -> Result<(), Failure> {
        for value in values {
            self.file.write(&value.to_le_bytes())?;
        }
        self.rows += rows;
        Ok(())
    }

    /// Appends `rows` rows of elements of one byte.
    pub fn write_bytes(&mut self, values: &[u8], rows: usize) -> Result<(), Failure> {
        self.file.write(values)?;
        self.rows += rows;
        Ok(())
    }

    /// Writes the header for rows of the shape `row` and gives the file its name.
    pub fn finish(mut self, row: &[usize]) -> Result<(), Failure> {
        self.file.with(|out| out.seek(SeekFrom::Start(0)))?;
        self.file.write(&header(self.rows, row, self.descr))?;
        self.file.finish()
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
