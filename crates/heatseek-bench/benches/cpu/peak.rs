//! What a core could do at best.

use std::time::Instant;

use heatseek_cpu::{Int8Isa, Isa};
use heatseek_ops::Dtype;

/// Steps of a measurement: about a millisecond.
const STEPS: usize = 150_000;

/// Billions of multiplications and additions a second of one thread, with fused multiply-adds on registers that do
/// not wait for each other, or in int8 with what multiplies bytes. `None` where we have no loop for the instruction set.
pub fn gops(on: (Isa, Dtype)) -> Option<f64> {
    // The best of a few, as the first ones may find the clock low.
    (0..3).map(|_| once(on)).fold(None, |best, rate| best.max_by(rate))
}

trait MaxBy {
    fn max_by(self, other: Self) -> Self;
}

impl MaxBy for Option<f64> {
    fn max_by(self, other: Self) -> Self {
        match (self, other) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        }
    }
}

fn once((isa, dtype): (Isa, Dtype)) -> Option<f64> {
    let start = Instant::now();
    let ops_of_step = match isa {
        _ if dtype == Dtype::Int8 => match Int8Isa::best_with(isa) {
            // SAFETY: it is available.
            #[cfg(target_arch = "x86_64")]
            Int8Isa::Avx512Vnni => unsafe { avx512vnni() },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Int8Isa::AvxVnni => unsafe { avxvnni() },
            _ => return None,
        },
        // SAFETY: the caller has made plans of it, so the machine has it.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if dtype == Dtype::Bf16 => unsafe { avx512bf16() },
        // SAFETY: the caller has made kernels of this instruction set, so the machine has it.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512() },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2() },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => neon(),
        _ => return None,
    };
    Some((STEPS * ops_of_step) as f64 / start.elapsed().as_secs_f64() / 1e9)
}

/// Enough sums for two multiply-adds a cycle that take four or five.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const SUMS: usize = 12;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512() -> usize {
    use std::arch::x86_64::*;
    let (mut sums, factor) = ([_mm512_set1_ps(1.0); SUMS], std::hint::black_box(_mm512_set1_ps(0.5)));
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, factor);
        }
    }
    std::hint::black_box(sums);
    SUMS * 32
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2() -> usize {
    use std::arch::x86_64::*;
    let (mut sums, factor) = ([_mm256_set1_ps(1.0); SUMS], std::hint::black_box(_mm256_set1_ps(0.5)));
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, factor);
        }
    }
    std::hint::black_box(sums);
    SUMS * 16
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn avx512bf16() -> usize {
    use std::arch::x86_64::*;
    let mut sums = [_mm512_set1_ps(1.0); SUMS];
    let factor = std::hint::black_box(_mm512_cvtne2ps_pbh(sums[0], sums[0]));
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, factor, factor);
        }
    }
    std::hint::black_box(sums);
    SUMS * 64
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn avx512vnni() -> usize {
    use std::arch::x86_64::*;
    let (mut sums, factor) = ([_mm512_setzero_si512(); SUMS], std::hint::black_box(_mm512_set1_epi8(3)));
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, factor, factor);
        }
    }
    std::hint::black_box(sums);
    SUMS * 128
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avxvnni")]
fn avxvnni() -> usize {
    use std::arch::x86_64::*;
    let (mut sums, factor) = ([_mm256_setzero_si256(); SUMS], std::hint::black_box(_mm256_set1_epi8(3)));
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm256_dpbusd_avx_epi32(*sum, factor, factor);
        }
    }
    std::hint::black_box(sums);
    SUMS * 64
}

#[cfg(target_arch = "aarch64")]
fn neon() -> usize {
    use std::arch::aarch64::*;
    // SAFETY: every 64-bit ARM has NEON.
    unsafe {
        let (mut sums, factor) = ([vdupq_n_f32(1.0); 2 * SUMS], std::hint::black_box(vdupq_n_f32(0.5)));
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = vfmaq_f32(factor, *sum, factor);
            }
        }
        std::hint::black_box(sums);
    }
    2 * SUMS * 8
}
