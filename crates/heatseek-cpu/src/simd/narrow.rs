//! What takes less memory than floats, read as vectors: 16-bit floats, and bytes that are multiplied with halves.

/// A step of a scan over narrow rows, on the vectors of an instruction set.
///
/// As with [`F32s`](super::F32s), its methods are safe to call where [`Kernel::run`](super::Kernel::run) was entered by
/// the door.
pub(crate) trait Narrow: Copy {
    /// Sums of integers in 32 bits.
    type Sums: Copy;
    /// Integers that a step takes.
    const INTEGERS: usize;

    /// 16-bit floats, widened.
    ///
    /// # Safety
    /// As many can be read as there are lanes.
    unsafe fn load_f16(from: *const u16) -> Self;

    /// Sums of nothing.
    fn no_sums() -> Self::Sums;

    /// `sums` and the products of bytes with halves, exact unless a sum leaves 32 bits.
    ///
    /// # Safety
    /// `INTEGERS` of each can be read.
    unsafe fn add_products(sums: Self::Sums, bytes: *const i8, halves: *const i16) -> Self::Sums;

    /// All sums in one.
    fn total(sums: Self::Sums) -> i32;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Narrow;
    use crate::simd::{avx2::Avx2, avx512::Avx512};

    // SAFETY of every block: the machine has AVX-512, as `Narrow` asks of its callers.
    impl Narrow for Avx512 {
        type Sums = __m512i;
        const INTEGERS: usize = 32;

        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self {
            Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) })
        }
        #[inline(always)]
        fn no_sums() -> __m512i {
            unsafe { _mm512_setzero_si512() }
        }
        // Widened bytes, as bytes with bytes (`vpdpbusd`) would cut the query to 8 bits, and memory is slower than either.
        #[inline(always)]
        unsafe fn add_products(sums: __m512i, bytes: *const i8, halves: *const i16) -> __m512i {
            unsafe {
                let wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256(bytes.cast()));
                _mm512_add_epi32(sums, _mm512_madd_epi16(wide, _mm512_loadu_si512(halves.cast())))
            }
        }
        #[inline(always)]
        fn total(sums: __m512i) -> i32 {
            unsafe { _mm512_reduce_add_epi32(sums) }
        }
    }

    // SAFETY of every block: the machine has AVX2 and F16C, as `Narrow` asks of its callers.
    impl Narrow for Avx2 {
        type Sums = __m256i;
        const INTEGERS: usize = 16;

        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self {
            Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) })
        }
        #[inline(always)]
        fn no_sums() -> __m256i {
            unsafe { _mm256_setzero_si256() }
        }
        #[inline(always)]
        unsafe fn add_products(sums: __m256i, bytes: *const i8, halves: *const i16) -> __m256i {
            unsafe {
                let wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(bytes.cast()));
                _mm256_add_epi32(sums, _mm256_madd_epi16(wide, _mm256_loadu_si256(halves.cast())))
            }
        }
        #[inline(always)]
        fn total(sums: __m256i) -> i32 {
            unsafe {
                let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
                let pair = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
                _mm_cvtsi128_si32(pair) + _mm_extract_epi32::<1>(pair)
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;
    use std::arch::asm;

    use super::Narrow;
    use crate::simd::neon::Neon;

    // SAFETY of every block: as the methods' callers promise; every 64-bit ARM has NEON.
    impl Narrow for Neon {
        type Sums = int32x4_t;
        const INTEGERS: usize = 8;

        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self {
            let wide: float32x4_t;
            // The intrinsic takes the type f16, which is not stable yet (rust-lang/rust issue 116909).
            unsafe {
                asm!(
                    "fcvtl {wide:v}.4s, {narrow:v}.4h",
                    wide = out(vreg) wide,
                    narrow = in(vreg) vld1_u16(from),
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            Self(wide)
        }
        #[inline(always)]
        fn no_sums() -> int32x4_t {
            unsafe { vdupq_n_s32(0) }
        }
        #[inline(always)]
        unsafe fn add_products(sums: int32x4_t, bytes: *const i8, halves: *const i16) -> int32x4_t {
            unsafe {
                let (wide, halves) = (vmovl_s8(vld1_s8(bytes)), vld1q_s16(halves));
                let sums = vmlal_s16(sums, vget_low_s16(wide), vget_low_s16(halves));
                vmlal_high_s16(sums, wide, halves)
            }
        }
        #[inline(always)]
        fn total(sums: int32x4_t) -> i32 {
            unsafe { vaddvq_s32(sums) }
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use std::arch::wasm32::*;

    use super::{Narrow, WIDENED};
    use crate::simd::wasm::Wasm;

    // SAFETY of every block: as the methods' callers promise.
    impl Narrow for Wasm {
        type Sums = v128;
        const INTEGERS: usize = 8;

        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self {
            let bits = unsafe { u32x4_load_extend_u16x4(from) };
            let magnitude = i32x4_shl(v128_and(bits, u32x4_splat(0x7fff)), 13);
            let sign = i32x4_shl(v128_and(bits, u32x4_splat(0x8000)), 16);
            Self(v128_or(f32x4_mul(magnitude, f32x4_splat(WIDENED)), sign))
        }
        #[inline(always)]
        fn no_sums() -> v128 {
            i32x4_splat(0)
        }
        // relaxed SIMD's products of bytes would cut the query to 7 bits.
        #[inline(always)]
        unsafe fn add_products(sums: v128, bytes: *const i8, halves: *const i16) -> v128 {
            unsafe {
                i32x4_add(sums, i32x4_dot_i16x8(i16x8_load_extend_i8x8(bytes), v128_load(halves.cast())))
            }
        }
        #[inline(always)]
        fn total(sums: v128) -> i32 {
            let pair = i32x4_add(sums, i32x4_shuffle::<2, 3, 2, 3>(sums, sums));
            i32x4_extract_lane::<0>(pair) + i32x4_extract_lane::<1>(pair)
        }
    }
}

/// 2¹¹², what lies between the exponents' zeros of f32 and f16: the bits of a 16-bit float without its sign, where an
/// f32 has them, are that much too small, subnormal ones too.
const WIDENED: f32 = f32::from_bits((127 + 112) << 23);

impl Narrow for super::scalar::Scalar {
    type Sums = i32;
    const INTEGERS: usize = 4;

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { from.cast::<[u16; 4]>().read() }.map(|bits| {
            let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * WIDENED;
            f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
        }))
    }
    #[inline(always)]
    fn no_sums() -> i32 {
        0
    }
    #[inline(always)]
    unsafe fn add_products(sums: i32, bytes: *const i8, halves: *const i16) -> i32 {
        // SAFETY: as the caller promises.
        let (bytes, halves) = unsafe { (bytes.cast::<[i8; 4]>().read(), halves.cast::<[i16; 4]>().read()) };
        sums + bytes.iter().zip(halves).map(|(&a, b)| i32::from(a) * i32::from(b)).sum::<i32>()
    }
    #[inline(always)]
    fn total(sums: i32) -> i32 {
        sums
    }
}
