//! The safetensors format: 8 bytes of header length (little-endian), a JSON header, the data.
//!
//! Read here rather than with the `safetensors` crate because its errors do not name the tensor and it
//! lets a name appear twice; the tests compare the two. The rules are those of the format's README:
//! offsets count from the end of the header, tensors neither overlap nor leave holes.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::ModelError;

/// The largest header read: the format's own limit.
const MAX_HEADER_BYTES: usize = 100_000_000;

/// An element type by its name in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
    /// These three are parts of quantised weights.
    I8,
    I32,
    I64,
    /// Anything else; only ever skipped.
    Other {
        name: &'static str,
        size_bytes: usize,
    },
}

/// Types that are known only to be skipped, with their sizes.
const OTHERS: [(&str, usize); 9] = [
    ("BOOL", 1),
    ("U8", 1),
    ("F8_E5M2", 1),
    ("F8_E4M3", 1),
    ("I16", 2),
    ("U16", 2),
    ("U32", 4),
    ("F64", 8),
    ("U64", 8),
];

impl Dtype {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            "I8" => Self::I8,
            "I32" => Self::I32,
            "I64" => Self::I64,
            _ => {
                let &(name, size_bytes) = OTHERS.iter().find(|(n, _)| *n == name)?;
                Self::Other { name, size_bytes }
            }
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I8 => "I8",
            Self::I32 => "I32",
            Self::I64 => "I64",
            Self::Other { name, .. } => name,
        }
    }

    fn size_bytes(self) -> usize {
        match self {
            Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::I8 => 1,
            Self::Other { size_bytes, .. } => size_bytes,
        }
    }
}

/// Where one tensor lies.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Bytes of the file.
    pub(crate) range: Range<usize>,
}

/// Reads and checks the header of `file`.
pub(crate) fn read_header(file: &str, bytes: &[u8]) -> Result<Vec<Entry>, ModelError> {
    let bad =
        |expected: String, got: String| ModelError::Safetensors { file: file.to_owned(), expected, got };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(bad("at least 8 bytes".into(), format!("{}", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    let header = usize::try_from(length)
        .ok()
        .filter(|&n| n <= MAX_HEADER_BYTES)
        .and_then(|n| rest.get(..n))
        .ok_or_else(|| {
            let limit = rest.len().min(MAX_HEADER_BYTES);
            bad(format!("a header of at most {limit} bytes"), format!("a header length of {length}"))
        })?;
    let data_start = 8 + header.len();
    let data_len = rest.len() - header.len();
    let Header(raw) =
        serde_json::from_slice(header).map_err(|e| bad("a JSON header of tensors".into(), e.to_string()))?;
    let mut entries = Vec::with_capacity(raw.len());
    for (name, entry) in raw {
        entries.push(check_entry(file, name, entry, data_start, data_len)?);
    }
    check_cover(file, &mut entries, data_start, data_len)?;
    Ok(entries)
}

fn check_entry(
    file: &str,
    name: String,
    raw: RawEntry,
    data_start: usize,
    data_len: usize,
) -> Result<Entry, ModelError> {
    let Some(dtype) = Dtype::from_name(&raw.dtype) else {
        return Err(ModelError::UnsupportedDtype {
            file: file.to_owned(),
            tensor: name,
            got: format!("of type `{}`", raw.dtype),
            supported: "F32, F16, BF16".into(),
        });
    };
    let bad = |expected: String, got: String| ModelError::TensorEntry {
        file: file.to_owned(),
        tensor: name.clone(),
        expected,
        got,
    };
    let [begin, end] = raw.data_offsets;
    if begin > end || end > data_len as u64 {
        let expected = format!("offsets in order and within the {data_len} bytes of data");
        return Err(bad(expected, format!("[{begin}, {end}]; the file may be incomplete")));
    }
    let size = raw
        .shape
        .iter()
        .try_fold(dtype.size_bytes() as u64, |product, &extent| product.checked_mul(extent))
        .filter(|&n| usize::try_from(n).is_ok());
    if size != Some(end - begin) {
        let expected = match size {
            Some(size) => format!("{size} bytes for {} {:?}", dtype.name(), raw.shape),
            None => "a shape that fits in memory".into(),
        };
        return Err(bad(expected, format!("{} bytes for {:?}", end - begin, raw.shape)));
    }
    // No cast truncates: extents divide a size, or another extent is 0; offsets lie within the file.
    let shape = raw.shape.iter().map(|&n| n as usize).collect();
    let range = data_start + begin as usize..data_start + end as usize;
    Ok(Entry { name, dtype, shape, range })
}

/// Checks that every name stands once; sorts by place and checks that the tensors cover the data, each
/// byte once.
fn check_cover(file: &str, entries: &mut [Entry], start: usize, data_len: usize) -> Result<(), ModelError> {
    let bad = |tensor: &str, expected: String, got: String| ModelError::TensorEntry {
        file: file.to_owned(),
        tensor: tensor.to_owned(),
        expected,
        got,
    };
    let mut names = HashSet::new();
    if let Some(again) = entries.iter().find(|e| !names.insert(e.name.as_str())) {
        return Err(bad(&again.name, "one entry of this name".into(), "two".into()));
    }
    entries.sort_by_key(|e| (e.range.start, e.range.end));
    let mut covered = start;
    for entry in entries.iter() {
        if entry.range.start != covered {
            let expected = format!("data from byte {}, where the tensor before it ends", covered - start);
            return Err(bad(&entry.name, expected, format!("data from byte {}", entry.range.start - start)));
        }
        covered = entry.range.end;
    }
    if covered != start + data_len {
        return Err(ModelError::Safetensors {
            file: file.to_owned(),
            expected: format!("{} bytes of data, as its header says", covered - start),
            got: format!("{data_len}"),
        });
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The header's entries in file order, repeated names included.
struct Header(Vec<(String, RawEntry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let entry =
                map.next_value().map_err(|e| A::Error::custom(format_args!("tensor `{name}`: {e}")))?;
            entries.push((name, entry));
        }
        Ok(Header(entries))
    }
}
