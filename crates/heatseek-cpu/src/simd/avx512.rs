//! AVX-512: sixteen lanes, 32 registers.

use std::arch::x86_64::*;

use super::product::{Product, tiles};
use super::{F32s, avx2};

/// Sixteen lanes.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(pub(super) __m512);

#[inline(always)]
fn first(count: usize) -> __mmask16 {
    // 17 bits, so that 16 lanes do not overflow.
    ((1u32 << count) - 1) as __mmask16
}

// SAFETY of every block: the machine has AVX-512, as `F32s` asks of its callers.
impl F32s for Avx512 {
    const LANES: usize = 16;
    // 24 sums, 3 columns and a row's value: 28 registers of 32, and three loads for each eight products.
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        Self(unsafe { _mm512_maskz_loadu_ps(first(count), from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        unsafe { _mm512_mask_storeu_ps(to, first(count), self.0) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn exp2_of_rounded(self) -> Self {
        Self(unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self.0))) })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        unsafe { _mm512_reduce_max_ps(self.0) }
    }
    #[inline(always)]
    unsafe fn transpose4(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe { avx2::transpose4(from, from_stride, to, to_stride) }
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
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
unsafe fn tiles(product: &Product, rows: usize, vectors: usize) {
    // SAFETY: as the caller promises.
    unsafe { tiles!(Avx512, product, rows, vectors; [1, 2, 3, 4, 5, 6, 7, 8] x [1, 2, 3]) }
}
