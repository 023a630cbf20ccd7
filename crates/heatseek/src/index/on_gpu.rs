//! Candidates from the GPU that the model runs on, for indexes so large that asking it is faster than looking at all vectors.

use std::cell::RefCell;
use std::rc::Rc;

use heatseek_gpu::{GpuDevice, GpuScan, ScanHit, ScanVectors};
use heatseek_ops::{ExecutorError, LocalFuture};
use heatseek_search::{FlatIndex, Metric, Scored, TopK, Vectors};
use heatseek_wgsl::{SCAN_TILE, ScanQuery, ScanStorage};

/// Where the vectors of an index are compared with a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanOn {
    /// On the GPU that the model runs on, unless that is software, if what is scanned takes 64 MB or more; else on the CPU.
    /// They are copied there in the course of searches, once nothing has changed between two.
    #[default]
    Auto,
    /// On the CPU.
    Cpu,
    /// On the GPU that the model runs on, whatever it is and however few vectors there are; on the CPU if there is none, or
    /// if it has no room, and by Euclidean distance, for which GPUs' sums are too coarse.
    Gpu,
}

/// From how many bytes on: the CPU takes some milliseconds for them, as does the way to a GPU and back.
const MIN_BYTES: usize = 64 << 20;
/// What one search copies to the GPU, which takes some 20 ms, until all is there.
const COPIED_BYTES: usize = 32 << 20;
/// Candidates beyond those that are wanted: GPUs add products up in another order.
const SPARE: usize = 16;

/// The vectors of an index on a GPU.
#[derive(Debug, Default)]
pub(super) struct OnGpu {
    /// Counts what was added and removed.
    changes: u64,
    held: RefCell<Held>,
}

/// What of them is there; and after how many changes that was so.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    /// Nothing, and the last search saw these changes.
    Seen(u64),
    Some(GpuScan, u64),
    All(Rc<GpuScan>, u64),
    /// The GPU cannot do it.
    Refused,
}

/// Vectors on their way to a GPU.
type Arriving = LocalFuture<'static, Result<(), ExecutorError>>;

/// What to await before a search.
pub(super) enum Step {
    /// That vectors have arrived on the GPU.
    Copy(Arriving),
    Ask(Question),
}

/// A query on its way to the GPU.
pub(super) struct Question {
    scan: Rc<GpuScan>,
    query: ScanQuery,
    k: usize,
    allowed: Option<Vec<u32>>,
    changes: u64,
}

/// What is scanned of an index.
struct Scanned<'a> {
    storage: ScanStorage,
    vectors: Vectors<'a>,
    signs: Option<(&'a [u64], &'a [f32])>,
    row_bytes: usize,
}

impl OnGpu {
    /// Vectors were added or removed.
    pub(super) fn change(&mut self) {
        self.changes += 1;
    }

    /// Bytes on the GPU.
    pub(super) fn bytes(&self) -> u64 {
        match &*self.held.borrow() {
            Held::Some(scan, _) => scan.bytes(),
            Held::All(scan, _) => scan.bytes(),
            _ => 0,
        }
    }

    /// What to do for the best `k` of `vectors`, or of those whose ids are `allowed`, which is asked last; nothing if the CPU
    /// is to look at them.
    pub(super) fn step(
        &self,
        on: ScanOn,
        gpu: &GpuDevice,
        vectors: &FlatIndex,
        (query, k, oversampling): (&[f32], usize, usize),
        allowed: &dyn Fn() -> Option<Vec<bool>>,
    ) -> Option<Step> {
        let scanned = Scanned::new(vectors);
        let is_worth_it = !gpu.adapter().software && vectors.len() * scanned.row_bytes >= MIN_BYTES;
        if vectors.is_empty()
            || vectors.metric() == Metric::Euclidean
            || !(on == ScanOn::Gpu || on == ScanOn::Auto && is_worth_it)
        {
            return None;
        }
        let k = match scanned.signs {
            Some(_) => k.saturating_mul(oversampling.max(1)),
            None => k.saturating_add(SPARE),
        };
        if k > SCAN_TILE {
            return None;
        }
        let mut held = self.held.borrow_mut();
        let is_new = match &*held {
            Held::Refused => return None,
            Held::All(scan, changes) if *changes == self.changes => {
                let allowed = allowed().map(|allowed| {
                    let mut words = vec![0u32; vectors.len().div_ceil(32)];
                    for (place, id) in vectors.ids().iter().enumerate() {
                        words[place / 32] |=
                            u32::from(allowed.get(*id as usize) == Some(&true)) << (place % 32);
                    }
                    words
                });
                let query = ScanQuery::new(&vectors.compared(query), scanned.storage, 1.0);
                return Some(Step::Ask(Question {
                    scan: scan.clone(),
                    query,
                    k,
                    allowed,
                    changes: *changes,
                }));
            }
            Held::Some(_, changes) if *changes == self.changes => false,
            Held::Seen(changes) if *changes == self.changes => true,
            // What is there is of other vectors.
            _ if on == ScanOn::Gpu => true,
            _ => {
                *held = Held::Seen(self.changes);
                return None;
            }
        };
        if is_new {
            *held = match GpuScan::new(gpu, vectors.dim(), scanned.storage) {
                Ok(scan) => Held::Some(scan, self.changes),
                Err(error) => Held::after(&error),
            };
        }
        let Held::Some(scan, _) = &mut *held else { return None };
        let most = if on == ScanOn::Gpu { vectors.len() } else { COPIED_BYTES / scanned.row_bytes };
        match scanned.copy(scan, most, vectors) {
            Ok(copied) => copied.map(Step::Copy),
            Err(error) => {
                *held = Held::after(&error);
                None
            }
        }
    }

    /// What came of copying.
    pub(super) fn copied(&self, rows: usize, outcome: Result<(), ExecutorError>) {
        let mut held = self.held.borrow_mut();
        *held = match (std::mem::take(&mut *held), outcome) {
            (_, Err(error)) => Held::after(&error),
            (Held::Some(scan, changes), Ok(())) if changes == self.changes && scan.rows() == rows => {
                Held::All(Rc::new(scan), changes)
            }
            (held, Ok(())) => held,
        };
    }

    /// The ids of what the GPU found; nothing if it could not, or the vectors have changed since.
    pub(super) fn answered(&self, vectors: &FlatIndex, answer: Answer) -> Option<Vec<u64>> {
        match answer.found {
            Ok(places) if answer.changes == self.changes => {
                places.iter().map(|&place| vectors.ids().get(place as usize).copied()).collect()
            }
            Ok(_) => None,
            Err(error) => {
                self.held.replace(Held::after(&error));
                None
            }
        }
    }
}

impl Held {
    /// A GPU that was lost may come back.
    fn after(error: &ExecutorError) -> Self {
        if matches!(error, ExecutorError::Lost { .. }) { Self::Nothing } else { Self::Refused }
    }
}

/// What a GPU found, after so many changes.
pub(super) struct Answer {
    found: Result<Vec<u32>, ExecutorError>,
    changes: u64,
}

impl Question {
    pub(super) async fn ask(self) -> Answer {
        let found = self.scan.candidates(&[self.query], self.k, self.allowed.as_deref()).await;
        let best = |found: Vec<Vec<ScanHit>>| {
            let mut top = TopK::new(self.k);
            found
                .into_iter()
                .flatten()
                .for_each(|hit| top.offer(Scored { id: hit.place.into(), score: hit.score }));
            top.into_sorted().iter().map(|hit| hit.id as u32).collect()
        };
        Answer { found: found.map(best), changes: self.changes }
    }
}

impl<'a> Scanned<'a> {
    fn new(index: &'a FlatIndex) -> Self {
        let (vectors, signs) = (index.vectors(), index.signs());
        let (storage, row_bytes) = match (&signs, &vectors) {
            (Some(_), _) => (ScanStorage::Signs, 8 * index.dim().div_ceil(64)),
            (None, Vectors::F32(_)) => (ScanStorage::F32, 4 * index.dim()),
            (None, Vectors::F16(_)) => (ScanStorage::F16, 2 * index.dim()),
            (None, Vectors::Int8 { .. }) => (ScanStorage::Int8, index.dim()),
        };
        Self { storage, vectors, signs, row_bytes }
    }

    /// Copies what is not there yet to `scan`, so many rows at most but for whole tiles; nothing if all of it is on its way.
    fn copy(
        &self,
        scan: &mut GpuScan,
        most: usize,
        index: &FlatIndex,
    ) -> Result<Option<Arriving>, ExecutorError> {
        let (first, dim) = (scan.rows(), index.dim());
        let rows = first..index.len().min(first.saturating_add(most.next_multiple_of(SCAN_TILE)));
        if rows.is_empty() {
            return Ok(None);
        }
        let of = |width: usize| rows.start * width..rows.end * width;
        let (vectors, scales) = match (self.signs, &self.vectors) {
            (Some((words, scales)), _) => (ScanVectors::Signs(&words[of(dim.div_ceil(64))]), Some(scales)),
            (None, Vectors::F32(values)) => (ScanVectors::F32(&values[of(dim)]), None),
            (None, Vectors::F16(values)) => (ScanVectors::F16(&values[of(dim)]), None),
            (None, Vectors::Int8 { integers, scales }) => {
                (ScanVectors::Int8(&integers[of(dim)]), Some(&scales[..]))
            }
        };
        let factor = |row: usize| [scales.map_or(1.0, |scales| scales[row]), 0.0];
        let factors: Vec<[f32; 2]> = rows.map(factor).collect();
        Ok(Some(Box::pin(scan.push(vectors, &factors)?)))
    }
}
