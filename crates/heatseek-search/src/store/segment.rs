//! Documents with their chunks and vectors, and the bytes that they become.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Fault;
use super::tensors::Header;
use super::{Identity, VectorDtype};

/// Deeper metadata could be written, but serde_json reads no more than 128 levels, of which a document's own is one.
const MAX_METADATA_DEPTH: usize = 100;

/// Columns of the tensor `chunks`.
const CHUNK_FIELDS: usize = 5;
/// Columns of the tensor `removed`.
const PLACE_FIELDS: usize = 2;

/// Vectors, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentVectors {
    /// How an element is written.
    pub dtype: VectorDtype,
    /// Elements of a vector.
    pub width: u32,
    /// `[rows, width]`, row-major, each row of [`VectorDtype::row_bytes`].
    pub data: Vec<u8>,
    /// What to multiply each row's elements by: `[rows]` for [`VectorDtype::I8`], else empty.
    pub scales: Vec<f32>,
}

impl SegmentVectors {
    /// None.
    pub fn new(dtype: VectorDtype, width: u32) -> Self {
        Self { dtype, width, data: Vec::new(), scales: Vec::new() }
    }

    /// Vectors held.
    pub fn rows(&self) -> usize {
        self.data.len() / self.dtype.row_bytes(self.width).max(1)
    }

    /// The bytes of one vector, or `None` behind the last.
    pub fn row(&self, row: usize) -> Option<&[u8]> {
        self.data.chunks_exact(self.dtype.row_bytes(self.width).max(1)).nth(row)
    }
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredDocument {
    /// The caller's name for it; no two documents of an index have the same.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Whatever the caller wants back with it; at most 100 levels deep.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
}

/// A part of a document, and its vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoredChunk {
    /// Which of the segment's documents it is of, counted from 0.
    pub document: u32,
    /// Its first byte in the document's text.
    pub start: u32,
    /// Behind its last byte.
    pub end: u32,
    /// Its first vector among the segment's. Chunks may share vectors, such as those of the same text.
    pub first_row: u32,
    /// How many vectors it has.
    pub rows: u32,
}

/// Documents, their chunks, and the vectors of those.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Documents, in the order they were added.
    pub documents: Vec<StoredDocument>,
    /// Their chunks.
    pub chunks: Vec<StoredChunk>,
    /// The chunks' vectors.
    pub vectors: SegmentVectors,
}

/// A document of an index: the number of its segment, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) document: u32,
}

/// What the counts of a segment are, by its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) documents: u32,
    pub(crate) chunks: u32,
    pub(crate) rows: u32,
    pub(crate) removed: u32,
}

impl Segment {
    /// Nothing, to be filled with vectors of this kind.
    pub fn new(dtype: VectorDtype, width: u32) -> Self {
        Self { documents: Vec::new(), chunks: Vec::new(), vectors: SegmentVectors::new(dtype, width) }
    }

    /// That everything fits together, and is as `identity` says.
    pub(crate) fn check(&self, identity: &Identity) -> Result<(), Fault> {
        let SegmentVectors { dtype, width, data, scales } = &self.vectors;
        if (*dtype, *width) != (identity.dtype, identity.width) {
            let expected = format!("{} of {}, as the index holds", identity.dtype, identity.width);
            return Err(Fault::new("vectors", expected, format!("{dtype} of {width}")));
        }
        let (row_bytes, rows) = (dtype.row_bytes(*width).max(1), self.vectors.rows());
        if data.len() % row_bytes != 0 {
            let expected = format!("whole vectors of {row_bytes} bytes");
            return Err(Fault::new("vectors", expected, format!("{} bytes", data.len())));
        }
        let expected = if *dtype == VectorDtype::I8 { rows } else { 0 };
        if scales.len() != expected {
            return Err(Fault::new("scales", expected.to_string(), scales.len().to_string()));
        }
        if let Some(at) = scales.iter().position(|scale| !scale.is_finite()) {
            return Err(Fault::new(format!("scale {at}"), "a finite number", scales[at].to_string()));
        }
        for count in [rows, self.chunks.len(), self.documents.len()] {
            if u32::try_from(count).is_err() {
                return Err(Fault::new("segment", "fewer than 2^32 of each", count.to_string()));
            }
        }
        let mut ids = HashSet::new();
        for (at, document) in self.documents.iter().enumerate() {
            if !ids.insert(&document.id) {
                let what = format!("document {at}");
                return Err(Fault::new(what, "an id of its own", format!("`{}` again", document.id)));
            }
            if deeper_than(&document.metadata, MAX_METADATA_DEPTH) {
                let expected = format!("at most {MAX_METADATA_DEPTH} levels");
                return Err(Fault::new(format!("metadata of `{}`", document.id), expected, "more"));
            }
        }
        self.chunks.iter().enumerate().try_for_each(|(at, chunk)| self.check_chunk(at, chunk, rows))
    }

    fn check_chunk(&self, at: usize, chunk: &StoredChunk, rows: usize) -> Result<(), Fault> {
        let &StoredChunk { document, start, end, first_row, rows: count } = chunk;
        let fault = |expected: String| Fault::new(format!("chunk {at}"), expected, format!("{chunk:?}"));
        let of = self.documents.get(document as usize);
        let of = of.ok_or_else(|| fault(format!("one of {} documents", self.documents.len())))?;
        if of.text.get(start as usize..end as usize).is_none() {
            return Err(fault(format!("whole characters of the {} bytes of text", of.text.len())));
        }
        if u64::from(first_row) + u64::from(count) > rows as u64 {
            return Err(fault(format!("some of {rows} vectors")));
        }
        Ok(())
    }

    pub(crate) fn counts(&self, removed: usize) -> Counts {
        // No cast truncates what was checked.
        Counts {
            documents: self.documents.len() as u32,
            chunks: self.chunks.len() as u32,
            rows: self.vectors.rows() as u32,
            removed: removed as u32,
        }
    }

    /// Takes documents out, with their chunks and the vectors that only those have; the rest keeps its order.
    pub(crate) fn remove(&mut self, dead: &BTreeSet<u32>) {
        if dead.is_empty() {
            return;
        }
        let mut number = 0;
        let numbers: Vec<Option<u32>> = (0..self.documents.len() as u32)
            .map(|document| {
                let lives = !dead.contains(&document);
                number += u32::from(lives);
                lives.then(|| number - 1)
            })
            .collect();
        let mut lives = numbers.iter().map(Option::is_some);
        self.documents.retain(|_| lives.next().unwrap_or_default());
        self.chunks.retain_mut(|chunk| {
            let number = numbers.get(chunk.document as usize).copied().flatten();
            chunk.document = number.unwrap_or_default();
            number.is_some()
        });
        self.remove_unused_rows();
    }

    fn remove_unused_rows(&mut self) {
        let (rows, row_bytes) = (self.vectors.rows(), self.vectors.dtype.row_bytes(self.vectors.width));
        // How many chunks begin to use a row, less those that cease to.
        let mut changes = vec![0i64; rows + 1];
        for chunk in &self.chunks {
            changes[chunk.first_row as usize] += 1;
            changes[chunk.first_row as usize + chunk.rows as usize] -= 1;
        }
        let (mut users, mut kept) = (0, 0);
        let mut numbers = Vec::with_capacity(rows + 1);
        for (row, change) in changes.into_iter().enumerate() {
            users += change;
            numbers.push(kept as u32);
            if users > 0 {
                self.vectors.data.copy_within(row * row_bytes..(row + 1) * row_bytes, kept * row_bytes);
                if let Some(&scale) = self.vectors.scales.get(row) {
                    self.vectors.scales[kept] = scale;
                }
                kept += 1;
            }
        }
        self.vectors.data.truncate(kept * row_bytes);
        self.vectors.scales.truncate(kept);
        // Rows of a chunk are all used, so they stay one behind the other.
        self.chunks.iter_mut().for_each(|chunk| chunk.first_row = numbers[chunk.first_row as usize]);
    }

    /// Appends what `other` holds, of the same kind of vectors.
    pub(crate) fn append(&mut self, other: Self) {
        let (documents, rows) = (self.documents.len() as u32, self.vectors.rows() as u32);
        self.documents.extend(other.documents);
        self.chunks.extend(other.chunks.into_iter().map(|chunk| StoredChunk {
            document: chunk.document + documents,
            first_row: chunk.first_row + rows,
            ..chunk
        }));
        self.vectors.data.extend(other.vectors.data);
        self.vectors.scales.extend(other.vectors.scales);
    }

    /// The file of vectors, chunks, and tombstones: `removed` are documents of earlier segments.
    pub(crate) fn encode_vectors(&self, removed: &[Place]) -> Result<Vec<u8>, Fault> {
        let layout = Layout::of(&self.vectors, &self.counts(removed.len()));
        let tensors = layout.tensors();
        let mut file = Header::write(tensors.iter().map(|tensor| {
            (
                tensor.name,
                tensor.dtype,
                tensor.shape.clone(),
                tensor.shape.iter().product::<u64>() * tensor.size,
            )
        }))?;
        file.reserve_exact(self.vectors.data.len() + self.vectors.scales.len() * 4 + self.chunks.len() * 20);
        for StoredChunk { document, start, end, first_row, rows } in &self.chunks {
            file.extend(
                [document, start, end, first_row, rows].into_iter().flat_map(|field| field.to_le_bytes()),
            );
        }
        for Place { segment, document } in removed {
            file.extend([segment, document].into_iter().flat_map(|field| field.to_le_bytes()));
        }
        self.vectors.scales.iter().for_each(|scale| file.extend(scale.to_le_bytes()));
        file.extend(&self.vectors.data);
        Ok(file)
    }

    /// The file of documents: JSON, one a line.
    pub(crate) fn encode_documents(&self) -> Result<Vec<u8>, Fault> {
        let mut lines = Vec::new();
        for document in &self.documents {
            let of = |e: serde_json::Error| {
                Fault::new(format!("document `{}`", document.id), "JSON", e.to_string())
            };
            serde_json::to_writer(&mut lines, document).map_err(of)?;
            lines.push(b'\n');
        }
        Ok(lines)
    }

    /// The segment of these files, of `counts` by its manifest, with its tombstones.
    pub(crate) fn decode(
        identity: &Identity,
        counts: &Counts,
        mut vectors: Vec<u8>,
        documents: &[u8],
    ) -> Result<(Self, Vec<Place>), Fault> {
        let header = Header::read(&vectors, vectors.len() as u64)?;
        let layout = Layout::of(&SegmentVectors::new(identity.dtype, identity.width), counts);
        let tensors = layout.tensors();
        if header.len() != tensors.len() {
            return Err(Fault::new("tensors", tensors.len().to_string(), header.len().to_string()));
        }
        let mut ranges = Vec::with_capacity(tensors.len());
        for tensor in &tensors {
            ranges.push(header.tensor(tensor.name, tensor.dtype, &tensor.shape, tensor.size)?);
        }
        // Ranges lie within the file, and there are as many as `layout.tensors()` gives.
        let of = |place: usize| vectors.get(ranges[place].clone()).unwrap_or_default();
        let numbers =
            |place: usize| of(place).as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let chunks: Vec<u32> = numbers(0).collect();
        let removed: Vec<u32> = numbers(1).collect();
        let scales = if layout.has_scales { numbers(2).map(f32::from_bits).collect() } else { Vec::new() };
        let chunks = chunks.as_chunks::<CHUNK_FIELDS>().0.iter();
        let chunks = chunks
            .map(|&[document, start, end, first_row, rows]| StoredChunk {
                document,
                start,
                end,
                first_row,
                rows,
            })
            .collect();
        let removed = removed.as_chunks::<PLACE_FIELDS>().0.iter();
        let removed = removed.map(|&[segment, document]| Place { segment, document }).collect();
        // In place, since vectors are most of the file.
        if let Some(range) = ranges.last() {
            vectors.truncate(range.end);
            vectors.drain(..range.start);
        }
        let vectors = SegmentVectors { dtype: identity.dtype, width: identity.width, data: vectors, scales };
        let documents = decode_documents(documents, counts.documents)?;
        let segment = Self { documents, chunks, vectors };
        segment.check(identity)?;
        Ok((segment, removed))
    }
}

fn decode_documents(lines: &[u8], count: u32) -> Result<Vec<StoredDocument>, Fault> {
    let mut documents = Vec::new();
    if let Some((last, lines)) = lines.split_last() {
        if *last != b'\n' {
            return Err(Fault::new("last line", "a line end", "none"));
        }
        for (at, line) in lines.split(|&byte| byte == b'\n').enumerate() {
            let wrong =
                |e: serde_json::Error| Fault::new(format!("line {}", at + 1), "a document", e.to_string());
            documents.push(serde_json::from_slice(line).map_err(wrong)?);
        }
    }
    if documents.len() as u64 != u64::from(count) {
        return Err(Fault::new("documents", count.to_string(), documents.len().to_string()));
    }
    Ok(documents)
}

/// The tensors of a file of vectors. Those of larger elements come first, so that all are aligned.
struct Layout {
    counts: Counts,
    dtype: VectorDtype,
    width: u32,
    has_scales: bool,
}

struct Expected {
    name: &'static str,
    dtype: &'static str,
    shape: Vec<u64>,
    size: u64,
}

impl Layout {
    fn of(vectors: &SegmentVectors, counts: &Counts) -> Self {
        let &SegmentVectors { dtype, width, .. } = vectors;
        Self { counts: *counts, dtype, width, has_scales: dtype == VectorDtype::I8 }
    }

    fn tensors(&self) -> Vec<Expected> {
        let Counts { chunks, rows, removed, .. } = self.counts;
        let [chunks, rows, removed] = [chunks, rows, removed].map(u64::from);
        let row_bytes = self.dtype.row_bytes(self.width) as u64;
        let (dtype, size, columns) = match self.dtype {
            VectorDtype::F32 => ("F32", 4, u64::from(self.width)),
            VectorDtype::F16 => ("F16", 2, u64::from(self.width)),
            VectorDtype::I8 => ("I8", 1, u64::from(self.width)),
            VectorDtype::Bits => ("U8", 1, row_bytes),
        };
        let mut tensors = vec![
            Expected { name: "chunks", dtype: "U32", shape: vec![chunks, CHUNK_FIELDS as u64], size: 4 },
            Expected { name: "removed", dtype: "U32", shape: vec![removed, PLACE_FIELDS as u64], size: 4 },
        ];
        if self.has_scales {
            tensors.push(Expected { name: "scales", dtype: "F32", shape: vec![rows], size: 4 });
        }
        tensors.push(Expected { name: "vectors", dtype, shape: vec![rows, columns], size });
        tensors
    }
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    let mut within: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => return false,
    };
    levels == 0 || within.any(|value| deeper_than(value, levels - 1))
}
