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
    /// Reads `32x128` and `mixed:256`.
    pub fn from_name(name: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n > 0);
        let read = match (name.strip_prefix("mixed:"), name.split_once('x')) {
            (Some(count), _) => number(count).map(|count| Self::Mixed { count }),
            (None, Some((count, size))) => {
                number(count).zip(number(size)).map(|(count, size)| Self::Fixed { count, size })
            }
            (None, None) => None,
        };
        read.ok_or_else(|| "expected COUNTxSIZE, such as 32x128, or mixed:COUNT".to_owned())
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
            assert_eq!(Case::from_name(name).unwrap().to_string(), name);
        }
        for bad in ["", "x", "0x16", "16", "mixed", "mixed:0", "mix:3", "3x4x5"] {
            assert!(Case::from_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mixed_lengths_are_of_every_kind_and_always_the_same() {
        let sizes = Case::Mixed { count: 400 }.sizes();
        assert_eq!(sizes, Case::Mixed { count: 400 }.sizes());
        assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&8), Some(&128)));
    }
}
