//! Products of 8-bit integers with exact 32-bit sums, one implementation per instruction that there is for them, and the
//! door through which kernels over them are entered: [`Int8Isa::run`](crate::Int8Isa).

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod product;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm;

use heatseek_ops::int8::RowBits;
pub(crate) use product::{ByteProduct, OutColumns};

use super::F32s;

/// What a kernel does, whatever multiplies its integers.
pub(crate) trait ByteKernel {
    /// What it gives back.
    type Output;

    /// Does it. Must be `#[inline(always)]`, and called by nothing but [`Int8Isa::run`](crate::Int8Isa).
    fn run<B: Bytes>(self) -> Self::Output;
}

/// How the integers of a row are written for the instruction that multiplies them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes from 0 to 255: 128 is zero.
    Unsigned,
    /// Bytes from −128 to 127.
    Signed,
    /// Bytes from 0 to 127: 64 is zero. [`RowBits::Seven`].
    SevenBits,
    /// Two bytes each, from −128 to 127.
    Halves,
}

impl Encoding {
    /// Bytes of an integer.
    pub(crate) fn size_bytes(self) -> usize {
        if self == Self::Halves { 2 } else { 1 }
    }

    /// What stands for zero.
    pub(crate) fn zero(self) -> i32 {
        match self {
            Self::Unsigned => 128,
            Self::Signed | Self::Halves => 0,
            Self::SevenBits => 64,
        }
    }

    /// How finely rows are quantised for it.
    pub fn bits(self) -> RowBits {
        match self {
            Self::SevenBits => RowBits::Seven,
            _ => RowBits::Eight,
        }
    }

    /// What turns the byte that counts from the least integer into the one that is written.
    pub(crate) fn flip(self) -> u8 {
        if self == Self::Signed { 0x80 } else { 0 }
    }
}

/// A vector of i32 sums, and what is multiplied into it. Each sum belongs to one column of a weight; a step takes the
/// next [`GROUP`](Self::GROUP) integers of a row, the same for each sum, with as many of each column.
///
/// Its methods are safe to call where [`ByteKernel::run`] was entered by the door; those over pointers ask what pointers
/// ask.
pub(crate) trait Bytes {
    /// The floats of the same instruction set, as many to a vector as sums.
    type Floats: F32s;
    /// Rows of the largest tile.
    const TILE_ROWS: usize;
    /// Vectors a row of the largest tile.
    const TILE_VECTORS: usize;
    /// Integers that a step takes of a row.
    const GROUP: usize;
    /// Rows that a step takes at once, one or two.
    const STEP_ROWS: usize = 1;
    /// Bytes of an integer of a row: 2 with [`Encoding::Halves`], otherwise 1. Those of a weight are bytes always.
    const ROW_BYTES: usize = 1;

    /// One sum a lane, of each row of a step.
    type Sums: Copy;
    /// `GROUP` integers of each lane's column.
    type Columns: Copy;
    /// `GROUP` integers of each row of a step, for each lane.
    type Group: Copy;
    /// What every step takes, to be kept in a register.
    type Kept: Copy;

    /// The same for each row of a step.
    ///
    /// # Safety
    /// As many sums as there are lanes can be read.
    unsafe fn load(from: *const i32) -> Self::Sums;

    /// # Safety
    /// `GROUP` bytes can be read for each lane.
    unsafe fn columns(from: *const i8) -> Self::Columns;

    /// The same for each row of a step.
    ///
    /// # Safety
    /// `GROUP` integers of a row can be read.
    unsafe fn group(from: *const u8) -> Self::Group;

    /// Those of a row and of the one that begins `next` bytes behind it, where steps take two.
    ///
    /// # Safety
    /// `GROUP` integers of each row can be read.
    #[inline(always)]
    unsafe fn groups(from: *const u8, _next: usize) -> Self::Group {
        // SAFETY: as the caller promises.
        unsafe { Self::group(from) }
    }

    /// What [`dot`](Self::dot) is to be given.
    fn kept() -> Self::Kept;

    /// `sums` and the products of `group` with `columns`, exactly.
    fn dot(kept: Self::Kept, sums: Self::Sums, group: Self::Group, columns: Self::Columns) -> Self::Sums;

    /// The nearest floats, of the first row.
    fn floats(sums: Self::Sums) -> Self::Floats;

    /// The same of any row of a step.
    #[inline(always)]
    fn floats_of(sums: Self::Sums, _row: usize) -> Self::Floats {
        Self::floats(sums)
    }

    /// Writes the integers that `1.5 · 2²³ + n` stand for, with whole `n` of 0 to 255: bytes `n ^ flip`, or halves
    /// `n − 128`.
    ///
    /// # Safety
    /// `ROW_BYTES` can be written for each lane.
    unsafe fn store_integers(values: Self::Floats, flip: u8, to: *mut u8);

    /// Computes a tile: see [`ByteProduct`].
    ///
    /// # Safety
    /// As [`ByteProduct`] says; `rows` is 1 to `TILE_ROWS`, `vectors` 1 to `TILE_VECTORS`.
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize);
}
