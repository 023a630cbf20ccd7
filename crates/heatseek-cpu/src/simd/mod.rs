//! Vectors of f32, one implementation per instruction set, and the one door through which kernels over them are
//! entered.
//!
//! A kernel is a value whose [`Kernel::run`] is generic over the vector; [`Isa::run`](crate::Isa) calls it inside a
//! function that has the instruction set's `target_feature`s, so everything that is `#[inline(always)]` below it is
//! compiled with them.
//! Closures are not inlined with that force, so kernels pass none that hold vectors.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod bf16;
pub(crate) mod bytes;
pub(crate) mod narrow;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod product;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm;

pub(crate) use product::{Product, evenly, tiled};

/// What a kernel does, for any vector.
pub(crate) trait Kernel {
    /// What it gives back.
    type Output;

    /// Does it. Must be `#[inline(always)]`, and called by nothing but [`Isa::run`](crate::Isa): the vector's
    /// instructions have to be there.
    fn run<V: F32s>(self) -> Self::Output;
}

/// A vector of f32 in registers: the operations that the kernels need and no more.
///
/// Its methods are safe to call where [`Kernel::run`] was entered by the door, which is the only place where the
/// type is named; those over pointers ask what pointers ask.
pub(crate) trait F32s: Copy + narrow::Narrow {
    /// Elements.
    const LANES: usize;
    /// Rows of the largest tile of [`F32s::product`].
    const TILE_ROWS: usize;
    /// Vectors a row of the largest tile of [`F32s::product`]. Together they fill the registers.
    const TILE_VECTORS: usize;

    /// The same value in each lane.
    fn splat(value: f32) -> Self;

    /// Constants as they are best read.
    #[inline(always)]
    fn constants<const N: usize>(table: &'static [f32; N]) -> &'static [f32; N] {
        table
    }

    /// # Safety
    /// `LANES` elements can be read; aligned as f32 is.
    unsafe fn load(from: *const f32) -> Self;

    /// The first `count` lanes, at most all; the others are 0.
    ///
    /// # Safety
    /// `count` elements can be read.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;

    /// # Safety
    /// `LANES` elements can be written.
    unsafe fn store(self, to: *mut f32);

    /// Stores the first `count` lanes, at most all.
    ///
    /// # Safety
    /// `count` elements can be written.
    unsafe fn store_first(self, to: *mut f32, count: usize);

    /// Lanewise sum.
    fn add(self, other: Self) -> Self;
    /// Lanewise difference.
    fn sub(self, other: Self) -> Self;
    /// Lanewise product.
    fn mul(self, other: Self) -> Self;
    /// Lanewise quotient.
    fn div(self, other: Self) -> Self;
    /// `self · factor + addend`, rounded once or, where there is no such instruction, twice.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// The larger of each lane; NaN where `other` is.
    fn max(self, other: Self) -> Self;
    /// The smaller of each lane; NaN where `other` is.
    fn min(self, other: Self) -> Self;
    /// `2^n`, given `1.5 · 2²³ + 127 + n` for a whole `n` of −126 to 127: the low bits of that are the exponent of `2^n`, so
    /// no conversion is needed.
    fn exp2_of_rounded(self) -> Self;
    /// The sum of the lanes.
    fn sum(self) -> f32;
    /// The largest lane.
    fn largest(self) -> f32;

    /// Writes the 4 × 4 block at `from`, whose rows are `from_stride` apart, transposed to `to`.
    ///
    /// # Safety
    /// Four elements of four rows can be read and written.
    unsafe fn transpose4(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);

    /// Computes a tile of a matrix product: see [`Product`].
    ///
    /// # Safety
    /// As [`Product`] says; `rows` is 1 to `TILE_ROWS`, `vectors` 1 to `TILE_VECTORS`.
    unsafe fn product(product: &Product, rows: usize, vectors: usize);
}

/// The first `count` of at most `LANES` elements; whole vectors take the straight way.
///
/// # Safety
/// As [`F32s::load_first`].
#[inline(always)]
pub(crate) unsafe fn load_up_to<V: F32s>(from: *const f32, count: usize) -> V {
    // SAFETY: as the caller promises.
    unsafe { if count >= V::LANES { V::load(from) } else { V::load_first(from, count) } }
}

/// Stores the first `count` lanes, or all if there are no more.
///
/// # Safety
/// As [`F32s::store_first`].
#[inline(always)]
pub(crate) unsafe fn store_up_to<V: F32s>(vector: V, to: *mut f32, count: usize) {
    // SAFETY: as the caller promises.
    unsafe { if count >= V::LANES { vector.store(to) } else { vector.store_first(to, count) } }
}
