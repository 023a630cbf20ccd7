//! The ops on the CPU, one file each, from one Rust source: native SIMD with rayon, and wasm SIMD128 on
//! one thread in the browser. The matrix products are `rten-gemm`'s, with weights packed once at load;
//! everything around them is written so that the compiler vectorises it.

mod copy;
mod embed;
mod gemm;
mod isa;
mod math;
mod parallel;
mod simd;

pub use gemm::PackedWeight;
use heatseek_ops::{
    DeviceInfo, DeviceKind, Dtype, ExecutorError, HostExecutor, HostKernels, Op, Operands, PackedOperand,
    Tensor,
};
pub use isa::{ISA_VARIABLE, Isa};

/// The CPU kernels; `HostExecutor::new(CpuKernels::new())`, or [`executor`], runs Programs with them.
#[derive(Clone, Copy, Debug)]
pub struct CpuKernels {
    isa: Isa,
}

/// An executor over the CPU kernels.
pub fn executor() -> HostExecutor<CpuKernels> {
    HostExecutor::new(CpuKernels::new())
}

impl CpuKernels {
    /// Kernels of [`Isa::chosen`].
    pub fn new() -> Self {
        Self { isa: Isa::chosen() }
    }

    /// Kernels of this instruction set.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if this machine lacks it.
    pub fn with_isa(isa: Isa) -> Result<Self, ExecutorError> {
        if isa.is_available() {
            return Ok(Self { isa });
        }
        let available: Vec<&str> = Isa::available().map(Isa::name).collect();
        Err(ExecutorError::Unsupported {
            device: "the CPU".into(),
            what: format!("{isa} kernels"),
            why: format!("it lacks that instruction set; it has {}", available.join(", ")),
        })
    }
}

impl Default for CpuKernels {
    fn default() -> Self {
        Self::new()
    }
}

impl HostKernels for CpuKernels {
    type Packed = PackedWeight;

    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Cpu,
            name: format!("CPU, {}", parallel::describe()),
            backend: if cfg!(target_arch = "wasm32") { "wasm-simd128" } else { "native" }.into(),
            kernels: format!("f32 {}", self.isa),
            dtype: "f32",
            features: features(),
        }
    }

    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, _: Dtype) -> Option<PackedWeight> {
        match op {
            Op::Gemm(op) if binding == "weight" => {
                Some(PackedWeight::new(self.isa, op.n, op.k, &tensor.values()))
            }
            _ => None,
        }
    }

    fn run(
        &self,
        op: &Op,
        rows: usize,
        packed: &[PackedOperand<PackedWeight>],
        operands: &mut Operands<'_>,
    ) -> Result<(), ExecutorError> {
        match op {
            Op::Embed(op) => embed::embed(op, operands),
            Op::Gemm(op) => gemm::gemm(self.isa, op, rows, packed, operands)?,
            Op::CopyRows(op) => copy::copy(op, operands),
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

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<String> {
    let found = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
    ];
    found.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<String> {
    vec!["neon".into()]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<String> {
    if cfg!(target_feature = "simd128") { vec!["simd128".into()] } else { Vec::new() }
}
