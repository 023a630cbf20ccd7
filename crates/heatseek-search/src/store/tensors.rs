//! The safetensors format, for files of a handful of tensors: 8 bytes of header length (little-endian), a JSON header,
//! the data.
//!
//! Read here rather than with the `safetensors` crate because the sum of what a header claims overflows in that (0.8.0:
//! a panic in a debug build), and because it cannot write a header whose data comes later. The tests compare the two.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Fault;

/// The largest header: an archive of 10 000 segments has one of 2 MB.
pub(crate) const MAX_HEADER_BYTES: usize = 4 << 20;

/// A tensor by its header entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tensor {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The tensors of a file, and where its data begins.
#[derive(Debug)]
pub(crate) struct Header {
    start: u64,
    /// By place.
    tensors: Vec<(String, Tensor)>,
}

impl Header {
    /// Reads the header of a file of `total` bytes that begins with `prefix`, and checks that its tensors cover the
    /// data, each byte once.
    pub(crate) fn read(prefix: &[u8], total: u64) -> Result<Self, Fault> {
        let bad = |expected: &str, got: String| Fault::new("safetensors header", expected.to_owned(), got);
        let (length, rest) =
            prefix.split_first_chunk().ok_or_else(|| bad("8 bytes", prefix.len().to_string()))?;
        let length = u64::from_le_bytes(*length);
        let json = usize::try_from(length)
            .ok()
            .filter(|&length| length <= MAX_HEADER_BYTES)
            .and_then(|length| rest.get(..length))
            .ok_or_else(|| bad("a length within the file, at most 4 MiB", length.to_string()))?;
        let mut entries: BTreeMap<String, Value> =
            serde_json::from_slice(json).map_err(|e| bad("a JSON object", e.to_string()))?;
        entries.remove("__metadata__");
        let mut tensors = Vec::with_capacity(entries.len());
        for (name, entry) in entries {
            let tensor =
                Tensor::deserialize(entry).map_err(|e| bad("tensors", format!("{e} in `{name}`")))?;
            tensors.push((name, tensor));
        }
        tensors.sort_unstable_by_key(|(_, tensor)| tensor.data_offsets);
        // Both lie within the file.
        let start = 8 + length;
        tensors
            .iter()
            .try_fold(0, |end, (_, tensor)| {
                let [from, to] = tensor.data_offsets;
                (from == end && to >= from).then_some(to)
            })
            .filter(|end| total.checked_sub(start) == Some(*end))
            .ok_or_else(|| bad("tensors that cover the data without overlap", "others".into()))?;
        Ok(Self { start, tensors })
    }

    /// The header of a file whose tensors have these names, dtypes, shapes and lengths in bytes, in this order.
    pub(crate) fn write<'a>(
        tensors: impl IntoIterator<Item = (&'a str, &'a str, Vec<u64>, u64)>,
    ) -> Result<Vec<u8>, Fault> {
        let mut end = 0;
        let mut json = String::from("{");
        for (name, dtype, shape, bytes) in tensors {
            let data_offsets = [end, end + bytes];
            end += bytes;
            let tensor = Tensor { dtype: dtype.to_owned(), shape, data_offsets };
            let entry = serde_json::to_string(&tensor);
            let entry = entry.map_err(|e| Fault::new("safetensors header", "tensors", e.to_string()))?;
            json += if json.len() > 1 { "," } else { "" };
            json += &format!("\"{name}\":{entry}");
        }
        json.push('}');
        // The format's README: data begins aligned, and the header is filled up with spaces.
        while !json.len().is_multiple_of(8) {
            json.push(' ');
        }
        if json.len() > MAX_HEADER_BYTES {
            return Err(Fault::new(
                "files of the index",
                "few enough for an archive; compact it",
                json.len().to_string(),
            ));
        }
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.into_bytes());
        Ok(bytes)
    }

    /// All tensors in the order in which they lie in the file, with the bytes of it that they are.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Tensor, Range<u64>)> {
        self.tensors.iter().map(|(name, tensor)| {
            let [from, to] = tensor.data_offsets;
            (name.as_str(), tensor, self.start + from..self.start + to)
        })
    }

    /// Where in the file the tensor lies that has this name, dtype and shape, of elements of `size` bytes.
    pub(crate) fn tensor(
        &self,
        name: &str,
        dtype: &str,
        shape: &[u64],
        size: u64,
    ) -> Result<Range<usize>, Fault> {
        let expected = || format!("{dtype} {shape:?}");
        let tensor = self
            .tensors
            .iter()
            .find_map(|(known, tensor)| (known == name).then_some(tensor))
            .ok_or_else(|| Fault::new(format!("tensor `{name}`"), expected(), "none"))?;
        let [from, to] = tensor.data_offsets;
        let bytes = shape.iter().try_fold(size, |bytes, &extent| bytes.checked_mul(extent));
        if tensor.dtype != dtype || tensor.shape != shape || bytes != Some(to - from) {
            let got = format!("{} {:?} in {} bytes", tensor.dtype, tensor.shape, to - from);
            return Err(Fault::new(format!("tensor `{name}`"), expected(), got));
        }
        let place = |offset: u64| usize::try_from(self.start + offset);
        match (place(from), place(to)) {
            (Ok(from), Ok(to)) => Ok(from..to),
            _ => Err(Fault::new(format!("tensor `{name}`"), "a place in memory", format!("{to} bytes"))),
        }
    }

    /// How many tensors there are.
    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::random;
    use safetensors::{Dtype, SafeTensors, tensor::TensorView};

    use super::*;

    #[test]
    fn the_crate_reads_ours_and_we_read_its() {
        let (a, b): (Vec<u8>, Vec<u8>) = ((0..24).collect(), (24..29).collect());
        let mut ours = Header::write([("a", "U32", vec![2, 3], 24), ("b", "U8", vec![5], 5)]).unwrap();
        ours.extend(a.iter().chain(&b));
        let theirs = SafeTensors::deserialize(&ours).unwrap();
        assert_eq!(theirs.tensor("a").unwrap().data(), a);
        assert_eq!(
            (theirs.tensor("b").unwrap().data(), theirs.tensor("b").unwrap().shape()),
            (&b[..], &[5][..])
        );

        let views = [
            ("b", TensorView::new(Dtype::U8, vec![5], &b).unwrap()),
            ("a", TensorView::new(Dtype::U32, vec![2, 3], &a).unwrap()),
        ];
        let metadata = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
        let theirs = safetensors::serialize(views, Some(metadata)).unwrap();
        let header = Header::read(&theirs, theirs.len() as u64).unwrap();
        assert_eq!(header.len(), 2);
        assert_eq!(theirs[header.tensor("a", "U32", &[2, 3], 4).unwrap()], a);
        assert_eq!(theirs[header.tensor("b", "U8", &[5], 1).unwrap()], b);
        assert!(header.tensor("a", "U32", &[3, 2], 4).is_err());
        assert!(header.tensor("a", "F32", &[2, 3], 4).is_err());
    }

    #[test]
    fn claims_beyond_the_file_are_errors() {
        let of = |json: &str, data: usize| {
            let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
            bytes.extend(json.as_bytes());
            bytes.resize(bytes.len() + data, 0);
            Header::read(&bytes, bytes.len() as u64)
        };
        let tensor =
            |offsets: &str| format!(r#"{{"a":{{"dtype":"U8","shape":[4],"data_offsets":{offsets}}}}}"#);
        assert!(of(&tensor("[0,4]"), 4).is_ok());
        for offsets in ["[0,5]", "[1,5]", "[4,0]", "[0,18446744073709551615]", "[-1,3]", "[0]", "[0,4.5]"] {
            assert!(of(&tensor(offsets), 4).is_err(), "{offsets}");
        }
        assert!(of("{}", 0).is_ok() && of("{}", 1).is_err() && of("[]", 0).is_err());
        let huge = u64::MAX.to_le_bytes();
        assert!(Header::read(&huge, 8).is_err() && Header::read(&huge[..7], 7).is_err());
    }

    #[test]
    fn any_flipped_byte_is_read_or_refused() {
        let mut bytes = Header::write([("a", "U32", vec![2, 3], 24), ("b", "U8", vec![5], 5)]).unwrap();
        bytes.resize(bytes.len() + 29, 7);
        for random in random(1, 20_000) {
            let mut bytes = bytes.clone();
            let at = random as usize % bytes.len();
            bytes[at] = (random >> 32) as u8;
            let cut =
                if random & (1 << 50) == 0 { bytes.len() } else { (random >> 40) as usize % bytes.len() };
            if let Ok(header) = Header::read(&bytes[..cut], cut as u64) {
                assert!(header.entries().all(|(_, _, range)| range.end <= cut as u64));
            }
        }
    }
}
