//! What is timed: so many inputs of such a size.

use std::fmt;

use serde::{Serialize, Serializer};

use super::synthetic::random;

/// Tokens of the shortest and the longest text of a mixed case.
const MIXED: (usize, usize) = (8, 128);

/// The side of pictures where nothing else is asked for, which models are mostly made for.
const SIDE: usize = 224;

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// Inputs of one size: tokens of a text, pixels of a picture's side.
    Fixed { count: usize, size: usize },
    /// Texts of many lengths.
    Mixed { count: usize },
}

/// What one word of `--cases` asks for.
#[derive(Clone, Debug)]
pub struct Cases(pub Vec<Case>);

/// How fast a device is about, which decides what it is given by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A hardware GPU.
    Fast,
    /// The CPU.
    Host,
    /// What computes on the CPU but not with our kernels for it: the reference, software adapters.
    Slow,
}

impl Case {
    /// Reads `32x128` and `mixed:256`, and of `1-64x128` and `32x16-512` all cases between by doubling.
    pub fn from_name(name: &str) -> Result<Cases, String> {
        let read = match (name.strip_prefix("mixed:"), name.split_once('x')) {
            (Some(count), _) => number(count).map(|count| vec![Self::Mixed { count }]),
            (None, Some((counts, sizes))) => doubled(counts).zip(doubled(sizes)).map(|(counts, sizes)| {
                let of_count = |&count| sizes.iter().map(move |&size| Self::Fixed { count, size });
                counts.iter().flat_map(of_count).collect()
            }),
            (None, None) => None,
        };
        read.map(Cases).ok_or_else(|| {
            "expected COUNTxSIZE, such as 32x128, a sweep such as 1-64x128 or 32x16-512, or mixed:COUNT"
                .to_owned()
        })
    }

    /// What a device is given if nobody says otherwise.
    pub fn defaults(class: Class, pictures: bool, quick: bool) -> Vec<Self> {
        let fixed = |count, size| Self::Fixed { count, size };
        let mixed = |count| Self::Mixed { count };
        match (class, pictures, quick) {
            (Class::Fast, false, false) => vec![
                fixed(1, 16),
                fixed(1, 128),
                fixed(32, 128),
                fixed(256, 16),
                fixed(256, 128),
                fixed(256, 512),
                mixed(256),
            ],
            (Class::Fast, false, true) => vec![fixed(1, 16), fixed(32, 128)],
            (Class::Host, false, false) => {
                vec![fixed(1, 16), fixed(1, 128), fixed(32, 32), fixed(16, 128), mixed(32)]
            }
            (Class::Host, false, true) => vec![fixed(1, 16), fixed(8, 32)],
            (Class::Slow, false, false) => vec![fixed(1, 16), fixed(4, 32), mixed(2)],
            (Class::Slow, false, true) => vec![fixed(1, 16)],
            (Class::Fast, true, false) => vec![fixed(1, SIDE), fixed(8, SIDE), fixed(64, SIDE)],
            (Class::Fast, true, true) => vec![fixed(1, SIDE), fixed(8, SIDE)],
            (Class::Host, true, false) => vec![fixed(1, SIDE), fixed(4, SIDE)],
            (Class::Host | Class::Slow, true, _) => vec![fixed(1, SIDE)],
        }
    }

    /// How many inputs.
    pub fn count(self) -> usize {
        match self {
            Self::Fixed { count, .. } | Self::Mixed { count } => count,
        }
    }

    /// The size of each input. Mixed lengths are always the same.
    pub fn sizes(self) -> Vec<usize> {
        match self {
            Self::Fixed { count, size } => vec![size; count],
            Self::Mixed { count } => {
                let mut state = 1;
                let span = (MIXED.1 - MIXED.0 + 1) as u64;
                (0..count).map(|_| MIXED.0 + (random(&mut state) % span) as usize).collect()
            }
        }
    }

    /// The side of pictures.
    pub fn side(self) -> usize {
        match self {
            Self::Fixed { size, .. } => size,
            Self::Mixed { .. } => SIDE,
        }
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}

/// `16` is itself, `16-100` is 16, 32, 64 and 100.
fn doubled(text: &str) -> Option<Vec<usize>> {
    let Some((first, last)) = text.split_once('-') else { return number(text).map(|number| vec![number]) };
    let (first, last) = number(first).zip(number(last)).filter(|(first, last)| first < last)?;
    let below =
        std::iter::successors(Some(first), |size| size.checked_mul(2)).take_while(|size| *size < last);
    Some(below.chain([last]).collect())
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { count, size } => write!(f, "{count}x{size}"),
            Self::Mixed { count } => write!(f, "mixed:{count}"),
        }
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_printed_alike() {
        for name in ["32x128", "1x224", "mixed:256"] {
            assert_eq!(names(name), [name]);
        }
        for bad in [
            "", "x", "0x16", "16", "mixed", "mixed:0", "mix:3", "3x4x5", "4-4x16", "1-x8", "8x0-8", "1-2-4x8",
        ] {
            assert!(Case::from_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sweeps_double_up_to_their_end() {
        assert_eq!(names("1-8x128"), ["1x128", "2x128", "4x128", "8x128"]);
        assert_eq!(names("32x16-100"), ["32x16", "32x32", "32x64", "32x100"]);
        assert_eq!(names("1-2x8-9"), ["1x8", "1x9", "2x8", "2x9"]);
    }

    fn names(text: &str) -> Vec<String> {
        Case::from_name(text).unwrap().0.iter().map(Case::to_string).collect()
    }

    #[test]
    fn mixed_lengths_are_of_every_kind_and_always_the_same() {
        let sizes = Case::Mixed { count: 400 }.sizes();
        assert_eq!(sizes, Case::Mixed { count: 400 }.sizes());
        assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&8), Some(&128)));
    }
}
