//! One case table per op: shapes, inputs and tolerance, shared by tests, benches and support reports.

use std::sync::Arc;

use heatseek_testkit::{Tolerance, values};

use crate::int8::RowBits;
use crate::reference::Int8Reference;
use crate::{
    Batch, Binding, CopyRows, Dim, Direction, Dtype, Element, Gemm, HostExecutor, HostKernels, Op, OutputId,
    PlanOptions, Program, ReferenceExecutor, Residual, Rows, Table,
};

/// Rows of a table (vocabulary, positions) whose size a case leaves open: more than any case's length.
const ANY_ROWS: usize = 512;

/// One op on one shape with seeded inputs.
#[derive(Clone, Debug)]
pub struct Case {
    /// `op/name`, unique.
    pub name: String,
    /// The op.
    pub op: Op,
    /// What its rows are.
    pub rows: Rows,
    /// Lengths of the batch's sequences.
    pub lengths: Vec<usize>,
    /// What counts as equal to the reference.
    pub tolerance: Tolerance,
    queries: Option<Vec<usize>>,
    residual: f32,
    skip: usize,
    inputs: Vec<(&'static str, f32, f32)>,
    halved: Option<Halved>,
    /// What the reference stores.
    dtype: Dtype,
    /// Whether it quantises rows by blocks.
    blocks: bool,
}

/// All cases of all ops; in browsers without those of relative biases, for which the build there has no kernels.
pub fn all() -> Vec<Case> {
    let mut all = crate::ops::all_cases();
    let biased = |case: &Case| case.op.bindings().iter().any(|binding| binding.name == "relative_bias");
    all.retain(|case| !(cfg!(target_family = "wasm") && biased(case)));
    all
}

/// What of a case may be stored as f16, beside the weights of GEMMs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Halved {
    /// Constant inputs.
    Read,
    /// What is written, and inputs where kernels want both: outputs are copied before they are read back.
    Written,
    /// Nothing: `x` is copied before it is read.
    Weights,
}

/// The cases of the ops that can store f16, for plans of [`Dtype::F16`]. Inputs are values that f16 holds
/// exactly, so that rounding them is not what is measured.
pub fn halved() -> Vec<Case> {
    let ways = |index: usize, case: &Case| match case.op {
        // Plain ones differ in nothing but their shape, so they take turns.
        Op::Gemm(gemm) if gemm == Gemm::linear(gemm.k, gemm.n) => {
            vec![[Halved::Read, Halved::Written, Halved::Weights][index % 3]]
        }
        Op::Gemm(gemm) if gemm.residual != Residual::None => vec![Halved::Read, Halved::Weights],
        Op::Gemm(_) => vec![Halved::Read, Halved::Written],
        Op::Attention(_) => vec![Halved::Written],
        Op::AttentionMap(_) | Op::CopyRows(_) => vec![Halved::Read],
        _ => Vec::new(),
    };
    let all = all().into_iter().enumerate();
    all.flat_map(|(index, case)| ways(index, &case).into_iter().map(move |way| case.clone().halved(way)))
        .collect()
}

/// The cases of the ops that have a bf16 of their own, for plans of [`Dtype::Bf16`]: against a reference that rounds in the
/// same way.
pub fn rounded() -> Vec<Case> {
    let mut cases = gemms();
    // Depths that are not whole pairs.
    for (rows, k, n) in [(3, 1, 5), (5, 7, 3), (33, 67, 19)] {
        cases.push(linear(&format!("{rows}x{n}x{k}"), rows, k, n));
    }
    let rounded = |case: Case| Case { name: format!("{}, bf16", case.name), dtype: Dtype::Bf16, ..case };
    cases.into_iter().map(rounded).collect()
}

/// The cases of the ops that have an int8 of their own, for plans of [`Dtype::Int8`]: against a reference that quantises
/// in the same way, each row by its own range.
pub fn quantized() -> Vec<Case> {
    let mut cases = gemms();
    // Depths that are not whole groups of four bytes.
    for (rows, k, n) in [(3, 1, 5), (5, 7, 3), (33, 67, 19)] {
        cases.push(linear(&format!("{rows}x{n}x{k}"), rows, k, n));
    }
    let quantized = |case: Case| Case {
        name: format!("{}, int8", case.name),
        dtype: Dtype::Int8,
        tolerance: Tolerance::OP_INT8,
        ..case
    };
    cases.into_iter().map(quantized).collect()
}

/// The same for GPUs, which quantise rows by [blocks](crate::int8::BLOCK).
pub fn quantized_in_blocks() -> Vec<Case> {
    let mut cases = gemms();
    // Of an odd number of blocks, and of more than a split step.
    cases.extend([linear("33x68x96", 33, 96, 68), linear("5x64x548", 5, 548, 64)]);
    // The largest magnitude of a block, which may be a multiple of what rounds to its neighbours; no magnitude at all.
    cases.push(linear("zeros", 5, 64, 64).with_scale("x", 0.0));
    cases.push(linear("tiny", 5, 64, 64).with_scale("x", 1e-37));
    cases.push(linear("large", 5, 64, 64).with_scale("x", 1e30).with_scale("weight", 1e-29));
    let quantized = |case: Case| Case {
        name: format!("{}, int8 by blocks", case.name),
        dtype: Dtype::Int8,
        blocks: true,
        tolerance: Tolerance::OP_INT8,
        ..case
    };
    cases.into_iter().map(quantized).collect()
}

/// The GEMMs of f32, and some that only quantising tells apart: layers of MiniLM; rows whose range does not hold zero;
/// rows without a range.
fn gemms() -> Vec<Case> {
    let gemms = all().into_iter().filter(|case| matches!(case.op, Op::Gemm(_)));
    let more = [
        linear("37x1536x384", 37, 384, 1536),
        linear("9x384x1536", 9, 1536, 384),
        linear("off_centre", 33, 68, 64).with_values("x", 1.0, 3.0),
        linear("without_range", 33, 68, 64).with_values("x", 0.0, 3.0),
    ];
    gemms.chain(more).collect()
}

fn linear(name: &str, rows: usize, k: usize, n: usize) -> Case {
    Case::new(name, Gemm::linear(k, n), Rows::Tokens, &[rows]).with_scale("weight", 3.0 / (k as f32).sqrt())
}

impl Case {
    pub(crate) fn new(name: &str, op: impl Into<Op>, rows: Rows, lengths: &[usize]) -> Self {
        let op = op.into();
        let name = format!("{}/{name}", op.name());
        Self {
            name,
            op,
            rows,
            lengths: lengths.to_vec(),
            tolerance: Tolerance::OP_F32,
            queries: None,
            residual: 0.0,
            skip: 0,
            inputs: Vec::new(),
            halved: None,
            dtype: Dtype::F32,
            blocks: false,
        }
    }

    fn halved(self, way: Halved) -> Self {
        let tolerance = match self.tolerance {
            Tolerance::Exact => Tolerance::Exact,
            _ => Tolerance::OP_F16,
        };
        let name = format!("{}, f16 {way:?}", self.name);
        Self { name, halved: Some(way), tolerance, ..self }
    }

    /// Asks about these rows of the batch only.
    pub(crate) fn with_queries(mut self, rows: &[usize]) -> Self {
        self.queries = Some(rows.to_vec());
        self
    }

    pub(crate) fn with_residual(mut self, share: f32) -> Self {
        self.residual = share;
        self
    }

    pub(crate) fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    pub(crate) fn with_scale(self, binding: &'static str, scale: f32) -> Self {
        self.with_values(binding, scale, 0.0)
    }

    /// Values of about `offset ± scale`.
    pub(crate) fn with_values(mut self, binding: &'static str, scale: f32, offset: f32) -> Self {
        self.inputs.push((binding, scale, offset));
        self
    }

    /// Skips this many rows of each sequence.
    pub(crate) fn with_skip(mut self, rows: usize) -> Self {
        self.skip = rows;
        self
    }

    /// The batch it runs on.
    pub fn batch(&self) -> Batch {
        let mut batch = Batch::of_lengths(&self.lengths);
        batch.skip_of_each(self.skip);
        if let Some(rows) = &self.queries {
            batch.ask_about(rows).expect("a case asks about rows it has");
        }
        batch.set_residual(self.residual);
        batch
    }

    /// A Program of this one op whose inputs are constants and whose outputs are all its outputs.
    pub fn program(&self) -> Program {
        let batch = self.batch();
        let mut program = Program::new();
        let bindings = self.op.bindings();
        let mut ids = Vec::new();
        let mut copied = Vec::new();
        for (index, binding) in bindings.iter().enumerate() {
            let id = match (binding.direction, binding.element) {
                (Direction::Input, Element::U32) => program.table(table(binding, self.rows)),
                (Direction::Input, Element::F32) => {
                    let tensor = self.input(binding, index as u64, &batch);
                    let width = *tensor.shape().last().unwrap_or(&0);
                    let id = program.weight(binding.name, tensor);
                    match binding.name {
                        "x" if self.halved == Some(Halved::Weights) => {
                            let copy = program.activation("copy", self.rows, width);
                            let op = CopyRows::of_width(width);
                            program
                                .push(op, self.rows, &[id, copy])
                                .expect("a copy has the width of what it copies");
                            copy
                        }
                        _ => id,
                    }
                }
                (Direction::Output, _) => {
                    let Dim::Fixed(width) = binding.shape[1] else {
                        unreachable!("outputs have a fixed width")
                    };
                    let rows = match binding.shape[0] {
                        Dim::Sequences => Rows::Sequences,
                        Dim::Tokens => Rows::Tokens,
                        Dim::Pairs if self.rows == Rows::Tokens => Rows::TokenPairs,
                        Dim::Pairs => Rows::QueryPairs,
                        _ => self.rows,
                    };
                    let id = match rows {
                        Rows::TokenPairs | Rows::QueryPairs => program.capture(binding.name, rows, width),
                        _ => program.activation(binding.name, rows, width),
                    };
                    match rows {
                        Rows::Tokens | Rows::Sequences if self.halved == Some(Halved::Written) => {
                            let copy = program.activation("copy", rows, width);
                            program.output(binding.name, copy);
                            copied.push((rows, width, id, copy));
                        }
                        _ => {
                            program.output(binding.name, id);
                        }
                    }
                    id
                }
            };
            ids.push(id);
        }
        program.push(self.op.clone(), self.rows, &ids).expect("a case binds what its op asks for");
        for (rows, width, id, copy) in copied {
            let op = CopyRows::of_width(width);
            program.push(op, rows, &[id, copy]).expect("a copy has the width of what it copies");
        }
        program
    }

    /// Every output of the case.
    pub fn outputs(&self, program: &Program) -> Vec<OutputId> {
        (0..program.outputs().len()).map(OutputId).collect()
    }

    /// Shape of output `id` in this case, for messages.
    pub fn output_shape(&self, program: &Program, id: OutputId) -> [usize; 2] {
        let buffer = program.outputs()[id.0].1.and_then(|id| program.buffers()[id.0].1.written());
        let (rows, width) = buffer.expect("outputs are written");
        [rows.count(&self.batch()), width]
    }

    /// What the reference computes, in the dtype of the case.
    pub fn expected(&self) -> Vec<Vec<f32>> {
        self.expected_in(RowBits::Eight)
    }

    /// The same with rows of int8 in so many bits, where each has one range: [`quantized`].
    pub fn expected_in(&self, bits: RowBits) -> Vec<Vec<f32>> {
        match bits {
            _ if self.blocks => self.run(Int8Reference::Blocks),
            RowBits::Eight => self.run(ReferenceExecutor),
            RowBits::Seven => self.run(Int8Reference::SevenBits),
        }
    }

    fn run(&self, reference: impl HostKernels + Clone) -> Vec<Vec<f32>> {
        let program = Arc::new(self.program());
        let options = PlanOptions { dtype: self.dtype, ..PlanOptions::default() };
        let plan = HostExecutor::new(reference).plan(program.clone(), options);
        let plan = plan.expect("the reference runs every op");
        plan.run_now(&self.batch(), &self.outputs(&program)).expect("the reference runs every case")
    }

    fn input(&self, binding: &Binding, seed: u64, batch: &Batch) -> crate::Tensor {
        let shape: Vec<usize> = binding
            .shape
            .iter()
            .map(|dim| match dim {
                Dim::Rows => self.rows.count(batch),
                Dim::Tokens => batch.rows(),
                Dim::Sequences => batch.sequences().len(),
                Dim::Tiles => batch.attention_tiles().len(),
                Dim::Pairs => self.rows.count(batch) * batch.longest(),
                Dim::TokenPairs => Rows::TokenPairs.count(batch),
                Dim::Fixed(n) => *n,
                Dim::Any => ANY_ROWS,
            })
            .collect();
        let (_, scale, offset) =
            self.inputs.iter().copied().find(|(name, ..)| *name == binding.name).unwrap_or(("", 1.0, 0.0));
        let len = shape.iter().product();
        let stored = |v: f32| if self.halved.is_some() { rounded_to_half(v) } else { v };
        let values = values(seed + 1, len, scale).into_iter().map(|v| stored(v + offset)).collect();
        crate::Tensor::new(&shape, values)
    }
}

/// The nearest value with the ten bits of fraction that f16 has. Below 2⁻¹⁴ f16 has fewer, which is less than 2⁻²⁵ off.
fn rounded_to_half(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits((bits + 0xfff + (bits >> 13 & 1)) & !0x1fff)
}

fn table(binding: &Binding, rows: Rows) -> Table {
    match binding.shape[0] {
        Dim::Rows if binding.name == "spans" && rows == Rows::Queries => Table::QuerySpans,
        Dim::Rows if binding.name == "spans" => Table::TokenSpans,
        Dim::Rows => Table::Tokens,
        Dim::Sequences => Table::Sequences,
        _ => Table::AttentionTiles,
    }
}
