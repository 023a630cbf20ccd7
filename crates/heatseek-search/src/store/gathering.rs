//! Files of segments on their way in.

use std::collections::BTreeMap;

use super::error::Fault;
use super::manifest::{FileEntry, SegmentEntry, sha256};
use super::names::Name;
use super::segment::{Place, Segment};
use super::{Check, Identity, StoreError};

/// The segments of a manifest, or some of them, as far as their files are here.
#[derive(Debug)]
pub(crate) struct Gathering {
    identity: Identity,
    check: Check,
    entries: Vec<SegmentEntry>,
    /// Files of segments that are not here whole.
    raw: BTreeMap<Name, Vec<u8>>,
    /// By number, each with its tombstones.
    segments: BTreeMap<u32, (Segment, Vec<Place>)>,
}

impl Gathering {
    pub(crate) fn new(identity: Identity, entries: Vec<SegmentEntry>, check: Check) -> Self {
        Self { identity, check, entries, raw: BTreeMap::new(), segments: BTreeMap::new() }
    }

    /// Names of the files that are not here.
    pub(crate) fn wanted(&self) -> Vec<String> {
        let here =
            |file: &FileEntry| Name::parse(&file.name).is_some_and(|name| self.raw.contains_key(&name));
        let absent = self.entries.iter().filter(|entry| !self.segments.contains_key(&entry.number));
        absent
            .flat_map(SegmentEntry::files)
            .filter(|file| !here(file))
            .map(|file| file.name.clone())
            .collect()
    }

    /// One of them; any other is ignored.
    pub(crate) fn give(&mut self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        let entry = self.entries.iter().find(|entry| entry.files().any(|file| file.name == name));
        let Some((entry, parsed)) = entry.zip(Name::parse(name)) else { return Ok(()) };
        if self.segments.contains_key(&entry.number) {
            return Ok(());
        }
        let wrong =
            |expected: String, got: String| Err(StoreError::Damaged { file: name.to_owned(), expected, got });
        for file in entry.files().filter(|file| file.name == name) {
            match &bytes {
                None => return wrong(format!("a file of {} bytes", file.bytes), "none".into()),
                Some(bytes) if bytes.len() as u64 != file.bytes => {
                    return wrong(format!("{} bytes", file.bytes), bytes.len().to_string());
                }
                Some(bytes) if self.check == Check::Full => {
                    let got = sha256(bytes);
                    if got != file.sha256 {
                        return wrong(format!("the SHA-256 {}", file.sha256), got);
                    }
                }
                Some(_) => {}
            }
        }
        self.raw.insert(parsed, bytes.unwrap_or_default());
        let (vectors, documents) = (Name::Vectors(entry.number), Name::Documents(entry.number));
        let whole = entry.documents.is_none() || self.raw.contains_key(&documents);
        if whole && let Some(bytes) = self.raw.remove(&vectors) {
            let documents = self.raw.remove(&documents).unwrap_or_default();
            let decoded = Segment::decode(&self.identity, &entry.counts, bytes, &documents);
            let decoded = decoded.map_err(|fault| fault.in_file(format_args!("segment {}", entry.number)))?;
            self.segments.insert(entry.number, decoded);
        }
        Ok(())
    }

    /// Whether every segment is here.
    pub(crate) fn is_complete(&self) -> bool {
        self.segments.len() == self.entries.len()
    }

    /// Each entry with its segment and that one's tombstones, in the order of the manifest.
    pub(crate) fn finish(mut self) -> Result<Vec<(SegmentEntry, Segment, Vec<Place>)>, StoreError> {
        let mut segments = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            let Some((segment, removed)) = self.segments.remove(&entry.number) else {
                let expected = "every file that is wanted";
                return Err(Fault::new("files", expected, format!("not {}", entry.vectors.name)).in_call());
            };
            segments.push((entry, segment, removed));
        }
        Ok(segments)
    }
}
