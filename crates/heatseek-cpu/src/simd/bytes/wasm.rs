//! WebAssembly: four sums; with relaxed SIMD's dot product of bytes, and with SIMD128 alone.

use std::arch::wasm32::*;

use super::product::byte_tiles;
use super::{ByteProduct, Bytes};
use crate::simd::wasm::Wasm;

/// `i32x4.relaxed_dot_i8x16_i7x16_add_s`: signed bytes with bytes of 7 bits, four to a sum. Engines may do more than
/// that with the eighth bit: see [`encoding`](relaxed::encoding).
#[cfg(target_feature = "relaxed-simd")]
pub(crate) mod relaxed {
    use super::*;
    use crate::simd::bytes::Encoding;

    /// In one step; or with `PAIRS`, for rows of 7 bits, in two of which each is one instruction of every x86, where
    /// without VNNI the one step takes five.
    pub(crate) struct Relaxed<const PAIRS: bool>;

    // SAFETY of every block: as `Bytes` asks of its callers.
    impl<const PAIRS: bool> Bytes for Relaxed<PAIRS> {
        type Floats = Wasm;
        // 8 sums: with more than about nine, V8 keeps some in memory.
        const TILE_ROWS: usize = 4;
        const TILE_VECTORS: usize = 2;
        const GROUP: usize = 4;

        type Sums = v128;
        type Columns = v128;
        type Group = v128;
        /// Ones, to add up pairs with.
        type Kept = v128;

        #[inline(always)]
        unsafe fn load(from: *const i32) -> v128 {
            unsafe { v128_load(from.cast()) }
        }
        #[inline(always)]
        unsafe fn columns(from: *const i8) -> v128 {
            unsafe { v128_load(from.cast()) }
        }
        #[inline(always)]
        unsafe fn group(from: *const u8) -> v128 {
            unsafe { v128_load32_splat(from.cast()) }
        }
        #[inline(always)]
        fn kept() -> v128 {
            let ones = i16x8_splat(1);
            // Of what they know to be a constant, compilers and engines make one anew at every step.
            if PAIRS { std::hint::black_box(ones) } else { ones }
        }
        #[inline(always)]
        fn dot(ones: v128, sums: v128, group: v128, columns: v128) -> v128 {
            match PAIRS {
                // Two products of 127 · 127 fit in 16 bits.
                true => i32x4_add(sums, i32x4_dot_i16x8(i16x8_relaxed_dot_i8x16_i7x16(columns, group), ones)),
                false => i32x4_relaxed_dot_i8x16_i7x16_add(columns, group, sums),
            }
        }
        #[inline(always)]
        fn floats(sums: v128) -> Wasm {
            Wasm(f32x4_convert_i32x4(sums))
        }
        #[inline(always)]
        unsafe fn store_integers(values: Wasm, flip: u8, to: *mut u8) {
            unsafe {
                let bytes =
                    i8x16_shuffle::<0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12>(values.0, values.0);
                v128_store32_lane::<0>(v128_xor(bytes, u8x16_splat(flip)), to.cast());
            }
        }
        #[inline(always)]
        unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
            unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4] x [1, 2]) }
        }
    }

    /// What this engine makes of a second operand whose bytes have their eighth bit set. Only where every product of
    /// extremes is exact is more than 7 bits used: x86 with VNNI takes the byte as unsigned, ARM as signed, and x86
    /// without VNNI as unsigned too but saturates.
    pub(crate) fn encoding() -> Encoding {
        let exact = |value: u8, as_number: i32| {
            let sums = |column: i8| {
                // The engine must compute this, not the compiler.
                let [group, columns] = std::hint::black_box([u8x16_splat(value), i8x16_splat(column)]);
                i32x4_extract_lane::<0>(i32x4_relaxed_dot_i8x16_i7x16_add(columns, group, i32x4_splat(1)))
            };
            [127, 1, -1, -127].iter().all(|&column| sums(column) == 1 + 4 * as_number * i32::from(column))
        };
        if exact(255, 255) && exact(128, 128) {
            Encoding::Unsigned
        } else if exact(255, -1) && exact(128, -128) {
            Encoding::Signed
        } else {
            Encoding::SevenBits
        }
    }
}

/// `i32x4.dot_i16x8_s`: signed halves, two to a sum.
pub(crate) struct WasmHalves;

// SAFETY of every block: as above.
impl Bytes for WasmHalves {
    type Floats = Wasm;
    // As above.
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 2;
    const GROUP: usize = 2;
    const ROW_BYTES: usize = 2;

    type Sums = v128;
    type Columns = v128;
    type Group = v128;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> v128 {
        unsafe { v128_load(from.cast()) }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> v128 {
        unsafe { i16x8_load_extend_i8x8(from) }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> v128 {
        unsafe { v128_load32_splat(from.cast()) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), sums: v128, group: v128, columns: v128) -> v128 {
        i32x4_add(sums, i32x4_dot_i16x8(group, columns))
    }
    #[inline(always)]
    fn floats(sums: v128) -> Wasm {
        Wasm(f32x4_convert_i32x4(sums))
    }
    #[inline(always)]
    unsafe fn store_integers(values: Wasm, _: u8, to: *mut u8) {
        unsafe {
            // The low half of each lane: 1.5 · 2²³ above the byte leaves nothing in it.
            let halves = i16x8_shuffle::<0, 2, 4, 6, 0, 2, 4, 6>(values.0, values.0);
            v128_store64_lane::<0>(i16x8_sub(halves, i16x8_splat(128)), to.cast());
        }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4] x [1, 2]) }
    }
}
