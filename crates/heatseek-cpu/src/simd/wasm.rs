//! WebAssembly SIMD128: four lanes. How many registers there are is the browser's machine's matter; sixteen on x86,
//! of which engines keep some for themselves.

use std::arch::wasm32::*;

use super::F32s;
use super::product::{Product, tiles};

/// Four lanes.
#[derive(Clone, Copy)]
pub(crate) struct Wasm(pub(super) v128);

// SAFETY of every block: as the methods' callers promise.
impl F32s for Wasm {
    const LANES: usize = 4;
    // 12 sums, two columns and a row's value: what V8 has on x86, where it keeps one register of sixteen for itself. That
    // they fit takes the loads in the order of the source: see `Variant::compile` in xtask.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 2;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }
    // To read one from memory is one instruction; from what the compiler knows, V8 makes a vector by three at every turn of
    // a loop.
    #[inline(always)]
    fn constants<const N: usize>(table: &'static [f32; N]) -> &'static [f32; N] {
        std::hint::black_box(table)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { v128_load(from.cast()) })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0f32; 4];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count.min(4));
            Self(v128_load(lanes.as_ptr().cast()))
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { v128_store(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        let mut lanes = [0.0f32; 4];
        unsafe {
            v128_store(lanes.as_mut_ptr().cast(), self.0);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count.min(4));
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(f32x4_add(self.0, other.0))
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(f32x4_sub(self.0, other.0))
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(f32x4_mul(self.0, other.0))
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(f32x4_div(self.0, other.0))
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        #[cfg(target_feature = "relaxed-simd")]
        return Self(f32x4_relaxed_madd(self.0, factor.0, addend.0));
        #[cfg(not(target_feature = "relaxed-simd"))]
        self.mul(factor).add(addend)
    }
    // The pseudo-minimum and -maximum are one instruction on x86, where the others are five; both give their first
    // argument where a comparison with NaN fails.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(f32x4_pmax(other.0, self.0))
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(f32x4_pmin(other.0, self.0))
    }
    #[inline(always)]
    fn exp2_of_rounded(self) -> Self {
        Self(i32x4_shl(self.0, 23))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let pair = f32x4_add(self.0, i32x4_shuffle::<2, 3, 2, 3>(self.0, self.0));
        f32x4_extract_lane::<0>(pair) + f32x4_extract_lane::<1>(pair)
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        let pair = f32x4_pmax(self.0, i32x4_shuffle::<2, 3, 2, 3>(self.0, self.0));
        let (a, b) = (f32x4_extract_lane::<0>(pair), f32x4_extract_lane::<1>(pair));
        if a > b { a } else { b }
    }
    #[inline(always)]
    unsafe fn transpose4(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe {
            let [a, b, c, d] = [0, 1, 2, 3].map(|row| v128_load(from.add(row * from_stride).cast()));
            let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
            let (ab_high, cd_high) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
            v128_store(to.cast(), i64x2_shuffle::<0, 2>(ab, cd));
            v128_store(to.add(to_stride).cast(), i64x2_shuffle::<1, 3>(ab, cd));
            v128_store(to.add(2 * to_stride).cast(), i64x2_shuffle::<0, 2>(ab_high, cd_high));
            v128_store(to.add(3 * to_stride).cast(), i64x2_shuffle::<1, 3>(ab_high, cd_high));
        }
    }
    #[inline(always)]
    unsafe fn product(product: &Product, rows: usize, vectors: usize) {
        unsafe { tiles(product, rows, vectors) }
    }
}

/// Every tile; a function of its own, so that there is one copy of them however many kernels use them.
///
/// # Safety
/// As [`F32s::product`].
#[inline(never)]
unsafe fn tiles(product: &Product, rows: usize, vectors: usize) {
    // SAFETY: as the caller promises.
    unsafe { tiles!(Wasm, product, rows, vectors; [1, 2, 3, 4, 5, 6] x [1, 2]) }
}
