//! NEON: four sums, 32 registers; with the matrix product of bytes that ARMv8.6 brought, with the dot product that ARMv8.2
//! brought, and without.

use std::arch::aarch64::*;
use std::arch::asm;

use super::product::byte_tiles;
use super::{ByteProduct, Bytes};
use crate::simd::neon::Neon;

/// `smmla`: signed bytes of two rows with those of two columns, eight to a sum. A step takes two rows, as a row alone would
/// leave half of what it does unused.
pub(crate) struct NeonI8mm;

// SAFETY of every block: the machine has the instructions, as `Bytes` asks of its callers.
impl Bytes for NeonI8mm {
    type Floats = Neon;
    // 18 registers of sums, 6 of columns and the groups of three pairs: 27 of 32. With four pairs LLVM reads all groups
    // first, and then keeps some sums in memory.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 3;
    const GROUP: usize = 8;
    const STEP_ROWS: usize = 2;

    /// Of columns 0 and 1, and of 2 and 3: both of the first row, then both of the second.
    type Sums = [int32x4_t; 2];
    type Columns = [int8x16_t; 2];
    type Group = int8x16_t;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> [int32x4_t; 2] {
        unsafe {
            let starts = vreinterpretq_s64_s32(vld1q_s32(from));
            [vdupq_laneq_s64::<0>(starts), vdupq_laneq_s64::<1>(starts)]
                .map(|pair| vreinterpretq_s32_s64(pair))
        }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> [int8x16_t; 2] {
        unsafe { [vld1q_s8(from), vld1q_s8(from.add(16))] }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> int8x16_t {
        unsafe { Self::groups(from, 0) }
    }
    #[inline(always)]
    unsafe fn groups(from: *const u8, next: usize) -> int8x16_t {
        let from = from.cast::<i8>();
        unsafe { vcombine_s8(vld1_s8(from), vld1_s8(from.add(next))) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), mut sums: [int32x4_t; 2], group: int8x16_t, columns: [int8x16_t; 2]) -> [int32x4_t; 2] {
        // The intrinsic is not stable yet (rust-lang/rust issue 117223).
        for (sums, columns) in sums.iter_mut().zip(columns) {
            unsafe {
                asm!(
                    "smmla {sums:v}.4s, {group:v}.16b, {columns:v}.16b",
                    sums = inout(vreg) *sums,
                    group = in(vreg) group,
                    columns = in(vreg) columns,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
        }
        sums
    }
    #[inline(always)]
    fn floats(sums: [int32x4_t; 2]) -> Neon {
        Self::floats_of(sums, 0)
    }
    #[inline(always)]
    fn floats_of(sums: [int32x4_t; 2], row: usize) -> Neon {
        unsafe {
            let [left, right] = sums.map(|sums| vreinterpretq_s64_s32(sums));
            let of_row = if row == 0 { vzip1q_s64(left, right) } else { vzip2q_s64(left, right) };
            Neon(vcvtq_f32_s32(vreinterpretq_s32_s64(of_row)))
        }
    }
    #[inline(always)]
    unsafe fn store_integers(values: Neon, flip: u8, to: *mut u8) {
        unsafe { store_bytes(values, flip, to) }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4, 5, 6] x [1, 2, 3]) }
    }
}

/// `sdot`: signed bytes, four to a sum.
pub(crate) struct NeonDot;

// SAFETY of every block: as above.
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
