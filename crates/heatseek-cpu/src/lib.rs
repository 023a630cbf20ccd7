//! The ops on the CPU, one file each, from one Rust source: native SIMD with rayon, and wasm SIMD128 on
//! one thread in the browser. The matrix products are `rten-gemm`'s, with weights packed once at load;
//! everything around them is written so that the compiler vectorises it.

mod attention;
mod attention_map;
mod attention_pool;
mod copy;
mod embed;
mod gemm;
mod l2_normalize;
mod layer_norm;
mod math;
mod parallel;
mod pool;
mod rollout;

use std::rc::Rc;

#[cfg(target_arch = "wasm32")]
pub use parallel::LockedAllocator;

use gemm::PackedWeight;
use heatseek_ops::{
    DeviceInfo, DeviceKind, ExecutorError, HostExecutor, HostKernels, Op, Operands, PackedOperand, Tensor,
};

/// The CPU kernels; `HostExecutor::new(CpuKernels::new())`, or [`executor`], runs Programs with them.
#[derive(Clone)]
pub struct CpuKernels {
    gemm: Rc<gemm::Executor>,
}

/// An executor over the CPU kernels.
pub fn executor() -> HostExecutor<CpuKernels> {
    HostExecutor::new(CpuKernels::new())
}

impl CpuKernels {
    /// Kernels for the best instruction set of this machine.
    pub fn new() -> Self {
        Self { gemm: Rc::new(gemm::Executor::new()) }
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
            backend: backend().into(),
            kernels: format!("rten-gemm {}", self.gemm.kernel_name()),
            dtype: "f32",
            features: features(),
        }
    }

    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor) -> Option<PackedWeight> {
        match op {
            Op::Gemm(op) if binding == "weight" => Some(gemm::pack(&self.gemm, op, tensor)),
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
            Op::Gemm(op) => gemm::gemm(&self.gemm, op, rows, packed, operands)?,
            Op::CopyRows(op) => copy::copy(op, operands),
            Op::LayerNorm(op) => layer_norm::layer_norm(op, operands),
            Op::Attention(op) => attention::attention(&self.gemm, op, operands)?,
            Op::AttentionMap(op) => attention_map::attention_map(&self.gemm, op, rows, operands)?,
            Op::Pool(op) => pool::pool(op, operands),
            Op::AttentionPool(op) => attention_pool::attention_pool(op, operands),
            Op::Rollout(op) => rollout::rollout(&self.gemm, op, rows, operands)?,
            Op::L2Normalize(op) => l2_normalize::l2_normalize(op, operands),
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
