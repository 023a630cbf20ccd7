//! bfloat16 with AVX-512: two of them lie where one float of a vector of [`Avx512`](super::avx512::Avx512) does, so that a
//! product over pairs is one over half as many floats, but for the instruction.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512;
use super::product::Product;
#[cfg(target_arch = "x86_64")]
use super::product::{Multiply, tiles};

/// Whether this machine has it, beside AVX-512.
pub(crate) fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// `vdpbf16ps`: two products to a sum, both exact, the sum rounded for each.
#[cfg(target_arch = "x86_64")]
struct Pairs;

#[cfg(target_arch = "x86_64")]
impl Multiply<Avx512> for Pairs {
    #[inline(always)]
    fn add_product(sums: Avx512, value: Avx512, columns: Avx512) -> Avx512 {
        // SAFETY: `product` is entered where there is the instruction; both types are 512 bits of anything.
        unsafe {
            let pairs = |floats: Avx512| std::mem::transmute::<__m512, __m512bh>(floats.0);
            Avx512(_mm512_dpbf16_ps(sums.0, pairs(value), pairs(columns)))
        }
    }
}

/// [`F32s::product`](super::F32s::product) of AVX-512, with pairs of bf16 in `a` and `b`.
///
/// # Safety
/// As there; the machine has what [`is_available`] is about, and AVX-512.
#[inline(always)]
pub(crate) unsafe fn product(product: &Product, rows: usize, vectors: usize) {
    // SAFETY: as the caller promises.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        all_tiles(product, rows, vectors);
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("no plan of bf16 is made without the instruction: {} x {rows} x {vectors}", product.depth)
}

/// # Safety
/// As [`product`].
#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
unsafe fn all_tiles(product: &Product, rows: usize, vectors: usize) {
    // SAFETY: as the caller promises.
    unsafe { tiles!([Avx512, Pairs], product, rows, vectors; [1, 2, 3, 4, 5, 6, 7, 8] x [1, 2, 3]) }
}

/// Rounds a row as [`heatseek_ops::bf16`] says, to pairs in the place of floats; what fills the last pair is 0.
///
/// # Safety
/// The machine has what [`is_available`] is about, and AVX-512; `to` is half as long as `row`, rounded up.
pub(crate) unsafe fn round_row(row: &[f32], to: &mut [f32]) {
    assert_eq!(to.len(), row.len().div_ceil(2), "two values a pair");
    // SAFETY: as the caller promises.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        round(row, to.as_mut_ptr());
    }
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("no plan of bf16 is made without the instruction")
}

/// # Safety
/// As [`round_row`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma")]
unsafe fn round(row: &[f32], to: *mut f32) {
    for at in (0..row.len()).step_by(16) {
        let left = (row.len() - at).min(16);
        let lanes: __mmask16 = u16::MAX >> (16 - left);
        let pairs: __mmask8 = u8::MAX >> (8 - left.div_ceil(2));
        // SAFETY: masked, nothing is read or written beyond the row and its pairs; both types are 256 bits of anything.
        unsafe {
            let values = _mm512_maskz_loadu_ps(lanes, row.as_ptr().add(at));
            let rounded = std::mem::transmute::<__m256bh, __m256>(_mm512_cvtneps_pbh(values));
            _mm256_mask_storeu_ps(to.add(at / 2), pairs, rounded);
        }
    }
}
