//! The vectors of an index's passages.

use std::borrow::Cow;

use heatseek_search::store::{SegmentVectors, VectorDtype};
use heatseek_search::{FlatIndex, Metric, MultiIndex, Scored, SearchOptions, Storage, Vectors};

use crate::Error;

/// One vector a passage, or several, by the passage's number.
#[derive(Debug)]
pub(super) enum ChunkVectors {
    One(FlatIndex),
    Several(MultiIndex),
}

impl ChunkVectors {
    pub(super) fn new(several: bool, width: usize, metric: Metric, storage: Storage) -> Result<Self, Error> {
        if !several {
            return Ok(Self::One(FlatIndex::new(width, metric, storage)));
        }
        if storage != Storage::F32 {
            return Err(Error::InvalidInput {
                what: "storage".into(),
                got: storage.to_string(),
                expected: "f32, as this pooling gives several vectors a text; or a pooling that gives one"
                    .into(),
            });
        }
        Ok(Self::Several(MultiIndex::new(width, metric)))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(vectors) => vectors.len(),
            Self::Several(vectors) => vectors.len(),
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Self::One(vectors) => vectors.dim(),
            Self::Several(vectors) => vectors.dim(),
        }
    }

    /// How an element of a stored vector is written.
    pub(super) fn dtype(&self) -> VectorDtype {
        match self {
            Self::One(vectors) => match vectors.storage() {
                Storage::F16 => VectorDtype::F16,
                Storage::Int8 | Storage::Binary { rescore: heatseek_search::Rescore::Int8 } => {
                    VectorDtype::I8
                }
                Storage::Binary { rescore: heatseek_search::Rescore::F16 } => VectorDtype::F16,
                Storage::F32 | Storage::Binary { .. } => VectorDtype::F32,
            },
            Self::Several(_) => VectorDtype::F32,
        }
    }

    pub(super) fn add(&mut self, id: u64, vectors: &[f32]) -> Result<(), Error> {
        match self {
            Self::One(index) => index.add(id, vectors)?,
            Self::Several(index) => index.add(id, vectors)?,
        }
        Ok(())
    }

    /// That [`add`](Self::add) would take these, of what is called so.
    pub(super) fn check(&self, what: &str, vectors: &[f32]) -> Result<(), Error> {
        match self {
            Self::One(index) => index.accept(&what, vectors)?,
            Self::Several(index) => index.accept(what, vectors)?,
        };
        Ok(())
    }

    pub(super) fn remove(&mut self, id: u64) {
        match self {
            Self::One(vectors) => vectors.remove(id),
            Self::Several(vectors) => vectors.remove(id),
        };
    }

    /// Passages have the numbers now that `of` says for their own.
    pub(super) fn renumber(&mut self, of: &dyn Fn(u64) -> u64) {
        match self {
            Self::One(vectors) => vectors.renumber(of),
            Self::Several(vectors) => vectors.renumber(of),
        }
    }

    /// The vector or vectors of a passage, as floats.
    pub(super) fn of(&self, id: u64) -> Option<Cow<'_, [f32]>> {
        match self {
            Self::One(vectors) => vectors.vector(id),
            Self::Several(vectors) => vectors.vectors(id).map(Cow::Borrowed),
        }
    }

    pub(super) fn search(
        &self,
        query: &[f32],
        k: usize,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Scored>, Error> {
        Ok(match self {
            Self::One(vectors) => vectors.search(query, k, options)?,
            Self::Several(vectors) => vectors.search(query, k, options)?,
        })
    }

    /// The vectors of passages as they are stored, one passage after the other, and how many each has.
    pub(super) fn stored(&self, ids: &[u64]) -> (SegmentVectors, Vec<u32>) {
        let mut stored = SegmentVectors::new(self.dtype(), self.width() as u32);
        let counts = match self {
            Self::One(index) => {
                match index.stored(ids) {
                    Some(Vectors::F32(values)) => stored.data = bytes(&values, f32::to_le_bytes),
                    Some(Vectors::F16(values)) => stored.data = bytes(&values, u16::to_le_bytes),
                    Some(Vectors::Int8 { integers, scales }) => {
                        stored.data = bytes(&integers, i8::to_le_bytes);
                        stored.scales = scales.into_owned();
                    }
                    // Every passage has a vector.
                    None => {}
                }
                vec![1; ids.len()]
            }
            Self::Several(index) => {
                let of = ids.iter().map(|&id| index.vectors(id).unwrap_or_default());
                let counts = of.clone().map(|vectors| (vectors.len() / self.width().max(1)) as u32).collect();
                stored.data = of.flat_map(|vectors| bytes(vectors, f32::to_le_bytes)).collect();
                counts
            }
        };
        (stored, counts)
    }

    /// Adds the vector or vectors of one passage as [`stored`](Self::stored) gave them.
    pub(super) fn add_stored(&mut self, id: u64, stored: SegmentVectors) -> Result<(), Error> {
        match self {
            Self::One(index) => index.add_stored(id, vectors(stored))?,
            Self::Several(index) => index.add_stored(id, floats(&stored.data))?,
        }
        Ok(())
    }

    /// Takes all vectors as [`stored`](Self::stored) gave them, of the passages 0, 1, … , in place of what is there.
    pub(super) fn restore(&mut self, stored: SegmentVectors, counts: &[u32]) -> Result<(), Error> {
        match self {
            Self::One(index) => {
                let ids = (0..counts.len() as u64).collect();
                let (dim, metric, storage) = (index.dim(), index.metric(), index.storage());
                *index = FlatIndex::from_parts(dim, metric, storage, ids, vectors(stored))?;
            }
            Self::Several(index) => {
                let (values, dim) = (floats(&stored.data), index.dim());
                let mut rest = &values[..];
                for (&count, id) in counts.iter().zip(0..) {
                    let (own, behind) = rest.split_at((count as usize * dim).min(rest.len()));
                    index.add_stored(id, own.to_vec())?;
                    rest = behind;
                }
            }
        }
        Ok(())
    }
}

fn vectors(SegmentVectors { dtype, data, scales, .. }: SegmentVectors) -> Vectors<'static> {
    match dtype {
        VectorDtype::F16 => {
            Vectors::F16(data.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect())
        }
        VectorDtype::I8 => {
            let integers = data.into_iter().map(u8::cast_signed).collect();
            Vectors::Int8 { integers, scales: scales.into() }
        }
        VectorDtype::F32 | VectorDtype::Bits => Vectors::F32(floats(&data).into()),
    }
}

fn floats(data: &[u8]) -> Vec<f32> {
    data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn bytes<T: Copy, const N: usize>(values: &[T], of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| of(value)).collect()
}
