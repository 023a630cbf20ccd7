//! Vectors of fewer bits, as sentence-transformers' `quantize_embeddings` makes them.

use std::fmt;
use std::str::FromStr;

use crate::SearchError;
use crate::error::check_finite;
use crate::max_sim::check_rows;

/// What an element of a vector is stored as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As it is.
    #[default]
    Float32,
    /// One of 256 steps of its dimension's range, −128 to 127.
    Int8,
    /// The same, 0 to 255.
    Uint8,
    /// Its sign, eight in a byte, of which 128 is taken away: the first in the highest bit, 1 where it is above 0.
    Binary,
    /// The same, the byte as it is.
    Ubinary,
}

/// All of them, by name.
const NAMES: [(&str, Precision); 5] = [
    ("float32", Precision::Float32),
    ("int8", Precision::Int8),
    ("uint8", Precision::Uint8),
    ("binary", Precision::Binary),
    ("ubinary", Precision::Ubinary),
];

impl Precision {
    /// Stored elements of a vector of `width`: as many, or bytes of eight bits, the last filled up with zeros.
    pub fn width(self, width: usize) -> usize {
        match self {
            Self::Binary | Self::Ubinary => width.div_ceil(8),
            Self::Float32 | Self::Int8 | Self::Uint8 => width,
        }
    }
}

impl FromStr for Precision {
    type Err = SearchError;

    fn from_str(name: &str) -> Result<Self, SearchError> {
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, precision)| *precision);
        found.ok_or_else(|| SearchError::Precision { got: name.to_owned() })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NAMES.iter().filter(|(_, precision)| precision == self).try_for_each(|(name, _)| f.write_str(name))
    }
}

/// The least and the greatest value of each dimension. Vectors of one index must share them, queries too.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    min: Vec<f32>,
    max: Vec<f32>,
}

impl Ranges {
    /// Given ones, `[width]` each.
    ///
    /// # Errors
    /// [`SearchError::Dimension`] if their widths differ, [`SearchError::NotFinite`].
    pub fn new(min: Vec<f32>, max: Vec<f32>) -> Result<Self, SearchError> {
        if min.len() != max.len() {
            let what = "the greatest values of the ranges".to_owned();
            return Err(SearchError::Dimension { what, expected: min.len(), got: max.len() });
        }
        check_finite(&"the least values of the ranges", &min)?;
        check_finite(&"the greatest values of the ranges", &max)?;
        Ok(Self { min, max })
    }

    /// Those of `vectors [n, width]`, better more than a hundred.
    ///
    /// # Errors
    /// [`SearchError::Ranges`] if there are fewer than two, for one has no range; [`SearchError::Rows`],
    /// [`SearchError::NotFinite`].
    pub fn of(vectors: &[f32], width: usize) -> Result<Self, SearchError> {
        check_rows("what ranges are taken of", vectors, width)?;
        check_finite(&"what ranges are taken of", vectors)?;
        if vectors.len() < 2 * width {
            return Err(SearchError::Ranges { vectors: vectors.len() / width });
        }
        let (mut min, mut max) = (vec![f32::INFINITY; width], vec![f32::NEG_INFINITY; width]);
        for row in vectors.chunks_exact(width) {
            min.iter_mut().zip(row).for_each(|(min, &v)| *min = min.min(v));
            max.iter_mut().zip(row).for_each(|(max, &v)| *max = max.max(v));
        }
        Ok(Self { min, max })
    }

    /// The least values, `[width]`.
    pub fn min(&self) -> &[f32] {
        &self.min
    }

    /// The greatest values, `[width]`.
    pub fn max(&self) -> &[f32] {
        &self.max
    }
}

/// Vectors of some [`Precision`], `[n, Precision::width]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Quantized {
    /// Of [`Precision::Float32`].
    Float32(Vec<f32>),
    /// Of [`Precision::Int8`] and [`Precision::Binary`].
    Int8(Vec<i8>),
    /// Of [`Precision::Uint8`] and [`Precision::Ubinary`].
    Uint8(Vec<u8>),
}

/// `vectors [n, width]` at `precision`. `ranges` are for the two of 256 steps, which take those of the vectors
/// themselves where none are given. A step is a 255th of the range and values outside are clamped; where a range is
/// nothing wide, a step is 1, so that its one value is stored as the least.
///
/// ```
/// use heatseek_search::{Precision, Quantized, quantize};
/// let signs = quantize(&[0.5, -0.5, 0.0, 0.1], 4, Precision::Ubinary, None)?;
/// assert_eq!(signs, Quantized::Uint8(vec![0b1001_0000]));
/// # Ok::<(), heatseek_search::SearchError>(())
/// ```
///
/// # Errors
/// [`SearchError`]: vectors that are not whole or not finite, ranges of another width, or none for a single vector.
pub fn quantize(
    vectors: &[f32],
    width: usize,
    precision: Precision,
    ranges: Option<&Ranges>,
) -> Result<Quantized, SearchError> {
    check_rows("what is to be quantized", vectors, width)?;
    check_finite(&"what is to be quantized", vectors)?;
    // Taking 128 away is flipping the highest bit.
    let signed = |bytes: Vec<u8>| bytes.into_iter().map(|byte| (byte ^ 0x80).cast_signed()).collect();
    Ok(match precision {
        Precision::Float32 => Quantized::Float32(vectors.to_vec()),
        Precision::Int8 => Quantized::Int8(signed(steps(vectors, width, ranges)?)),
        Precision::Uint8 => Quantized::Uint8(steps(vectors, width, ranges)?),
        Precision::Binary => Quantized::Int8(signed(bits(vectors, width))),
        Precision::Ubinary => Quantized::Uint8(bits(vectors, width)),
    })
}

/// Which of 256 steps each value is on. In f32 throughout, as numpy computes it, so that the same value never lands
/// on a neighbouring step.
fn steps(vectors: &[f32], width: usize, ranges: Option<&Ranges>) -> Result<Vec<u8>, SearchError> {
    let own = match ranges {
        None if !vectors.is_empty() => Some(Ranges::of(vectors, width)?),
        _ => None,
    };
    let Some(ranges) = ranges.or(own.as_ref()) else { return Ok(Vec::new()) };
    if ranges.min.len() != width {
        let what = "the ranges".to_owned();
        return Err(SearchError::Dimension { what, expected: width, got: ranges.min.len() });
    }
    let scale: Vec<(f32, f32)> = ranges
        .min
        .iter()
        .zip(&ranges.max)
        .map(|(&min, &max)| {
            let step = (max - min) / 255.0;
            (min, if step == 0.0 { 1.0 } else { step })
        })
        .collect();
    let place =
        |(&value, &(min, step)): (&f32, &(f32, f32))| ((value - min) / step).floor().clamp(0.0, 255.0) as u8;
    Ok(vectors.chunks_exact(width).flat_map(|row| row.iter().zip(&scale).map(place)).collect())
}

/// Which values are above 0, eight in a byte, each vector from a new byte on.
fn bits(vectors: &[f32], width: usize) -> Vec<u8> {
    let byte = |eight: &[f32]| {
        eight.iter().enumerate().fold(0, |byte, (place, &v)| byte | u8::from(v > 0.0) << (7 - place))
    };
    vectors.chunks_exact(width).flat_map(|row| row.chunks(8).map(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_a_255th_of_the_range() {
        // Ranges 0..255 and −1..1. 2/255 is rounded up in f32, so that the greatest value is just below its step.
        let vectors = [0.0, -1.0, 255.0, 1.0, 17.9, 0.0, 254.99, 0.9999];
        let unsigned = quantize(&vectors, 2, Precision::Uint8, None).unwrap();
        assert_eq!(unsigned, Quantized::Uint8(vec![0, 0, 255, 254, 17, 127, 254, 254]));
        let signed = quantize(&vectors, 2, Precision::Int8, None).unwrap();
        assert_eq!(signed, Quantized::Int8(vec![-128, -128, 127, 126, -111, -1, 126, 126]));
    }

    #[test]
    fn given_ranges_clamp_and_one_that_is_nothing_wide_has_steps_of_one() {
        let ranges = Ranges::new(vec![0.0, 3.0], vec![2.55, 3.0]).unwrap();
        let got = quantize(&[-9.0, 3.0, 9.0, 1.0, 1.005, 5.5], 2, Precision::Uint8, Some(&ranges)).unwrap();
        assert_eq!(got, Quantized::Uint8(vec![0, 0, 255, 0, 100, 2]));
    }

    #[test]
    fn signs_are_packed_as_numpy_packs_them() {
        let vectors: Vec<f32> = (0..20).map(|i| if i % 3 == 0 { 0.1 } else { -0.1 }).collect();
        let bytes = vec![0b1001_0010, 0b0100_0000, 0b0010_0100, 0b1000_0000];
        assert_eq!(quantize(&vectors, 10, Precision::Ubinary, None), Ok(Quantized::Uint8(bytes)));
        let signed = quantize(&vectors, 10, Precision::Binary, None).unwrap();
        assert_eq!(signed, Quantized::Int8(vec![18, -64, -92, 0]));
        assert_eq!((Precision::Binary.width(10), Precision::Int8.width(10)), (2, 10));
    }

    #[test]
    fn one_vector_has_no_ranges_and_none_needs_none() {
        let error = quantize(&[1.0, 2.0], 2, Precision::Int8, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there are 1 vectors to take ranges of; give ranges, or two vectors or more"
        );
        assert_eq!(quantize(&[], 2, Precision::Int8, None), Ok(Quantized::Int8(vec![])));
        let ranges = Ranges::new(vec![0.0], vec![1.0]).unwrap();
        assert!(quantize(&[1.0, 2.0], 2, Precision::Int8, Some(&ranges)).is_err());
        assert!(Ranges::new(vec![0.0], vec![]).is_err());
        assert!(quantize(&[f32::NAN; 4], 2, Precision::Binary, None).is_err());
    }

    #[test]
    fn names_are_those_of_sentence_transformers() {
        for (name, precision) in NAMES {
            assert_eq!((name.parse(), precision.to_string()), (Ok(precision), name.to_owned()));
        }
        let error = "int4".parse::<Precision>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "precision is `int4`; expected float32, int8, uint8, binary or ubinary"
        );
    }
}
