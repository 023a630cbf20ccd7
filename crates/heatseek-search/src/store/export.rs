//! What an index holds, in formats that other programs read.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::{Segment, VectorDtype};

/// NumPy wants the numbers to begin at a multiple of this.
const NPY_ALIGN: usize = 64;
/// NumPy's `.npy`, version 1.0: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
const NPY_MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Writes the vectors of `segments` as one `.npy` array `[rows, width]`, in the dtype they are stored in: bits as bytes
/// of eight, and int8 without its scales, which [`write_scales_npy`] writes.
///
/// # Errors
/// Those of `out`; [`io::ErrorKind::InvalidInput`] if the segments' vectors are of several kinds.
pub fn write_vectors_npy(segments: &[Segment], out: &mut impl Write) -> io::Result<()> {
    let kind = |segment: &Segment| (segment.vectors.dtype, segment.vectors.width);
    let (dtype, width) = segments.first().map_or((VectorDtype::F32, 0), kind);
    if segments.iter().any(|segment| kind(segment) != (dtype, width)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the segments are of several indexes"));
    }
    let (descr, columns) = match dtype {
        VectorDtype::F32 => ("<f4", width as usize),
        VectorDtype::F16 => ("<f2", width as usize),
        VectorDtype::I8 => ("|i1", width as usize),
        VectorDtype::Bits => ("|u1", dtype.row_bytes(width)),
    };
    write_npy_header(descr, &format!("({}, {columns})", rows(segments)), out)?;
    segments.iter().try_for_each(|segment| out.write_all(&segment.vectors.data))
}

/// Writes the scales of vectors of int8 as a `.npy` array `[rows]` of f32; for others it is empty.
///
/// # Errors
/// Those of `out`.
pub fn write_scales_npy(segments: &[Segment], out: &mut impl Write) -> io::Result<()> {
    let scales: Vec<f32> =
        segments.iter().flat_map(|segment| segment.vectors.scales.iter().copied()).collect();
    write_npy_header("<f4", &format!("({},)", scales.len()), out)?;
    scales.iter().try_for_each(|scale| out.write_all(&scale.to_le_bytes()))
}

/// Writes the documents of `segments` as JSON, one a line: `{ id, text, metadata, chunks: { start, end, row, rows }[] }`,
/// where `row` counts rows of [`write_vectors_npy`], and `start` and `end` bytes of the text in UTF-8.
///
/// # Errors
/// Those of `out`.
pub fn write_documents_jsonl(segments: &[Segment], out: &mut impl Write) -> io::Result<()> {
    let mut first = 0;
    for segment in segments {
        let mut chunks: Vec<Vec<Chunk>> = segment.documents.iter().map(|_| Vec::new()).collect();
        for chunk in &segment.chunks {
            let (start, end, rows) = (chunk.start, chunk.end, chunk.rows);
            if let Some(chunks) = chunks.get_mut(chunk.document as usize) {
                chunks.push(Chunk { start, end, row: first + chunk.first_row as usize, rows });
            }
        }
        for (document, chunks) in segment.documents.iter().zip(&chunks) {
            let (id, text, metadata) = (&document.id, &document.text, &document.metadata);
            serde_json::to_writer(&mut *out, &Line { id, text, metadata, chunks })?;
            out.write_all(b"\n")?;
        }
        first += segment.vectors.rows();
    }
    Ok(())
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    metadata: &'a Value,
    chunks: &'a [Chunk],
}

#[derive(Serialize)]
struct Chunk {
    start: u32,
    end: u32,
    row: usize,
    rows: u32,
}

fn rows(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.vectors.rows()).sum()
}

fn write_npy_header(descr: &str, shape: &str, out: &mut impl Write) -> io::Result<()> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // Spaces, then a line end, behind which the numbers begin.
    let before = NPY_MAGIC.len() + 2;
    while !(before + header.len() + 1).is_multiple_of(NPY_ALIGN) {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(NPY_MAGIC)?;
    // Shorter than two lines, whatever the shape.
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())
}
