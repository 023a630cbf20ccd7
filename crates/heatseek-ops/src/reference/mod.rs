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
mod topk_scan;

pub use attention::attention;
pub use attention_map::attention_map;
pub use attention_pool::attention_pool;
pub use copy::copy;
pub use embed::embed;
pub use gemm::{activation, gemm, gemm_bf16, gemm_int8, gemm_int8_blocks};
pub use l2_normalize::l2_normalize;
pub use layer_norm::layer_norm;
pub use pool::pool;
pub use rollout::rollout;
pub use topk_scan::topk_scan;

use crate::bf16;
use crate::int8::{QuantizedWeight, RowBits};
use crate::{DeviceInfo, DeviceKind, Dtype, ExecutorError, HostKernels, Op, Operands, PackedOperand, Tensor};

/// The references as [`HostKernels`]: `HostExecutor::new(ReferenceExecutor)` runs whole Programs on them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceExecutor;

/// A weight of a GEMM that is not f32.
pub enum ReferenceWeight {
    /// In plans of int8.
    Int8(QuantizedWeight),
    /// In plans of bf16: values that have been rounded to it.
    Bf16(Vec<f32>),
}

impl HostKernels for ReferenceExecutor {
    /// In f32 nothing is packed.
    type Packed = ReferenceWeight;

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
        matches!(dtype, Dtype::F32 | Dtype::Bf16 | Dtype::Int8)
    }

    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, dtype: Dtype) -> Option<ReferenceWeight> {
        match (op, dtype) {
            (Op::Gemm(op), Dtype::Int8) if binding == "weight" => {
                Some(ReferenceWeight::Int8(QuantizedWeight::new(&tensor.values(), op.k)))
            }
            (Op::Gemm(_), Dtype::Bf16) if binding == "weight" => Some(ReferenceWeight::Bf16(
                tensor.values().iter().map(|&value| bf16::rounded(value)).collect(),
            )),
            _ => None,
        }
    }

    fn packed_bytes(&self, packed: &ReferenceWeight) -> usize {
        match packed {
            ReferenceWeight::Int8(QuantizedWeight { values, scales, sums }) => {
                size_of_val(&values[..]) + size_of_val(&scales[..]) + size_of_val(&sums[..])
            }
            ReferenceWeight::Bf16(values) => size_of_val(&values[..]),
        }
    }

    fn run(
        &self,
        op: &Op,
        rows: usize,
        packed: &[PackedOperand<ReferenceWeight>],
        operands: &mut Operands<'_>,
    ) -> Result<(), ExecutorError> {
        match (op, packed) {
            (Op::Gemm(op), [(_, weight)]) => match &**weight {
                ReferenceWeight::Int8(weight) => gemm_int8(op, rows, weight, RowBits::Eight, operands),
                ReferenceWeight::Bf16(weight) => gemm_bf16(op, rows, weight, operands),
            },
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
    type Packed = ReferenceWeight;

    fn device(&self) -> DeviceInfo {
        ReferenceExecutor.device()
    }

    fn stores(&self, dtype: Dtype) -> bool {
        ReferenceExecutor.stores(dtype)
    }

    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, dtype: Dtype) -> Option<ReferenceWeight> {
        ReferenceExecutor.pack(op, binding, tensor, dtype)
    }

    fn packed_bytes(&self, packed: &ReferenceWeight) -> usize {
        ReferenceExecutor.packed_bytes(packed)
    }

    fn run(
        &self,
        op: &Op,
        rows: usize,
        packed: &[PackedOperand<ReferenceWeight>],
        operands: &mut Operands<'_>,
    ) -> Result<(), ExecutorError> {
        match (op, packed) {
            (Op::Gemm(op), [(_, weight)]) => match (self, &**weight) {
                (Self::SevenBits, ReferenceWeight::Int8(weight)) => {
                    gemm_int8(op, rows, weight, RowBits::Seven, operands);
                }
                (Self::Blocks, ReferenceWeight::Int8(weight)) => gemm_int8_blocks(op, rows, weight, operands),
                (_, ReferenceWeight::Bf16(weight)) => gemm_bf16(op, rows, weight, operands),
            },
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
