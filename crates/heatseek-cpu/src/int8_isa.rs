//! Which instruction multiplies 8-bit integers.

use std::fmt;

use crate::Isa;
use crate::simd::bytes::{ByteKernel, Bytes, Encoding, scalar::ScalarBytes};

/// An instruction for products of 8-bit integers that there are kernels for. Each goes with the vectors of an [`Isa`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Int8Isa {
    /// `vpdpbusd` of 512 bits.
    Avx512Vnni,
    /// `vpmaddwd` of 512 bits.
    Avx512,
    /// `vpdpbusd` of 256 bits.
    AvxVnni,
    /// `vpmaddwd` of 256 bits.
    Avx2,
    /// `smmla`.
    NeonI8mm,
    /// `sdot`.
    NeonDot,
    /// `smull` and `sadalp`.
    Neon,
    /// WebAssembly's `i32x4.relaxed_dot_i8x16_i7x16_add_s`.
    WasmRelaxed,
    /// WebAssembly's `i16x8.relaxed_dot_i8x16_i7x16_s`, whose pairs `i32x4.dot_i16x8_s` adds up.
    WasmRelaxedPairs,
    /// WebAssembly's `i32x4.dot_i16x8_s`.
    Wasm,
    /// Whatever the compiler makes of arrays of 4.
    Scalar,
}

impl Int8Isa {
    /// All, best first.
    pub const ALL: [Self; 11] = [
        Self::Avx512Vnni,
        Self::Avx512,
        Self::AvxVnni,
        Self::Avx2,
        Self::NeonI8mm,
        Self::NeonDot,
        Self::Neon,
        Self::WasmRelaxed,
        Self::WasmRelaxedPairs,
        Self::Wasm,
        Self::Scalar,
    ];

    /// Those this machine has, best first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The best of this machine that goes with `isa`.
    pub fn best_with(isa: Isa) -> Self {
        Self::available().find(|int8| int8.isa() == isa && !int8.is_emulated()).unwrap_or(Self::Scalar)
    }

    /// Whether it is several instructions of this machine: those that have WebAssembly's as one take 8 bits.
    fn is_emulated(self) -> bool {
        self == Self::WasmRelaxed && self.encoding() == Encoding::SevenBits
    }

    /// The instruction set of its floats.
    pub fn isa(self) -> Isa {
        match self {
            Self::Avx512Vnni | Self::Avx512 => Isa::Avx512,
            Self::AvxVnni | Self::Avx2 => Isa::Avx2,
            Self::NeonI8mm | Self::NeonDot | Self::Neon => Isa::Neon,
            Self::WasmRelaxed | Self::WasmRelaxedPairs | Self::Wasm => Isa::Wasm,
            Self::Scalar => Isa::Scalar,
        }
    }

    /// Whether this machine has it and this build has kernels for it.
    pub fn is_available(self) -> bool {
        self.isa().is_available()
            && match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512Vnni => std::arch::is_x86_feature_detected!("avx512vnni"),
                #[cfg(target_arch = "x86_64")]
                Self::AvxVnni => std::arch::is_x86_feature_detected!("avxvnni"),
                #[cfg(target_arch = "aarch64")]
                Self::NeonI8mm => std::arch::is_aarch64_feature_detected!("i8mm"),
                #[cfg(target_arch = "aarch64")]
                Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
                Self::WasmRelaxed | Self::WasmRelaxedPairs => cfg!(target_feature = "relaxed-simd"),
                #[allow(unreachable_patterns, reason = "no target has them all, so for most some are left")]
                Self::Avx512Vnni | Self::AvxVnni | Self::NeonI8mm | Self::NeonDot => false,
                Self::Avx512 | Self::Avx2 | Self::Neon | Self::Wasm | Self::Scalar => true,
            }
    }

    /// As reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512Vnni => "avx512vnni",
            Self::AvxVnni => "avxvnni",
            Self::NeonI8mm => "neon-i8mm",
            Self::NeonDot => "neon-dotprod",
            Self::WasmRelaxed => "simd128-relaxed",
            Self::WasmRelaxedPairs => "simd128-relaxed-pairs",
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Wasm => "simd128",
            Self::Scalar => "scalar",
        }
    }

    /// How it reads the integers of a row. What WebAssembly's relaxed instruction takes is asked of the engine.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Avx512Vnni | Self::AvxVnni => Encoding::Unsigned,
            Self::Avx512 | Self::Avx2 | Self::Wasm => Encoding::Halves,
            Self::NeonI8mm | Self::NeonDot | Self::Neon | Self::Scalar => Encoding::Signed,
            #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
            Self::WasmRelaxed => crate::simd::bytes::wasm::relaxed::encoding(),
            #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
            Self::WasmRelaxed => Encoding::SevenBits,
            Self::WasmRelaxedPairs => Encoding::SevenBits,
        }
    }

    /// Rows of its largest tile.
    pub(crate) fn tile_rows(self) -> usize {
        struct TileRows;
        impl ByteKernel for TileRows {
            type Output = usize;
            #[inline(always)]
            fn run<B: Bytes>(self) -> usize {
                B::TILE_ROWS
            }
        }
        self.run(TileRows)
    }

    /// Runs `kernel` on its instruction. Only those that are available may be asked for.
    #[inline]
    pub(crate) fn run<K: ByteKernel>(self, kernel: K) -> K::Output {
        debug_assert!(self.is_available(), "{self} was refused when the kernels were made");
        match self {
            // SAFETY: the instructions are there: `CpuKernels` is made with no others.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { avx512vnni(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => unsafe { avxvnni(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm => unsafe { i8mm(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => unsafe { dotprod(kernel) },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => kernel.run::<crate::simd::bytes::neon::NeonPairs>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
            Self::WasmRelaxed => kernel.run::<crate::simd::bytes::wasm::relaxed::Relaxed<false>>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
            Self::WasmRelaxedPairs => kernel.run::<crate::simd::bytes::wasm::relaxed::Relaxed<true>>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm => kernel.run::<crate::simd::bytes::wasm::WasmHalves>(),
            _ => kernel.run::<ScalarBytes>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma")]
fn avx512vnni<K: ByteKernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::bytes::avx512::Avx512Vnni>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
fn avx512<K: ByteKernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::bytes::avx512::Avx512Halves>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avxvnni,avx2,fma")]
fn avxvnni<K: ByteKernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::bytes::avx2::AvxVnni>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<K: ByteKernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::bytes::avx2::Avx2Halves>()
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,i8mm")]
fn i8mm<K: ByteKernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::bytes::neon::NeonI8mm>()
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
fn dotprod<K: ByteKernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::bytes::neon::NeonDot>()
}

impl fmt::Display for Int8Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_has_one() {
        for isa in Isa::available() {
            let int8 = Int8Isa::best_with(isa);
            assert!(int8.is_available() && int8.isa() == isa, "{int8} with {isa}");
        }
        assert!(Int8Isa::available().count() >= Isa::available().count());
    }

    /// Whoever runs these tests on a processor that they know says what it has: what is not found is not tested.
    #[test]
    fn a_processor_that_is_known_has_what_is_expected_of_it() {
        if let Ok(expected) = std::env::var("HEATSEEK_EXPECTED_INT8") {
            assert_eq!(Int8Isa::available().map(Int8Isa::name).collect::<Vec<_>>().join(" "), expected);
        }
    }
}
