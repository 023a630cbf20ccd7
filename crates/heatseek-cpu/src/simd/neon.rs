//! NEON: four lanes, 32 registers.

use std::arch::aarch64::*;

use super::F32s;
use super::product::{Product, tiles};

/// Four lanes.
#[derive(Clone, Copy)]
pub(crate) struct Neon(pub(super) float32x4_t);

// SAFETY of every block: as the methods' callers promise; every 64-bit ARM has NEON.
impl F32s for Neon {
    const LANES: usize = 4;
    // 24 sums, 3 columns and a row's value: 28 registers of 32.
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { vdupq_n_f32(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0f32; 4];
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count.min(4));
            Self(vld1q_f32(lanes.as_ptr()))
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        let mut lanes = [0.0f32; 4];
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), self.0);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count.min(4));
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(unsafe { vdivq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { vmaxq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { vminq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn exp2_of_rounded(self) -> Self {
        Self(unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vreinterpretq_s32_f32(self.0))) })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe { vaddvq_f32(self.0) }
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        unsafe { vmaxvq_f32(self.0) }
    }
    #[inline(always)]
    unsafe fn transpose4(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe {
            let [a, b, c, d] = [0, 1, 2, 3].map(|row| vld1q_f32(from.add(row * from_stride)));
            let (ac, bd) = (vzip1q_f32(a, c), vzip1q_f32(b, d));
            let (ac_high, bd_high) = (vzip2q_f32(a, c), vzip2q_f32(b, d));
            vst1q_f32(to, vzip1q_f32(ac, bd));
            vst1q_f32(to.add(to_stride), vzip2q_f32(ac, bd));
            vst1q_f32(to.add(2 * to_stride), vzip1q_f32(ac_high, bd_high));
            vst1q_f32(to.add(3 * to_stride), vzip2q_f32(ac_high, bd_high));
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
    unsafe { tiles!(Neon, product, rows, vectors; [1, 2, 3, 4, 5, 6, 7, 8] x [1, 2, 3]) }
}
