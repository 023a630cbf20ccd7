//! AVX2: eight sums, 16 registers; with VNNI and without.

use std::arch::x86_64::*;

use super::product::byte_tiles;
use super::{ByteProduct, Bytes};
use crate::simd::avx2::Avx2;

/// `vpdpbusd` of 256 bits: unsigned bytes with signed ones, four to a sum.
pub(crate) struct AvxVnni;

// SAFETY of every block: the machine has the instructions, as `Bytes` asks of its callers.
impl Bytes for AvxVnni {
    type Floats = Avx2;
    // 12 sums, 2 vectors of columns and a row's group: 15 registers of 16.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 2;
    const GROUP: usize = 4;

    type Sums = __m256i;
    type Columns = __m256i;
    type Group = __m256i;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> __m256i {
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), sums: __m256i, group: __m256i, columns: __m256i) -> __m256i {
        unsafe { _mm256_dpbusd_avx_epi32(sums, group, columns) }
    }
    #[inline(always)]
    fn floats(sums: __m256i) -> Avx2 {
        Avx2(unsafe { _mm256_cvtepi32_ps(sums) })
    }
    #[inline(always)]
    unsafe fn store_integers(values: Avx2, flip: u8, to: *mut u8) {
        unsafe {
            // The low byte of each lane, to the low four of each half.
            let picked = _mm256_set1_epi32(0x0c08_0400);
            let bytes = _mm256_shuffle_epi8(_mm256_castps_si256(values.0), picked);
            let bytes =
                _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
            _mm_storel_epi64(to.cast(), _mm_xor_si128(bytes, _mm_set1_epi8(flip as i8)));
        }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4, 5, 6] x [1, 2]) }
    }
}

/// `vpmaddwd`: signed halves, two to a sum. (`vpmaddubsw` takes bytes, but saturates.)
pub(crate) struct Avx2Halves;

// SAFETY of every block: as above.
impl Bytes for Avx2Halves {
    type Floats = Avx2;
    // 12 sums, 2 vectors of columns, a row's group and a product: 16 registers of 16.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 2;
    const GROUP: usize = 2;
    const ROW_BYTES: usize = 2;

    type Sums = __m256i;
    type Columns = __m256i;
    type Group = __m256i;
    type Kept = ();

    #[inline(always)]
    unsafe fn load(from: *const i32) -> __m256i {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn columns(from: *const i8) -> __m256i {
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn group(from: *const u8) -> __m256i {
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    fn kept() {}
    #[inline(always)]
    fn dot((): (), sums: __m256i, group: __m256i, columns: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(group, columns)) }
    }
    #[inline(always)]
    fn floats(sums: __m256i) -> Avx2 {
        Avx2(unsafe { _mm256_cvtepi32_ps(sums) })
    }
    #[inline(always)]
    unsafe fn store_integers(values: Avx2, _: u8, to: *mut u8) {
        unsafe {
            // The low half of each lane, to the low four of each half: 1.5 · 2²³ above the byte leaves none in it.
            let picked = _mm256_set1_epi64x(0x0d0c_0908_0504_0100);
            let halves = _mm256_shuffle_epi8(_mm256_castps_si256(values.0), picked);
            let (low, high) = (_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
            let halves = _mm_sub_epi16(_mm_unpacklo_epi64(low, high), _mm_set1_epi16(128));
            _mm_storeu_si128(to.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn product(product: &ByteProduct, rows: usize, vectors: usize) {
        unsafe { byte_tiles!(product, rows, vectors; [1, 2, 3, 4, 5, 6] x [1, 2]) }
    }
}
