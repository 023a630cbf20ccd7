//! The manifest: what an index consists of, with a sum over itself.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::Fault;
use super::names::Name;
use super::segment::Counts;
use super::{Identity, StoreError};

/// The newest version of the format that can be read, and the one that is written.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT: &str = "heatseek-index";
/// A manifest of 100 000 segments is smaller, and so many are a fault.
const MAX_BYTES: usize = 64 << 20;

// `{"sha256":"…","manifest":{…}}`, and a line end: the sum is over the bytes of the value of `manifest`.
const BEFORE_SUM: &[u8] = b"{\"sha256\":\"";
const BEFORE_BODY: &[u8] = b"\",\"manifest\":";
const BEHIND_BODY: &[u8] = b"}\n";
const SUM_DIGITS: usize = 64;

/// What an index consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: String,
    version: u32,
    library: String,
    /// Counts commits.
    pub(crate) generation: u64,
    /// The least number that no segment ever had.
    pub(crate) next_segment: u32,
    pub(crate) identity: Identity,
    /// In the order of their documents.
    pub(crate) segments: Vec<SegmentEntry>,
}

/// A segment by its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentEntry {
    pub(crate) number: u32,
    pub(crate) counts: Counts,
    pub(crate) vectors: FileEntry,
    /// Not there if there are no documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) documents: Option<FileEntry>,
}

/// A file by its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Versioned {
    format: String,
    version: u32,
    library: String,
}

/// Why a manifest cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// It was not written to its end, or was changed since. The one before it holds.
    Torn(String),
    /// Its bytes are those that were written, but nothing here can read them.
    Refused(StoreError),
}

impl Manifest {
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            library: env!("CARGO_PKG_VERSION").to_owned(),
            generation: 0,
            next_segment: 1,
            identity,
            segments: Vec::new(),
        }
    }

    /// The same, of the next generation, written by this library.
    pub(crate) fn next(&self, generation: u64, next_segment: u32) -> Self {
        let library = env!("CARGO_PKG_VERSION").to_owned();
        Self { generation, next_segment, library, ..self.clone() }
    }

    pub(crate) fn render(&self) -> Result<Vec<u8>, Fault> {
        let body = serde_json::to_vec(self).map_err(|e| Fault::new("manifest", "JSON", e.to_string()))?;
        let sum = sha256(&body);
        Ok([BEFORE_SUM, sum.as_bytes(), BEFORE_BODY, &body, BEHIND_BODY].concat())
    }

    pub(crate) fn parse(file: Name, bytes: &[u8]) -> Result<Self, Unusable> {
        let torn = |why: &str| Unusable::Torn(format!("{file}: {why}"));
        if bytes.len() > MAX_BYTES {
            return Err(torn("it is larger than any manifest"));
        }
        let body =
            whole_body(bytes).ok_or_else(|| torn("it was not written to its end, or changed since"))?;
        let refused = |fault: Fault| Unusable::Refused(fault.in_file(file));
        let not_json =
            |e: serde_json::Error| refused(Fault::new("manifest", "the fields of one", e.to_string()));
        let Versioned { format, version, library } = serde_json::from_slice(body).map_err(not_json)?;
        if format != FORMAT {
            return Err(refused(Fault::new("format", FORMAT, format)));
        }
        if version > FORMAT_VERSION {
            let (file, known) = (file.to_string(), FORMAT_VERSION);
            return Err(Unusable::Refused(StoreError::Version { file, got: version, library, known }));
        }
        let manifest: Self = serde_json::from_slice(body).map_err(not_json)?;
        manifest.check().map_err(refused)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Fault> {
        if self.version != FORMAT_VERSION {
            return Err(Fault::new("version", FORMAT_VERSION.to_string(), self.version.to_string()));
        }
        if self.generation == 0 || self.generation == u64::MAX {
            return Err(Fault::new("generation", "a number of commits", self.generation.to_string()));
        }
        self.identity.check_width()?;
        let mut numbers = BTreeSet::new();
        for entry in &self.segments {
            entry.check(self.next_segment)?;
            if !numbers.insert(entry.number) {
                let got = format!("two of {}", entry.number);
                return Err(Fault::new("segments", "a number for each", got));
            }
        }
        Ok(())
    }
}

impl SegmentEntry {
    fn check(&self, next: u32) -> Result<(), Fault> {
        let number = self.number;
        if number == 0 || number >= next {
            return Err(Fault::new("segment number", format!("1 to below {next}"), number.to_string()));
        }
        self.vectors.check(Name::Vectors(number))?;
        if let Some(documents) = &self.documents {
            documents.check(Name::Documents(number))?;
        }
        if self.documents.is_some() != (self.counts.documents > 0) {
            let expected = "a file of documents exactly if there are any";
            return Err(Fault::new(format!("segment {number}"), expected, format!("{:?}", self.counts)));
        }
        Ok(())
    }

    /// Its files, vectors first.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileEntry> {
        std::iter::once(&self.vectors).chain(&self.documents)
    }

    /// Bytes of its files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

impl FileEntry {
    pub(crate) fn of(name: Name, bytes: &[u8]) -> Self {
        Self { name: name.to_string(), bytes: bytes.len() as u64, sha256: sha256(bytes) }
    }

    fn check(&self, name: Name) -> Result<(), Fault> {
        if self.name != name.to_string() {
            return Err(Fault::new("file name", name.to_string(), format!("`{}`", self.name)));
        }
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.sha256.len() != SUM_DIGITS || !self.sha256.bytes().all(digit) {
            return Err(Fault::new(
                "sha256",
                "64 lower-case hexadecimal digits",
                format!("`{}`", self.sha256),
            ));
        }
        Ok(())
    }
}

/// The value of `manifest`, if its sum is right.
fn whole_body(bytes: &[u8]) -> Option<&[u8]> {
    let (sum, rest) = bytes.strip_prefix(BEFORE_SUM)?.split_at_checked(SUM_DIGITS)?;
    let body = rest.strip_prefix(BEFORE_BODY)?.strip_suffix(BEHIND_BODY)?;
    (sha256(body).as_bytes() == sum).then_some(body)
}

/// In lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(SUM_DIGITS);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
