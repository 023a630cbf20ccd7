//! What a run costs by its Program alone: operations, and bytes that have to move at least.

use std::fmt::Write;

use heatseek::Error;
use heatseek_ops::{Activation, Batch, Buffer, Op, Program, Residual, Step};
use serde::Serialize;

use super::subject::pooled;

/// A step of a run.
pub struct StepCost<'a> {
    pub step: &'a Step,
    /// A multiply-add counts two.
    pub flops: u64,
    /// Each weight that is read and each activation that is read or written, once.
    pub bytes: u64,
}

/// Those of a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    pub flops: u64,
    pub bytes: u64,
}

/// The steps that vectors need. `element_bytes` are those of an element of a weight and of an activation.
pub fn of_run<'a>(
    program: &'a Program,
    batch: &Batch,
    element_bytes: [u64; 2],
) -> Result<Vec<StepCost<'a>>, Error> {
    let output = pooled(program)?;
    let steps = program.steps().iter().filter(|step| program.runs(step, &output));
    let cost = |step: &'a Step| StepCost {
        step,
        flops: step.op.flops(step.rows.count(batch), batch),
        bytes: bytes(program, step, batch, element_bytes),
    };
    Ok(steps.map(cost).collect())
}

/// Of all `batches`.
pub fn total(program: &Program, batches: &[Batch], element_bytes: [u64; 2]) -> Result<Cost, Error> {
    let mut sum = Cost::default();
    for batch in batches {
        for step in of_run(program, batch, element_bytes)? {
            sum.flops += step.flops;
            sum.bytes += step.bytes;
        }
    }
    Ok(sum)
}

fn bytes(program: &Program, step: &Step, batch: &Batch, [of_weight, of_activation]: [u64; 2]) -> u64 {
    let one = |id: &heatseek_ops::BufferId| {
        let buffer = &program.buffers()[id.0].1;
        let elems = program.len_elems(*id, batch) as u64;
        match buffer {
            // Of tables of vectors only the rows that are looked up.
            Buffer::Weight(tensor) if matches!(step.op, Op::Embed(_)) => {
                let width = tensor.shape().last().copied().unwrap_or(1);
                of_weight * elems.min((batch.rows() * width) as u64)
            }
            Buffer::Weight(_) => of_weight * elems,
            Buffer::Table(_) => 4 * elems,
            _ => of_activation * elems,
        }
    };
    step.buffers.iter().map(one).sum()
}

/// A step in words, the same for steps that cost the same.
pub fn label(op: &Op) -> String {
    let Op::Gemm(gemm) = op else { return op.name().to_owned() };
    let mut text = format!("gemm {}→{}", gemm.k, gemm.n);
    if gemm.norm_in.is_some() {
        text.push_str(" norm");
    }
    if gemm.activation != Activation::Identity {
        let _ = write!(text, " {:?}", gemm.activation);
    }
    if gemm.residual != Residual::None {
        text.push_str(" +residual");
    }
    text
}

#[cfg(test)]
mod tests {
    use heatseek_ops::{Gemm, L2Normalize, POOLED, Rows, Tensor};

    use super::*;

    #[test]
    fn operations_and_bytes_are_those_of_a_gemm() {
        let (k, n, rows) = (8, 12, 5);
        let mut program = Program::new();
        let x = program.input("x", k);
        let weight = program.weight("w", Tensor::new(&[n, k], vec![0.5; n * k]));
        let bias = program.weight("b", Tensor::new(&[n], vec![0.0; n]));
        let y = program.activation("y", Rows::Tokens, n);
        program.push(Gemm::linear(k, n), Rows::Tokens, &[x, weight, bias, y]).unwrap();
        let z = program.activation("z", Rows::Tokens, n);
        let other = program.output("other", z);
        program.push_for(other, L2Normalize { width: n }, Rows::Tokens, &[y, z]).unwrap();
        program.output(POOLED, y);
        let cost = total(&program, &[Batch::of_lengths(&[rows])], [2, 4]).unwrap();
        let bytes = 2 * (n * k + n) + 4 * rows * (k + n);
        assert_eq!(cost, Cost { flops: (2 * rows * k * n) as u64, bytes: bytes as u64 });
        let steps = of_run(&program, &Batch::of_lengths(&[rows]), [4, 4]).unwrap();
        assert_eq!(steps.len(), 1, "what other outputs need is not counted");
        assert_eq!(label(&steps[0].step.op), "gemm 8→12");
    }
}
