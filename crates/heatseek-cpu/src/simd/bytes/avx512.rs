//! AVX-512: sixteen sums, 32 registers; with VNNI and without.

use std::arch::x86_64::*;

use super::product::byte_tiles;
use super::{ByteProduct, Bytes};
use crate::simd::avx512::Avx512;

/// `vpdpbusd`: unsigned bytes with signed ones, four to a sum.
pub(crate) struct Avx512Vnni;

// SAFETY of every block: the machine has the instructions, as `Bytes` asks of its callers.
impl Bytes for Avx512Vnni {
    type Floats = Avx512;
    // 24 sums, 3 vectors of columns and a row's group: 28 registers of 32.
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
    const GROUP: usize = 4;

    type Sums = __m512i;
    type Columns = __m512i;
    type Group = __m512i;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> __m512i {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), sums: __m512i, group: __m512i, columns: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sums, group, columns) }
    }
    #[inline(always)]
    fn floats(sums: __m512i) -> Avx512 {
        floats(sums)
    }
    #[inline(always)]
    unsafe fn store_integers(values: Avx512, flip: u8, to: *mut u8) {
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_castps_si512(values.0));
            _mm_storeu_si128(to.cast(), _mm_xor_si128(bytes, _mm_set1_epi8(flip as i8)));
        }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4, 5, 6, 7, 8] x [1, 2, 3]) }
    }
}

/// `vpmaddwd`: signed halves, two to a sum. (`vpmaddubsw` takes bytes, but saturates.)
pub(crate) struct Avx512Halves;

// SAFETY of every block: as above.
impl Bytes for Avx512Halves {
    type Floats = Avx512;
    // 24 sums, 3 vectors of columns, a row's group and a product: 29 registers of 32.
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
    const GROUP: usize = 2;
    const ROW_BYTES: usize = 2;

    type Sums = __m512i;
    type Columns = __m512i;
    type Group = __m512i;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> __m512i {
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> __m512i {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), sums: __m512i, group: __m512i, columns: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(sums, _mm512_madd_epi16(group, columns)) }
    }
    #[inline(always)]
    fn floats(sums: __m512i) -> Avx512 {
        floats(sums)
    }
    #[inline(always)]
    unsafe fn store_integers(values: Avx512, _: u8, to: *mut u8) {
        unsafe {
            let halves = _mm512_cvtepi32_epi16(_mm512_castps_si512(values.0));
            // What lies above the byte is 1.5 · 2²³, whose low half is 0.
            _mm256_storeu_si256(to.cast(), _mm256_sub_epi16(halves, _mm256_set1_epi16(128)));
        }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4, 5, 6, 7, 8] x [1, 2, 3]) }
    }
}

#[inline(always)]
fn floats(sums: __m512i) -> Avx512 {
    // SAFETY: as above.
    Avx512(unsafe { _mm512_cvtepi32_ps(sums) })
}
