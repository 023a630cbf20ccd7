//! Which instruction set the kernels use.

use std::fmt;
use std::str::FromStr;

use crate::simd::{F32s, Kernel, scalar::Scalar};

/// The environment variable that names the instruction set of [`CpuKernels::new`](crate::CpuKernels::new).
pub const ISA_VARIABLE: &str = "HEATSEEK_CPU";

/// An instruction set that there are kernels for. They are one source, compiled for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX-512 F, DQ, BW and VL, and what AVX2 is beside: vectors of 16.
    Avx512,
    /// AVX2, and FMA, F16C and POPCNT, which every processor has that has it: vectors of 8.
    Avx2,
    /// 64-bit ARM: vectors of 4.
    Neon,
    /// WebAssembly's SIMD128, with relaxed SIMD's fused multiply-add where compiled for it: vectors of 4.
    Wasm,
    /// Whatever the compiler makes of arrays of 4.
    Scalar,
}

impl Isa {
    /// All, best first.
    pub const ALL: [Self; 5] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Wasm, Self::Scalar];

    /// Those this machine has, best first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The best of this machine; or, natively, the one that [`ISA_VARIABLE`] names. A name that is none, or one of an
    /// instruction set that this machine lacks, is as good as no name: what is in use stands in
    /// [`DeviceInfo::kernels`](heatseek_ops::DeviceInfo).
    pub fn chosen() -> Self {
        Self::of_name(std::env::var(ISA_VARIABLE).ok().as_deref())
    }

    /// The one of this name if it is available, or else the best.
    fn of_name(name: Option<&str>) -> Self {
        let named = name.and_then(|name| name.parse().ok());
        named.filter(|isa: &Self| isa.is_available()).unwrap_or_else(Self::best)
    }

    /// The best of this machine.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::Scalar)
    }

    /// Whether this machine has it and this build has kernels for it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                use std::arch::is_x86_feature_detected as has;
                let is_avx512 = has!("avx512f") && has!("avx512dq") && has!("avx512bw") && has!("avx512vl");
                is_avx512 && Self::Avx2.is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                use std::arch::is_x86_feature_detected as has;
                has!("avx2") && has!("fma") && has!("f16c") && has!("popcnt")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm => true,
            Self::Scalar => true,
            _ => false,
        }
    }

    /// As [`ISA_VARIABLE`] and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Wasm if cfg!(target_feature = "relaxed-simd") => "simd128-relaxed",
            Self::Wasm => "simd128",
            Self::Scalar => "scalar",
        }
    }

    /// Rows of its largest tile of a matrix product.
    pub(crate) fn tile_rows(self) -> usize {
        struct TileRows;
        impl Kernel for TileRows {
            type Output = usize;
            #[inline(always)]
            fn run<V: F32s>(self) -> usize {
                V::TILE_ROWS
            }
        }
        self.run(TileRows)
    }

    /// Runs `kernel` on its vectors. Only sets that are available may be asked for.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        debug_assert!(self.is_available(), "{self} was refused when the kernels were made");
        match self {
            // SAFETY: the instruction set is there: `CpuKernels` is made with no other.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2(kernel) },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => kernel.run::<crate::simd::neon::Neon>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Wasm => kernel.run::<crate::simd::wasm::Wasm>(),
            _ => kernel.run::<Scalar>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,popcnt")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::avx512::Avx512>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<crate::simd::avx2::Avx2>()
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| format!("`{name}` is none of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
        assert!("avx".parse::<Isa>().unwrap_err().contains("avx512, avx2, neon"));
    }

    #[test]
    fn a_name_chooses_what_is_there_and_nothing_else() {
        assert_eq!(Isa::of_name(Some("scalar")), Isa::Scalar);
        let best = Isa::best();
        for name in [None, Some(""), Some("sse9"), Some(best.name())] {
            assert_eq!(Isa::of_name(name), best, "{name:?}");
        }
        for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
            assert_eq!(Isa::of_name(Some(isa.name())), best, "{isa}");
        }
    }

    #[test]
    fn the_best_is_available_and_scalar_always_is() {
        assert!(Isa::best().is_available());
        assert!(Isa::Scalar.is_available());
        assert_eq!(Isa::available().next(), Some(Isa::best()));
    }
}
