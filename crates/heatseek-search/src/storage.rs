//! What an index holds of each vector.

use std::borrow::Cow;
use std::fmt;

use half::f16;
use heatseek_cpu::Scan;

use crate::query::Query;
use crate::{Metric, SearchError};

/// What vectors are stored as. Scores are exact for what is stored: of the query 16 bits and more are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As they are: 4 bytes an element.
    #[default]
    F32,
    /// As 16-bit floats, 11 bits of precision: 2 bytes an element.
    F16,
    /// As integers of −127 to 127, and a scale for each vector by which its largest element is one of these: 1 byte an
    /// element and 4 a vector.
    Int8,
    /// As signs, 1 bit an element and 4 bytes a vector, by which candidates are found, beside a copy by which these are
    /// scored. Of the query, five bits an element meet the signs, which finds far more than signs with signs.
    Binary {
        /// What the copy is stored as.
        rescore: Rescore,
    },
}

/// What candidates found by their signs are scored from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rescore {
    /// As [`Storage::F32`].
    F32,
    /// As [`Storage::F16`].
    F16,
    /// As [`Storage::Int8`].
    #[default]
    Int8,
}

impl Storage {
    /// What scores are exact for.
    fn exact(self) -> Rescore {
        match self {
            Self::F32 | Self::Binary { rescore: Rescore::F32 } => Rescore::F32,
            Self::F16 | Self::Binary { rescore: Rescore::F16 } => Rescore::F16,
            Self::Int8 | Self::Binary { rescore: Rescore::Int8 } => Rescore::Int8,
        }
    }

    pub(crate) fn has_signs(self) -> bool {
        matches!(self, Self::Binary { .. })
    }
}

impl fmt::Display for Rescore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

impl Storage {
    /// The storage of this name: `f32`, `f16`, `int8`, or `binary`, which is rescored from int8.
    pub fn named(name: &str) -> Option<Self> {
        let rescore = Rescore::default();
        [Self::F32, Self::F16, Self::Int8]
            .into_iter()
            .find(|storage| storage.to_string() == name)
            .or_else(|| (name == "binary").then_some(Self::Binary { rescore }))
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary { rescore } => write!(f, "binary, rescored from {rescore}"),
            plain => plain.exact().fmt(f),
        }
    }
}

/// The vectors of an index as they are stored, `[n, dim]` row-major, of unit length under the cosine.
///
/// Signs are not among them: they are those of what is stored, which is positive or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Vectors<'a> {
    /// Of [`Storage::F32`].
    F32(Cow<'a, [f32]>),
    /// Of [`Storage::F16`]: the bits of 16-bit floats (IEEE 754 binary16).
    F16(Cow<'a, [u16]>),
    /// Of [`Storage::Int8`]: an element is its integer times the scale of its vector.
    Int8 {
        /// The integers.
        integers: Cow<'a, [i8]>,
        /// `[n]`.
        scales: Cow<'a, [f32]>,
    },
}

/// How many rows are scored at once: what is known of them meanwhile fits beside the query in the fastest memory.
pub(crate) const BLOCK: usize = 256;

/// Rows that scores are exact for.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Int8 {
        integers: Vec<i8>,
        scales: Vec<f32>,
        /// Sums of the integers' squares, for distances; of nothing otherwise.
        squares: Vec<u32>,
    },
}

impl Rows {
    pub(crate) fn new(storage: Storage) -> Self {
        match storage.exact() {
            Rescore::F32 => Self::F32(Vec::new()),
            Rescore::F16 => Self::F16(Vec::new()),
            Rescore::Int8 => Self::Int8 { integers: Vec::new(), scales: Vec::new(), squares: Vec::new() },
        }
    }

    /// Those that were given out as `vectors`, `count` of `dim` elements.
    pub(crate) fn from_vectors(
        vectors: Vectors<'_>,
        (count, dim): (usize, usize),
        (metric, storage): (Metric, Storage),
    ) -> Result<Self, SearchError> {
        let got = match &vectors {
            Vectors::F32(values) => format!("{} elements of f32", values.len()),
            Vectors::F16(values) => format!("{} elements of f16", values.len()),
            Vectors::Int8 { integers, scales } => {
                format!("{} elements of int8 with {} scales", integers.len(), scales.len())
            }
        };
        let elements = count.checked_mul(dim);
        let rows = match (vectors, storage.exact()) {
            (Vectors::F32(values), Rescore::F32) if Some(values.len()) == elements => {
                crate::error::check_finite(&"what an index is made of", &values)?;
                Some(Self::F32(values.into_owned()))
            }
            (Vectors::F16(values), Rescore::F16) if Some(values.len()) == elements => {
                if let Some(index) = values.iter().position(|&bits| !f16::from_bits(bits).is_finite()) {
                    return Err(SearchError::NotFinite { what: "what an index is made of".into(), index });
                }
                Some(Self::F16(values.into_owned()))
            }
            (Vectors::Int8 { integers, scales }, Rescore::Int8)
                if Some(integers.len()) == elements && scales.len() == count =>
            {
                crate::error::check_finite(&"the scales of an index", &scales)?;
                let squares = match metric {
                    Metric::Euclidean => (0..count).map(|i| square(&integers[i * dim..][..dim])).collect(),
                    _ => Vec::new(),
                };
                Some(Self::Int8 { integers: integers.into_owned(), scales: scales.into_owned(), squares })
            }
            _ => None,
        };
        rows.ok_or_else(|| {
            let expected = format!("{count} vectors of {dim} elements, stored as {}", storage.exact());
            SearchError::Parts { expected, got }
        })
    }

    pub(crate) fn vectors(&self) -> Vectors<'_> {
        match self {
            Self::F32(values) => Vectors::F32(values.into()),
            Self::F16(values) => Vectors::F16(values.into()),
            Self::Int8 { integers, scales, .. } => {
                Vectors::Int8 { integers: integers.into(), scales: scales.into() }
            }
        }
    }

    /// Rows `places`, in that order.
    pub(crate) fn select(&self, places: &[u32], dim: usize) -> Vectors<'static> {
        fn of<T: Copy>(all: &[T], places: &[u32], width: usize) -> Cow<'static, [T]> {
            places.iter().flat_map(|&place| &all[place as usize * width..][..width]).copied().collect()
        }
        match self {
            Self::F32(values) => Vectors::F32(of(values, places, dim)),
            Self::F16(values) => Vectors::F16(of(values, places, dim)),
            Self::Int8 { integers, scales, .. } => {
                Vectors::Int8 { integers: of(integers, places, dim), scales: of(scales, places, 1) }
            }
        }
    }

    /// Fails if `vector` cannot be stored.
    pub(crate) fn check(&self, what: &dyn fmt::Display, vector: &[f32]) -> Result<(), SearchError> {
        if let Self::F16(_) = self {
            let index = vector.iter().position(|&v| !f16::from_f32(v).is_finite());
            if let Some(index) = index {
                let got = vector[index].to_string();
                return Err(SearchError::TooLarge { what: what.to_string(), index, got });
            }
        }
        Ok(())
    }

    pub(crate) fn reserve(&mut self, more: usize, dim: usize, metric: Metric) {
        match self {
            Self::F32(values) => values.reserve_exact(more * dim),
            Self::F16(values) => values.reserve_exact(more * dim),
            Self::Int8 { integers, scales, squares } => {
                integers.reserve_exact(more * dim);
                scales.reserve_exact(more);
                squares.reserve_exact(if metric == Metric::Euclidean { more } else { 0 });
            }
        }
    }

    /// Stores `vector` as row `place`, which is there or the next.
    pub(crate) fn set(&mut self, place: usize, vector: &[f32], metric: Metric) {
        let at = place * vector.len();
        match self {
            Self::F32(values) => put(values, at, vector.iter().copied()),
            Self::F16(values) => put(values, at, vector.iter().map(|&v| f16::from_f32(v).to_bits())),
            Self::Int8 { integers, scales, squares } => {
                let largest = vector.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                let scale = largest / 127.0;
                let nearest = |&v: &f32| if scale > 0.0 { (v / scale).round_ties_even() as i8 } else { 0 };
                // A scale that is subnormal is off by steps.
                put(integers, at, vector.iter().map(nearest).map(|integer| integer.max(-127)));
                put(scales, place, [scale].into_iter());
                if metric == Metric::Euclidean {
                    put(squares, place, [square(&integers[at..][..vector.len()])].into_iter());
                }
            }
        }
    }

    /// Stores the one row of `from`, which is of the same storage, as row `place`, which is there or the next.
    pub(crate) fn copy(&mut self, place: usize, from: &Self, dim: usize) {
        let at = place * dim;
        match (self, from) {
            (Self::F32(to), Self::F32(row)) => put(to, at, row.iter().copied()),
            (Self::F16(to), Self::F16(row)) => put(to, at, row.iter().copied()),
            (
                Self::Int8 { integers, scales, squares },
                Self::Int8 { integers: row, scales: scale, squares: square },
            ) => {
                put(integers, at, row.iter().copied());
                put(scales, place, scale.iter().copied());
                // Of nothing unless distances are compared.
                if !square.is_empty() {
                    put(squares, place, square.iter().copied());
                }
            }
            _ => unreachable!("both are of the index's storage"),
        }
    }

    /// Removes row `place`; the last takes its place.
    pub(crate) fn swap_remove(&mut self, place: usize, dim: usize) {
        match self {
            Self::F32(values) => take(values, place, dim),
            Self::F16(values) => take(values, place, dim),
            Self::Int8 { integers, scales, squares } => {
                take(integers, place, dim);
                take(scales, place, 1);
                if !squares.is_empty() {
                    take(squares, place, 1);
                }
            }
        }
    }

    /// Row `place` as floats.
    pub(crate) fn row(&self, place: usize, dim: usize) -> Cow<'_, [f32]> {
        let of_row = place * dim..(place + 1) * dim;
        match self {
            Self::F32(values) => Cow::Borrowed(&values[of_row]),
            Self::F16(values) => values[of_row].iter().map(|&bits| f16::from_bits(bits).to_f32()).collect(),
            Self::Int8 { integers, scales, .. } => {
                integers[of_row].iter().map(|&integer| f32::from(integer) * scales[place]).collect()
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::F32(values) => 4 * values.capacity(),
            Self::F16(values) => 2 * values.capacity(),
            Self::Int8 { integers, scales, squares } => {
                integers.capacity() + 4 * scales.capacity() + 4 * squares.capacity()
            }
        }
    }

    /// The scores of up to [`BLOCK`] rows. Allocates nothing.
    pub(crate) fn score(&self, scan: Scan, query: &Query, places: &[u32], out: &mut [f32]) {
        match (self, query.metric) {
            (Self::F32(rows), Metric::Euclidean) => {
                scan.squared_distance(&query.floats, rows, places, out);
                negate_roots(out);
            }
            (Self::F16(rows), Metric::Euclidean) => {
                scan.squared_distance_f16(&query.floats, rows, places, out);
                negate_roots(out);
            }
            (Self::F32(rows), _) => scan.dot(&query.floats, rows, places, out),
            (Self::F16(rows), _) => scan.dot_f16(&query.floats, rows, places, out),
            (Self::Int8 { integers, scales, squares }, metric) => {
                let mut sums = [0; BLOCK];
                let sums = &mut sums[..places.len()];
                scan.dot_int8(&query.halves, integers, places, sums);
                for ((&place, &sum), out) in places.iter().zip(&*sums).zip(out) {
                    let scale = f64::from(scales[place as usize]);
                    let product = scale * query.half * f64::from(sum);
                    *out = match metric {
                        Metric::Euclidean => {
                            let own = scale * scale * f64::from(squares[place as usize]);
                            -(query.square + own - 2.0 * product).max(0.0).sqrt() as f32
                        }
                        _ => product as f32,
                    };
                }
            }
        }
    }
}

fn negate_roots(squares: &mut [f32]) {
    squares.iter_mut().for_each(|square| *square = -square.sqrt());
}

fn square(integers: &[i8]) -> u32 {
    integers.iter().map(|&integer| u32::from(integer.unsigned_abs()).pow(2)).sum()
}

/// Writes `values` from `at` on, which is within `all` or its end.
pub(crate) fn put<T>(all: &mut Vec<T>, at: usize, values: impl ExactSizeIterator<Item = T>) {
    if at == all.len() {
        return all.extend(values);
    }
    all[at..][..values.len()].iter_mut().zip(values).for_each(|(to, value)| *to = value);
}

/// Removes row `place` of `width`; the last takes its place.
pub(crate) fn take<T: Copy>(all: &mut Vec<T>, place: usize, width: usize) {
    let last = all.len() - width;
    all.copy_within(last.., place * width);
    all.truncate(last);
}
