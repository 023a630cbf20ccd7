use heatseek_ops::{Batch, in_steps};

use crate::kernel::kernel;
use crate::select::{MAX_GROUPS, Selection, Unsupported, Work};

/// Rows of stored vectors that one workgroup of `topk_scan` takes, and the most results it keeps of them.
pub const SCAN_TILE: usize = 1024;
/// The largest integer of a query of int8: `256 · high + low`, both of them bytes.
const MOST_OF_BYTES: usize = 127 * 256 + 127;
/// The largest byte of a stored vector.
const LARGEST_BYTE: usize = 128;

/// What vectors that are scanned are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanStorage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats, as bits: a device needs no `shader-f16` for them.
    F16,
    /// Integers of 8 bits; the query is of 16, in two planes of bytes.
    Int8,
    /// A bit an element; the query is of [`SIGN_PLANES`] bits.
    Signs,
}

/// Bits of an element of a query that signs are scanned with.
pub const SIGN_PLANES: usize = 5;

impl ScanStorage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Int8, Self::Signs];

    /// As in the kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
            Self::Signs => "signs",
        }
    }

    /// Bits of an element.
    pub fn bits(self) -> usize {
        match self {
            Self::F32 => 32,
            Self::F16 => 16,
            Self::Int8 => 8,
            Self::Signs => 1,
        }
    }

    /// Vectors of four words of 32 bits that a row of `width` elements takes, filled up with zeros.
    pub fn vectors(self, width: usize) -> usize {
        (width * self.bits()).div_ceil(128)
    }

    /// Vectors of four words of a query, and of the factors behind it.
    pub fn query_vectors(self, width: usize) -> usize {
        let planes = match self {
            Self::F32 => 1,
            Self::F16 | Self::Int8 => 2,
            Self::Signs => SIGN_PLANES,
        };
        planes * self.vectors(width) + 1
    }
}

/// A query as stored vectors of a kind are compared with it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanQuery {
    words: Vec<u32>,
    storage: ScanStorage,
}

impl ScanQuery {
    /// `query [width]` for vectors of `storage`: as it is for floats; for int8 rounded to 16 bits, or as many as leave room
    /// for sums; for signs to 5. `factor` is what products are multiplied by.
    pub fn new(query: &[f32], storage: ScanStorage, factor: f32) -> Self {
        let width = query.len();
        let mut words = vec![0u32; 4 * storage.query_vectors(width)];
        let behind = words.len() - 4;
        let plane = 4 * storage.vectors(width);
        let (step, offset) = match storage {
            ScanStorage::F32 | ScanStorage::F16 => {
                words.iter_mut().zip(query).for_each(|(word, value)| *word = value.to_bits());
                (1.0, 0.0)
            }
            ScanStorage::Int8 => {
                let room = i32::MAX as usize / LARGEST_BYTE / width.max(1);
                let (integers, step) = in_steps(query, room.min(MOST_OF_BYTES) as i32);
                for (i, integer) in integers.into_iter().enumerate() {
                    let low = integer as i8;
                    let high = ((integer - i32::from(low)) >> 8) as i8;
                    for (of, byte) in [high, low].into_iter().enumerate() {
                        words[of * plane + i / 4] |= u32::from(byte as u8) << (8 * (i % 4));
                    }
                }
                (step, 0.0)
            }
            ScanStorage::Signs => {
                let (integers, step) = in_steps(query, (1 << (SIGN_PLANES - 1)) - 1);
                for (i, integer) in integers.iter().enumerate() {
                    for of in 0..SIGN_PLANES {
                        words[of * plane + i / 32] |= u32::from(integer >> of & 1 == 1) << (i % 32);
                    }
                }
                // Elements whose bit is not set count as negative.
                (2.0 * step, -step * f64::from(integers.iter().sum::<i32>()))
            }
        };
        let factor = f64::from(factor);
        words[behind] = ((factor * step) as f32).to_bits();
        words[behind + 1] = ((factor * offset) as f32).to_bits();
        Self { words, storage }
    }

    /// What it is to be compared with.
    pub fn storage(&self) -> ScanStorage {
        self.storage
    }

    /// As the kernel reads it, its factors at the end.
    pub fn words(&self) -> &[u32] {
        &self.words
    }
}

/// The kernel that keeps the best `k` of every [`SCAN_TILE`] stored vectors of `width` elements for each of `queries`; its
/// grid is [`Selection::grid`] of the rows, and an empty batch. It is no op: what it scans belongs to no model, and changes.
///
/// # Errors
/// [`Unsupported`] if more results are wanted than it keeps, or there are more queries than a dispatch covers.
pub fn topk_scan(
    storage: ScanStorage,
    width: usize,
    k: usize,
    queries: usize,
) -> Result<Selection, Unsupported> {
    let no = |why: String| Err(Unsupported { op: "topk_scan", why });
    if k > SCAN_TILE {
        return no(format!("{k} results are more than the {SCAN_TILE} it keeps"));
    }
    if queries > MAX_GROUPS {
        return no(format!("{queries} queries are more than one dispatch covers"));
    }
    let name = format!("topk_scan_{}", storage.name());
    let Some(kernel) = kernel(&name) else { return no(format!("variant `{name}` is not shipped")) };
    let constants = vec![("words", storage.vectors(width) as f64), ("k", k as f64)];
    Ok(Selection { kernel, constants, work: Work::Tiles { rows: SCAN_TILE, column_tiles: queries } })
}

impl Selection {
    /// Workgroups of a scan over `rows` stored vectors.
    pub fn scan_grid(&self, rows: usize) -> [u32; 3] {
        self.grid(rows, &Batch::new())
    }
}
