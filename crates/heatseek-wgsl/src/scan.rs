use heatseek_ops::Batch;

use crate::kernel::kernel;
use crate::select::{MAX_GROUPS, Selection, Unsupported, Work};

/// Rows of stored vectors that one workgroup of `topk_scan` takes, and the most results it keeps of them.
pub const SCAN_TILE: usize = 1024;

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

/// The kernel that keeps the best `k` of every [`SCAN_TILE`] stored vectors of `width` elements for each of `queries`; its
/// grid is [`Selection::grid`] of the rows, and an empty batch. It is no op: what it scans belongs to no model, and changes.
///
/// # Errors
/// [`Unsupported`] if more results are wanted than it keeps, or there are more queries than a dispatch covers.
pub fn topk_scan(storage: ScanStorage, width: usize, k: usize, queries: usize) -> Result<Selection, Unsupported> {
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
