//! Matrix products.

use std::sync::Arc;

use heatseek_cpu::{CpuKernels, Packed};
use heatseek_ops::int8::{QuantizedWeight, RowBits};
use heatseek_ops::{Activation, Dtype, Gemm, HostKernels, Op, Operand, Operands, Tensor, bf16, reference};

use crate::{Case, Outcome, compare};

/// (k, n) of MiniLM's layers.
const SHAPES: [(usize, usize); 4] = [(384, 384), (384, 1152), (384, 1536), (1536, 384)];
/// Rows: one, a query, some texts, and many.
const ROWS: [usize; 4] = [1, 32, 256, 1024];
/// What a product may differ from the reference by, of its largest element.
const CLOSE: f32 = 1e-5;

/// Every shape with every number of rows, and one with the activation that follows it in MiniLM.
pub fn all(kernels: CpuKernels, dtype: Dtype) -> Vec<Case<'static>> {
    let plain = SHAPES.into_iter().flat_map(|(k, n)| ROWS.map(|rows| (Gemm::linear(k, n), rows)));
    let gelu = (Gemm { activation: Activation::GeluErf, ..Gemm::linear(384, 1536) }, 1024);
    plain.chain([gelu]).map(|(op, rows)| product((kernels, dtype), op, rows)).collect()
}

fn product((kernels, dtype): (CpuKernels, Dtype), op: Gemm, rows: usize) -> Case<'static> {
    // Seven primes or so, so that no two rows are alike.
    let values = |len: usize, step: usize, scale: f32| -> Vec<f32> {
        (0..len).map(|i| ((i * step % 1009) as f32 / 504.5 - 1.0) * scale).collect()
    };
    let weight = Tensor::new(&[op.n, op.k], values(op.n * op.k, 379, 1.7 / (op.k as f32).sqrt()));
    let (x, bias) = (values(rows * op.k, 613, 1.0), values(op.n, 97, 1.0));
    let mut y = vec![f32::NAN; rows * op.n];
    let wrapped = Op::Gemm(op);
    let packed: Vec<(&'static str, Arc<Packed>)> = kernels
        .pack(&wrapped, "weight", &weight, dtype)
        .map(|packed| ("weight", Arc::new(packed)))
        .into_iter()
        .collect();
    let suffix =
        if op.activation == Activation::Identity { String::new() } else { format!(" {:?}", op.activation) };
    let name = format!("gemm {rows} x {} x {}{suffix}", op.k, op.n);
    let (mut is_checked, of_check) = (false, name.clone());
    let run = move || -> Outcome<()> {
        let inputs = [("x", Operand::F32(&x)), ("weight", Operand::Packed), ("bias", Operand::F32(&bias))];
        kernels.run(&wrapped, rows, &packed, &mut Operands::new(inputs, [("y", &mut y[..])]))?;
        if !is_checked {
            let weight = weight.values();
            let inputs =
                [("x", Operand::F32(&x)), ("weight", Operand::F32(&weight)), ("bias", Operand::F32(&bias))];
            let mut expected = vec![f32::NAN; rows * op.n];
            let mut operands = Operands::new(inputs, [("y", &mut expected[..])]);
            match dtype {
                Dtype::Int8 => {
                    let weight = QuantizedWeight::new(&weight, op.k);
                    reference::gemm_int8(&op, rows, &weight, RowBits::Eight, &mut operands);
                }
                Dtype::Bf16 => {
                    let weight: Vec<f32> = weight.iter().map(|&value| bf16::rounded(value)).collect();
                    reference::gemm_bf16(&op, rows, &weight, &mut operands);
                }
                Dtype::F32 | Dtype::F16 => reference::gemm(&op, rows, &mut operands),
            }
            compare(&of_check, &y, &expected, CLOSE)?;
            is_checked = true;
        }
        Ok(())
    };
    Case { name, flops: 2 * (rows * op.k * op.n) as u64, run: Box::new(run) }
}
