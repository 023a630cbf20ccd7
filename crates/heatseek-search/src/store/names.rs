//! The names of an index's files. Nothing else is ever read, written or removed.

use std::fmt;

/// The two places of the manifest. Each commit writes the one that does not hold the newest.
pub(crate) const MANIFESTS: [&str; 2] = ["manifest-a.json", "manifest-b.json"];

/// A file of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// One of [`MANIFESTS`].
    Manifest(usize),
    /// Vectors, chunks and tombstones of the segment of this number.
    Vectors(u32),
    /// Its documents.
    Documents(u32),
}

impl Name {
    /// The file that is called `name`, if it is one of an index: written exactly so, and no path.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(slot) = MANIFESTS.iter().position(|manifest| *manifest == name) {
            return Some(Self::Manifest(slot));
        }
        let number = |start: &str, end: &str| name.strip_prefix(start)?.strip_suffix(end)?.parse().ok();
        let parsed = number("vectors-", ".safetensors")
            .map(Self::Vectors)
            .or_else(|| number("documents-", ".jsonl").map(Self::Documents))?;
        // `+1` and `1` are numbers, too.
        (parsed.to_string() == name).then_some(parsed)
    }

    /// The segment it is of.
    pub(crate) fn segment(self) -> Option<u32> {
        match self {
            Self::Manifest(_) => None,
            Self::Vectors(number) | Self::Documents(number) => Some(number),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(slot) => f.write_str(MANIFESTS[*slot]),
            Self::Vectors(number) => write!(f, "vectors-{number:08}.safetensors"),
            Self::Documents(number) => write!(f, "documents-{number:08}.jsonl"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_names() {
        for name in [Name::Manifest(1), Name::Vectors(7), Name::Documents(u32::MAX)] {
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        for bad in [
            "../manifest-a.json",
            "manifest-c.json",
            "Manifest-a.json",
            "vectors-7.safetensors",
            "vectors-+0000007.safetensors",
            "vectors-000000007.safetensors",
            "vectors-99999999999.safetensors",
            "vectors-00000007.safetensors/",
            "x/vectors-00000007.safetensors",
            "documents-00000007.jsonl.tmp",
            "documents-\u{661}0000007.jsonl",
            "",
        ] {
            assert_eq!(Name::parse(bad), None, "{bad}");
        }
    }
}
