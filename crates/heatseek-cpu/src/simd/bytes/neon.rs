//! NEON: four sums, 32 registers; with the dot product of bytes that ARMv8.2 brought and without.

use std::arch::aarch64::*;
use std::arch::asm;

use super::product::byte_tiles;
use super::{ByteProduct, Bytes};
use crate::simd::neon::Neon;

/// `sdot`: signed bytes, four to a sum.
pub(crate) struct NeonDot;

// SAFETY of every block: the machine has the instructions, as `Bytes` asks of its callers.
impl Bytes for NeonDot {
    type Floats = Neon;
    // 24 sums, 3 vectors of columns and a row's group: 28 registers of 32.
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
    const GROUP: usize = 4;

    type Sums = int32x4_t;
    type Columns = int8x16_t;
    type Group = int8x16_t;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> int32x4_t {
        unsafe { vld1q_s32(from) }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> int8x16_t {
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> int8x16_t {
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), mut sums: int32x4_t, group: int8x16_t, columns: int8x16_t) -> int32x4_t {
        // The intrinsic is not stable yet (rust-lang/rust issue 117224).
        unsafe {
            asm!(
                "sdot {sums:v}.4s, {group:v}.16b, {columns:v}.16b",
                sums = inout(vreg) sums,
                group = in(vreg) group,
                columns = in(vreg) columns,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        sums
    }
    #[inline(always)]
    fn floats(sums: int32x4_t) -> Neon {
        Neon(unsafe { vcvtq_f32_s32(sums) })
    }
    #[inline(always)]
    unsafe fn store_integers(values: Neon, flip: u8, to: *mut u8) {
        unsafe { store_bytes(values, flip, to) }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4, 5, 6, 7, 8] x [1, 2, 3]) }
    }
}

/// `smull` and `sadalp`: signed bytes, two to a sum.
pub(crate) struct NeonPairs;

// SAFETY of every block: as above.
impl Bytes for NeonPairs {
    type Floats = Neon;
    // 24 sums, 3 vectors of columns, a row's group and a product: 29 registers of 32.
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
    const GROUP: usize = 2;

    type Sums = int32x4_t;
    type Columns = int8x8_t;
    type Group = int8x8_t;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> int32x4_t {
        unsafe { vld1q_s32(from) }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> int8x8_t {
        unsafe { vld1_s8(from) }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> int8x8_t {
        unsafe { vreinterpret_s8_s16(vdup_n_s16(from.cast::<i16>().read_unaligned())) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), sums: int32x4_t, group: int8x8_t, columns: int8x8_t) -> int32x4_t {
        unsafe { vpadalq_s16(sums, vmull_s8(group, columns)) }
    }
    #[inline(always)]
    fn floats(sums: int32x4_t) -> Neon {
        Neon(unsafe { vcvtq_f32_s32(sums) })
    }
    #[inline(always)]
    unsafe fn store_integers(values: Neon, flip: u8, to: *mut u8) {
        unsafe { store_bytes(values, flip, to) }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4, 5, 6, 7, 8] x [1, 2, 3]) }
    }
}

/// # Safety
/// Four bytes can be written.
#[inline(always)]
unsafe fn store_bytes(values: Neon, flip: u8, to: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe {
        let halves = vmovn_u32(vreinterpretq_u32_f32(values.0));
        let bytes = veor_u8(vmovn_u16(vcombine_u16(halves, halves)), vdup_n_u8(flip));
        to.cast::<u32>().write_unaligned(vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)));
    }
}
