//! The references: one scalar function per op, as its formula reads, accumulating in f64 so that the
//! truth is better than anything compared with it. Never optimised beyond a cache-friendly loop order.

mod attention;
mod attention_map;
mod attention_pool;
mod copy;
mod embed;
mod gemm;
mod l2_normalize;
mod layer_norm;
mod pool;
mod rollout;

pub use attention::attention;
pub use attention_map::attention_map;
pub use attention_pool::attention_pool;
pub use copy::copy;
pub use embed::embed;
pub use gemm::{activation, gemm, gemm_int8, gemm_int8_blocks};
pub use l2_normalize::l2_normalize;
pub use layer_norm::layer_norm;
pub use pool::pool;
pub use rollout::rollout;

use crate::int8::{QuantizedWeight, RowBits};
use crate::{DeviceInfo, DeviceKind, Dtype, ExecutorError, HostKernels, Op, Operands, PackedOperand, Tensor};

/// The references as [`HostKernels`]: `HostExecutor::new(ReferenceExecutor)` runs whole Programs on them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceExecutor;

impl HostKernels for ReferenceExecutor {
    /// Of a plan of int8; in f32 nothing is packed.
    type Packed = QuantizedWeight;

    fn device(&self) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Reference,
            name: "reference".into(),
            backend: "scalar".into(),
            kernels: "reference-f64".into(),
            dtype: "f32",
            features: Vec::new(),
        }
    }

    fn stores(&self, dtype: Dtype) -> bool {
        matches!(dtype, Dtype::F32 | Dtype::Int8)
    }

    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, dtype: Dtype) -> Option<QuantizedWeight> {
        match op {
            Op::Gemm(op) if binding == "weight" && dtype == Dtype::Int8 => {
                Some(QuantizedWeight::new(&tensor.values(), op.k))
            }
            _ => None,
        }
    }

    fn packed_bytes(&self, packed: &QuantizedWeight) -> usize {
        size_of_val(&packed.values[..]) + size_of_val(&packed.scales[..]) + size_of_val(&packed.sums[..])
    }

    fn run(
        &self,
        op: &Op,
        rows: usize,
        packed: &[PackedOperand<QuantizedWeight>],
        operands: &mut Operands<'_>,
    ) -> Result<(), ExecutorError> {
        match (op, packed) {
            (Op::Gemm(op), [(_, weight)]) => gemm_int8(op, rows, weight, RowBits::Eight, operands),
            _ => crate::ops::run_reference(op, rows, operands),
        }
        Ok(())
    }

    fn preferred_rows(&self) -> usize {
        256
    }
}

/// The references with rows of int8 as devices quantise them that do it otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Int8Reference {
    /// In 7 bits: [`RowBits::Seven`].
    SevenBits,
    /// With a scale for each [block](crate::int8::BLOCK), as GPUs do it.
    Blocks,
}

impl HostKernels for Int8Reference {
    type Packed = QuantizedWeight;

    fn device(&self) -> DeviceInfo {
        ReferenceExecutor.device()
    }

    fn stores(&self, dtype: Dtype) -> bool {
        ReferenceExecutor.stores(dtype)
    }

    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, dtype: Dtype) -> Option<QuantizedWeight> {
        ReferenceExecutor.pack(op, binding, tensor, dtype)
    }

    fn packed_bytes(&self, packed: &QuantizedWeight) -> usize {
        ReferenceExecutor.packed_bytes(packed)
    }

    fn run(
        &self,
        op: &Op,
        rows: usize,
        packed: &[PackedOperand<QuantizedWeight>],
        operands: &mut Operands<'_>,
    ) -> Result<(), ExecutorError> {
        match (self, op, packed) {
            (Self::SevenBits, Op::Gemm(op), [(_, weight)]) => {
                gemm_int8(op, rows, weight, RowBits::Seven, operands);
            }
            (Self::Blocks, Op::Gemm(op), [(_, weight)]) => gemm_int8_blocks(op, rows, weight, operands),
            _ => crate::ops::run_reference(op, rows, operands),
        }
        Ok(())
    }

    fn preferred_rows(&self) -> usize {
        ReferenceExecutor.preferred_rows()
    }
}

/// Mean and biased variance of a row, in two passes.
fn mean_and_variance(row: &[f32]) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance)
}

/// `(row − mean) / √(var + eps) · gamma + beta`, still in f64.
fn normalized_row(row: &[f32], affine: &[f32], eps: f32) -> Vec<f64> {
    let (mean, variance) = mean_and_variance(row);
    let rstd = 1.0 / (variance + f64::from(eps)).sqrt();
    let (gamma, beta) = affine.split_at(row.len());
    let scaled = row.iter().zip(gamma).map(|(&v, &g)| (f64::from(v) - mean) * rstd * f64::from(g));
    scaled.zip(beta).map(|(v, &b)| v + f64::from(b)).collect()
}

/// `v / max(‖v‖, 1e-12)`; the bound is PyTorch's `functional.normalize` default.
fn l2_normalized(row: &[f64]) -> Vec<f64> {
    let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    row.iter().map(|v| v / norm).collect()
}
