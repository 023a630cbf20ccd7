//! A whole index as one file: a safetensors file that holds each of its files as a tensor of bytes.

use std::ops::Range;

use super::error::Fault;
use super::manifest::{FileEntry, SegmentEntry};
use super::names::{MANIFESTS, Name};
use super::tensors::{Header, MAX_HEADER_BYTES};
use super::{Batch, Check, Identity, Opening, Segment, Store, StoreError};

/// How much of an archive's beginning [`archive_entries`] may need.
pub const ARCHIVE_PREFIX_BYTES: usize = 8 + MAX_HEADER_BYTES;

/// An archive to be written: its head, then the files, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The first bytes.
    pub head: Vec<u8>,
    /// Names of the files that follow, in this order.
    pub files: Vec<String>,
}

impl Store {
    /// The archive of what is committed.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if it has too many segments for one, some ten thousand.
    pub fn archive(&self) -> Result<Archive, StoreError> {
        let manifest = self.manifest.render().map_err(Fault::in_call)?;
        let files: Vec<&FileEntry> = self.manifest.segments.iter().flat_map(SegmentEntry::files).collect();
        let entries = files.iter().map(|file| (file.name.as_str(), file.bytes));
        let entries = [(MANIFESTS[0], manifest.len() as u64)].into_iter().chain(entries);
        let mut head = Header::write(entries.map(|(name, bytes)| (name, "U8", vec![bytes], bytes)))
            .map_err(Fault::in_call)?;
        head.extend(manifest);
        Ok(Archive { head, files: files.into_iter().map(|file| file.name.clone()).collect() })
    }
}

/// The archive of an index that holds what is in `add` and nothing else, in parts to be written one behind the other.
///
/// # Errors
/// [`StoreError::Invalid`] if that does not fit together or was not made with `identity`.
pub fn write_archive(identity: &Identity, add: Segment) -> Result<Vec<Vec<u8>>, StoreError> {
    let names: [&str; 0] = [];
    let mut opened = Opening::new(names, Some(identity), Check::Full)?.finish()?;
    opened.store.finish(opened.tidy)?;
    let mut commit = opened.store.commit(&Batch { add, remove: Vec::new() })?;
    // In the order in which a manifest names them.
    let files = std::mem::take(&mut commit.files);
    opened.store.finish(commit)?;
    Ok([opened.store.archive()?.head].into_iter().chain(files.into_iter().map(|(_, bytes)| bytes)).collect())
}

/// The files in an archive of `total` bytes that begins with `prefix`, [`ARCHIVE_PREFIX_BYTES`] long unless the archive
/// is shorter: name and place of each, in the order in which they stand. To import them, write all but the manifest,
/// open what there is with [`super::Check::Full`], and write the manifest if that went well.
///
/// # Errors
/// [`StoreError::Archive`] if it holds anything that is no file of an index, such as a path.
pub fn archive_entries(prefix: &[u8], total: u64) -> Result<Vec<(String, Range<u64>)>, StoreError> {
    let header = Header::read(prefix, total).map_err(|fault| fault.in_file("archive"))?;
    let mut entries = Vec::with_capacity(header.len());
    for (name, tensor, range) in header.entries() {
        let refused = |got: &str| StoreError::Archive { name: name.to_owned(), got: got.to_owned() };
        match Name::parse(name) {
            Some(Name::Manifest(0) | Name::Vectors(_) | Name::Documents(_)) => {}
            _ => return Err(refused("a name")),
        }
        if tensor.dtype != "U8" || tensor.shape != [range.end - range.start] {
            return Err(refused("no row of bytes"));
        }
        entries.push((name.to_owned(), range));
    }
    Ok(entries)
}
