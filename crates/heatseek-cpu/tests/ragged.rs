//! Shapes that no model has and that the case tables, which GPUs run too, cannot hold: any number of columns and any
//! depth, and heads of every multiple of 4. On every instruction set of this machine, against the references.

use std::sync::Arc;

use heatseek_cpu::{CpuKernels, Isa, Packed};
use heatseek_ops::{
    Activation, Attention, Batch, Dtype, Gemm, HostKernels, Op, Operand, Operands, Residual, Tensor,
    reference,
};
use heatseek_testkit::{Tolerance, compare, values};

/// Sums of up to 30 000 products of about 1 come with rounding errors of some 1e-6, whatever is left of them.
const CLOSE: Tolerance = Tolerance::RelAbs { rel: 1e-5, abs: 5e-6 };

/// A GEMM's operands by name.
struct Inputs(Vec<(&'static str, Vec<f32>)>);

impl Inputs {
    fn of(op: &Gemm, rows: usize) -> Self {
        let lens = [
            ("x", rows * op.k),
            ("weight", op.n * op.k),
            ("bias", op.n),
            ("colsum", op.n),
            ("residual", rows * op.n),
            ("residual_stats", 2 * rows),
            ("residual_affine", 2 * op.n),
        ];
        let scale = |name| if name == "weight" { 3.0 / (op.k as f32).sqrt() } else { 1.0 };
        let seeded = lens
            .iter()
            .enumerate()
            .map(|(seed, &(name, len))| (name, values(seed as u64 + 1, len, scale(name))));
        Self(seeded.collect())
    }

    fn operands(&self) -> impl Iterator<Item = (&'static str, Operand<'_>)> {
        self.0.iter().map(|(name, values)| (*name, Operand::F32(values)))
    }
}

/// Compares one GEMM with the reference; what lies behind `y` must stay as it was.
fn check(isa: Isa, op: Gemm, rows: usize) {
    let kernels = CpuKernels::with_isa(isa).unwrap();
    let (inputs, name) = (Inputs::of(&op, rows), format!("{op:?} of {rows} rows on {isa}"));
    let weight = Tensor::new(&[op.n, op.k], inputs.0[1].1.clone());
    let packed: Vec<(&'static str, Arc<Packed>)> = kernels
        .pack(&Op::Gemm(op), "weight", &weight, Dtype::F32)
        .map(|w| ("weight", Arc::new(w)))
        .into_iter()
        .collect();
    let (mut y, mut stats) = (vec![7.0f32; rows * op.n + 16], vec![7.0f32; 2 * rows]);
    let of_norm = if op.norm_in.is_some() { 2 * rows } else { 0 };
    let outputs = [("y", &mut y[..rows * op.n]), ("stats", &mut stats[..of_norm])];
    kernels.run(&Op::Gemm(op), rows, &packed, &mut Operands::new(inputs.operands(), outputs)).unwrap();
    let (mut expected, mut expected_stats) = (vec![0.0f32; rows * op.n], vec![7.0f32; 2 * rows]);
    let outputs = [("y", &mut expected[..]), ("stats", &mut expected_stats[..of_norm])];
    reference::gemm(&op, rows, &mut Operands::new(inputs.operands(), outputs));
    assert!(y[rows * op.n..].iter().all(|v| *v == 7.0), "{name} wrote behind its end");
    compare(&y[..rows * op.n], &expected, &[rows, op.n], CLOSE).unwrap_or_else(|e| panic!("{name}: {e}"));
    compare(&stats, &expected_stats, &[rows, 2], Tolerance::OP_F32).unwrap_or_else(|e| panic!("{name}: {e}"));
}

#[test]
fn every_width_and_depth_up_to_beyond_the_tiles() {
    for isa in Isa::available() {
        for n in (1..=50).chain([95, 97]) {
            for rows in [1, 9] {
                check(isa, Gemm::linear(7, n), rows);
            }
        }
        for k in (1..=18).chain([31, 33]) {
            check(isa, Gemm::linear(k, 3), 5);
            check(isa, Gemm::linear(k, 49), 1);
        }
        for rows in 1..=20 {
            check(isa, Gemm::linear(5, 19), rows);
        }
    }
}

#[test]
fn every_epilogue_on_ragged_tiles() {
    let activations = [
        Activation::Identity,
        Activation::GeluErf,
        Activation::GeluTanh,
        Activation::Relu,
        Activation::Silu,
        Activation::Tanh,
        Activation::QuickGelu,
    ];
    for isa in Isa::available() {
        for activation in activations {
            for residual in [Residual::None, Residual::Add, Residual::AddNormalized] {
                for norm_in in [None, Some(1e-5)] {
                    check(isa, Gemm { k: 37, n: 53, norm_in, activation, residual }, 11);
                }
            }
        }
    }
}

#[test]
fn many_rows_and_many_tasks() {
    for isa in Isa::available() {
        let op = Gemm { norm_in: Some(1e-5), residual: Residual::Add, ..Gemm::linear(130, 203) };
        check(isa, op, 519);
        // So deep that a task has the fewest rows.
        check(isa, Gemm::linear(30_001, 5), 19);
    }
}

#[test]
fn heads_of_every_multiple_of_four() {
    for isa in Isa::available() {
        let kernels = CpuKernels::with_isa(isa).unwrap();
        let widths = (4..=100).step_by(4).chain([128, 160, 256]);
        let masks =
            [(false, None, None), (true, None, None), (false, Some(30), Some(8)), (true, Some(2), Some(90))];
        for (head_dim, (causal, window, relative_bias)) in widths.flat_map(|d| masks.map(|mask| (d, mask))) {
            let op = Attention { causal, window, relative_bias, ..Attention::new(2, head_dim) };
            let batch = Batch::of_lengths(&[1, 103, 13]);
            let (rows, tiles) = (batch.rows(), batch.attention_tiles().into_flattened());
            let qkv = values(1, rows * 3 * op.width(), 1.0);
            let bias = values(2, 2 * (2 * relative_bias.unwrap_or(0) + 1), 2.0);
            let inputs = || {
                let inputs = [("qkv", Operand::F32(&qkv)), ("tiles", Operand::U32(&tiles))];
                inputs.into_iter().chain(relative_bias.map(|_| ("relative_bias", Operand::F32(&bias))))
            };
            let (mut y, mut expected) = (vec![7.0f32; rows * op.width()], vec![0.0f32; rows * op.width()]);
            let mut operands = Operands::new(inputs(), [("y", &mut y[..])]);
            kernels.run(&Op::Attention(op), rows, &[], &mut operands).unwrap();
            reference::attention(&op, rows, &mut Operands::new(inputs(), [("y", &mut expected[..])]));
            compare(&y, &expected, &[rows, op.width()], Tolerance::OP_F32)
                .unwrap_or_else(|e| panic!("{op:?} on {isa}: {e}"));
        }
    }
}

/// What is in rows that no query of a tile sees would spoil it if it were read: 0 times NaN is NaN.
#[test]
fn keys_beyond_the_window_of_a_tile_are_not_read() {
    for (isa, causal) in Isa::available().flat_map(|isa| [(isa, false), (isa, true)]) {
        let kernels = CpuKernels::with_isa(isa).unwrap();
        let op = Attention { causal, window: Some(8), ..Attention::new(2, 32) };
        let batch = Batch::of_lengths(&[320]);
        let tiles = batch.attention_tiles().into_flattened();
        let mut qkv = values(1, 320 * 3 * op.width(), 1.0);
        let run = |qkv: &[f32]| {
            let mut y = vec![0.0f32; 320 * op.width()];
            let inputs = [("qkv", Operand::F32(qkv)), ("tiles", Operand::U32(&tiles))];
            let mut operands = Operands::new(inputs, [("y", &mut y[..])]);
            kernels.run(&Op::Attention(op), 320, &[], &mut operands).unwrap();
            y
        };
        let whole = run(&qkv);
        // All but tile 2, of rows 128 to 191, and what it sees.
        qkv[..120 * 3 * op.width()].fill(f32::NAN);
        qkv[200 * 3 * op.width()..].fill(f32::NAN);
        let rows = 128 * op.width()..192 * op.width();
        assert_eq!(run(&qkv)[rows.clone()], whole[rows], "causal {causal} on {isa}");
    }
}

#[test]
fn an_instruction_set_that_is_not_there_is_refused_by_name() {
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        let error = CpuKernels::with_isa(isa).unwrap_err().to_string();
        assert!(error.contains(isa.name()) && error.contains("scalar"), "{error}");
    }
}

/// The rows of a linear layer and of an attention over sequences of these lengths, whose values are those of a longer
/// list from `first` on.
fn rows_of(isa: Isa, lengths: &[usize], first: usize) -> (Vec<f32>, Vec<f32>) {
    let kernels = CpuKernels::with_isa(isa).unwrap();
    let (op, attention) = (Gemm::linear(96, 49), Attention::new(1, 32));
    let batch = Batch::of_lengths(lengths);
    let (rows, tiles) = (batch.rows(), batch.attention_tiles().into_flattened());
    let all = values(5, 400 * 96, 1.0);
    let x = &all[first * 96..][..rows * 96];
    let (weight, bias) = (Tensor::new(&[49, 96], values(6, 49 * 96, 0.3)), values(7, 49, 1.0));
    let packed: Vec<(&'static str, Arc<Packed>)> = kernels
        .pack(&Op::Gemm(op), "weight", &weight, Dtype::F32)
        .map(|w| ("weight", Arc::new(w)))
        .into_iter()
        .collect();
    let (mut y, mut z) = (vec![0.0f32; rows * 49], vec![0.0f32; rows * 32]);
    let inputs = [("x", Operand::F32(x)), ("bias", Operand::F32(&bias))];
    let mut operands = Operands::new(inputs, [("y", &mut y[..])]);
    kernels.run(&Op::Gemm(op), rows, &packed, &mut operands).unwrap();
    let inputs = [("qkv", Operand::F32(x)), ("tiles", Operand::U32(&tiles))];
    let mut operands = Operands::new(inputs, [("y", &mut z[..])]);
    kernels.run(&Op::Attention(attention), rows, &[], &mut operands).unwrap();
    (y, z)
}

#[test]
fn what_else_is_in_a_batch_does_not_change_a_bit() {
    let lengths = [1, 5, 97, 8, 2, 130, 9, 65];
    for isa in Isa::available() {
        let (together, attended) = rows_of(isa, &lengths, 0);
        let mut first = 0;
        for len in lengths {
            let (alone, attended_alone) = rows_of(isa, &[len], first);
            assert_eq!(alone, together[first * 49..][..len * 49], "a layer of {len} rows on {isa}");
            assert_eq!(
                attended_alone,
                attended[first * 32..][..len * 32],
                "attention of {len} rows on {isa}"
            );
            first += len;
        }
        // One row at a time, of every tile.
        for row in 0..20 {
            let (alone, _) = rows_of(isa, &[1], row);
            assert_eq!(alone, together[row * 49..][..49], "row {row} on {isa}");
        }
    }
}
