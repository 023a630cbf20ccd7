//! The ops on the CPU, one file each, from one Rust source for every instruction set: AVX-512, AVX2 and NEON with
//! threads natively, SIMD128 in the browser, and plain arrays where there is none of these. [`Isa`] says which; natively
//! the environment variable [`HEATSEEK_CPU`](ISA_VARIABLE) may name another than the best.
//!
//! Weights are laid out once at load for the tiles of a matrix product, activations are read where they lie, and what
//! follows a product is done before its tile is written.

mod attention;
mod attention_map;
mod attention_pool;
mod copy;
mod embed;
mod gemm;
mod int8_isa;
mod isa;
mod l2_normalize;
mod layer_norm;
mod math;
mod parallel;
mod pool;
mod rollout;
mod scan;
mod simd;

pub use gemm::Packed;
use heatseek_ops::int8::RowBits;
#[cfg(target_arch = "wasm32")]
pub use parallel::LockedAllocator;

use heatseek_ops::{
    DeviceInfo, DeviceKind, Dtype, ExecutorError, HostExecutor, HostKernels, Op, Operands, PackedOperand,
    Tensor,
};
pub use int8_isa::Int8Isa;
pub use isa::{ISA_VARIABLE, Isa};
#[cfg(not(target_arch = "wasm32"))]
pub use parallel::set_threads;
pub use parallel::{in_parallel, threads};
pub use scan::{Scan, max_half};
pub use simd::bytes::Encoding;

/// The CPU kernels; `HostExecutor::new(CpuKernels::new())`, or [`executor`], runs Programs with them.
#[derive(Clone, Copy, Debug)]
pub struct CpuKernels {
    isa: Isa,
    int8: Int8Isa,
    /// Whether weights in f32 are laid out when a plan is made, not each time they are met.
    ahead: bool,
}

/// An executor over the CPU kernels.
pub fn executor() -> HostExecutor<CpuKernels> {
    HostExecutor::new(CpuKernels::new())
}

impl CpuKernels {
    /// Kernels of [`Isa::chosen`].
    pub fn new() -> Self {
        Self::of(Isa::chosen())
    }

    /// Kernels of this instruction set.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if this machine lacks it.
    pub fn with_isa(isa: Isa) -> Result<Self, ExecutorError> {
        if isa.is_available() {
            return Ok(Self::of(isa));
        }
        let available: Vec<&str> = Isa::available().map(Isa::name).collect();
        Err(ExecutorError::Unsupported {
            device: "the CPU".into(),
            what: format!("{isa} kernels"),
            why: format!("it lacks that instruction set; it has {}", available.join(", ")),
        })
    }
}

impl CpuKernels {
    fn of(isa: Isa) -> Self {
        Self { isa, int8: Int8Isa::best_with(isa), ahead: true }
    }

    /// Kernels of this instruction for int8, and of the instruction set it goes with for all else.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if this machine lacks it.
    pub fn with_int8(int8: Int8Isa) -> Result<Self, ExecutorError> {
        if int8.is_available() {
            return Ok(Self { isa: int8.isa(), int8, ahead: true });
        }
        let available: Vec<&str> = Int8Isa::available().map(Int8Isa::name).collect();
        Err(ExecutorError::Unsupported {
            device: "the CPU".into(),
            what: format!("int8 {int8} kernels"),
            why: format!("it lacks that instruction; it has {}", available.join(", ")),
        })
    }
}

impl CpuKernels {
    /// The same for plans that run once: weights in f32 are not laid out ahead, which would take longer than the run and
    /// as much memory as they do, but piece by piece when they are met. The same numbers come of it.
    #[must_use]
    pub fn for_one_run(self) -> Self {
        Self { ahead: false, ..self }
    }
}

impl Default for CpuKernels {
    fn default() -> Self {
        Self::new()
    }
}

impl HostKernels for CpuKernels {
    type Packed = Packed;

    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Cpu,
            name: format!("CPU, {}", parallel::describe()),
            backend: backend().into(),
            kernels: format!("f32 {}", self.isa),
            dtype: "f32",
            features: features(),
        }
    }

    fn device_for(&self, dtype: Dtype) -> DeviceInfo {
        let kernels = match dtype {
            Dtype::Int8 if self.row_bits() == RowBits::Seven => {
                format!("int8 {}, rows in 7 bits", self.int8)
            }
            Dtype::Int8 => format!("int8 {}", self.int8),
            Dtype::Bf16 => format!("bf16 {}", self.isa),
            Dtype::F32 | Dtype::F16 => return DeviceInfo { dtype: dtype.name(), ..self.device() },
        };
        DeviceInfo { kernels, dtype: dtype.name(), ..self.device() }
    }

    fn stores(&self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F32 | Dtype::Int8 => true,
            Dtype::Bf16 => gemm::bf16::is_available(self.isa),
            Dtype::F16 => false,
        }
    }

    fn row_bits(&self) -> RowBits {
        self.int8.encoding().bits()
    }

    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, dtype: Dtype) -> Option<Packed> {
        match op {
            Op::Gemm(_) if !self.ahead && dtype != Dtype::Int8 => None,
            Op::Gemm(op) if binding == "weight" => Some(gemm::pack((self.isa, self.int8), op, tensor, dtype)),
            _ => None,
        }
    }

    fn packed_bytes(&self, packed: &Packed) -> usize {
        packed.size_bytes()
    }

    fn run(
        &self,
        op: &Op,
        rows: usize,
        packed: &[PackedOperand<Packed>],
        operands: &mut Operands<'_>,
    ) -> Result<(), ExecutorError> {
        match op {
            Op::Embed(op) => embed::embed(op, operands),
            Op::Gemm(op) => gemm::gemm((self.isa, self.int8), op, rows, packed, operands)?,
            Op::CopyRows(op) => copy::copy(op, operands),
            Op::LayerNorm(op) => layer_norm::layer_norm(self.isa, op, operands),
            Op::Attention(op) => attention::attention(self.isa, op, operands)?,
            Op::AttentionMap(op) => attention_map::attention_map(self.isa, op, rows, operands)?,
            Op::Pool(op) => pool::pool(self.isa, op, operands),
            Op::AttentionPool(op) => attention_pool::attention_pool(self.isa, op, operands),
            Op::Rollout(op) => rollout::rollout(self.isa, op, rows, operands)?,
            Op::L2Normalize(op) => l2_normalize::l2_normalize(self.isa, op, operands),
            other => {
                return Err(ExecutorError::Unsupported {
                    device: "the CPU".into(),
                    what: other.name().into(),
                    why: "it has no CPU kernel".into(),
                });
            }
        }
        Ok(())
    }

    fn preferred_rows(&self) -> usize {
        // About 0.1 s of MiniLM on one thread, so that progress and cancel stay lively in a browser.
        if cfg!(target_arch = "wasm32") { 128 } else { 2048 }
    }
}

/// Natively there is one build for all machines, in the browser one of two.
fn backend() -> &'static str {
    match (cfg!(target_arch = "wasm32"), cfg!(target_feature = "relaxed-simd")) {
        (false, _) => "native",
        (true, false) => "wasm-simd128",
        (true, true) => "wasm-relaxed-simd",
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<String> {
    let found = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
    ];
    found.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<String> {
    let found = [
        ("neon", true),
        ("dotprod", std::arch::is_aarch64_feature_detected!("dotprod")),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
    ];
    found.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<String> {
    if cfg!(target_feature = "simd128") { vec!["simd128".into()] } else { Vec::new() }
}
