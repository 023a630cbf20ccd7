//! See [`Gemm`]: a matrix product with everything around it done while a tile of it is still in the nearest cache.

pub(crate) mod bf16;
mod block;
mod epilogue;
pub(crate) mod int8;
mod packed;

use std::ops::Range;

use heatseek_ops::int8::{MAX_DEPTH, QuantizedWeight};
use heatseek_ops::{Dtype, ExecutorError, Gemm, Operands, PackedOperand, Tensor};

use crate::{Int8Isa, Isa, parallel};
use block::Block;
use epilogue::Epilogue;
use int8::PackedInt8;
pub use packed::PackedWeight;
pub(crate) use packed::transpose;

/// The most rows of a task.
const MAX_ROWS: usize = 256;
/// What the rows of `x` that a task works on may take: with the panel of weights that meets them they stay in a
/// second-level cache.
const ROWS_BYTES: usize = 384 << 10;
/// What the panels take that are laid out and met at once, of a weight that is not laid out ahead: they stay there too.
const PANELS_BYTES: usize = 256 << 10;
/// Below about this much a task costs more to hand out than to do.
const MIN_TASK_FLOPS: usize = 2_000_000;
/// Tasks for each thread, so that one that is held up does not keep the others waiting for long.
const TASKS_OF_THREAD: usize = 4;

/// A weight as the kernels of a dtype read it.
pub enum Packed {
    /// In f32.
    F32(PackedWeight),
    /// In bf16.
    Bf16(PackedWeight),
    /// In int8.
    Int8(PackedInt8),
}

impl Packed {
    /// Bytes it holds.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::F32(weight) | Self::Bf16(weight) => weight.size_bytes(),
            Self::Int8(weight) => weight.size_bytes(),
        }
    }
}

/// Packs `weight [n, k]`. What is too deep for exact sums stays f32 in any dtype.
pub(crate) fn pack((isa, int8): (Isa, Int8Isa), op: &Gemm, weight: &Tensor, dtype: Dtype) -> Packed {
    let values = weight.values();
    match dtype {
        Dtype::Int8 if op.k <= MAX_DEPTH => {
            Packed::Int8(PackedInt8::new(int8, op.n, op.k, &QuantizedWeight::new(&values, op.k)))
        }
        Dtype::Bf16 => Packed::Bf16(bf16::pack(isa, op, &values)),
        Dtype::F32 | Dtype::F16 | Dtype::Int8 => Packed::F32(PackedWeight::new(isa, op.n, op.k, &values)),
    }
}

/// See [`Gemm`].
pub(crate) fn gemm(
    (isa, int8): (Isa, Int8Isa),
    op: &Gemm,
    rows: usize,
    packed: &[PackedOperand<Packed>],
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    match packed.iter().find(|(name, _)| *name == "weight").map(|(_, weight)| &**weight) {
        Some(Packed::F32(weight)) => gemm_floats(isa, op, rows, (Weight::Packed(weight), None), operands),
        Some(Packed::Bf16(weight)) => bf16::gemm(isa, op, rows, weight, operands),
        Some(Packed::Int8(weight)) => int8::gemm(int8, op, rows, weight, operands),
        None => {
            let plain = Weight::Plain(operands.input("weight"));
            gemm_floats(isa, op, rows, (plain, None), operands)
        }
    }
}

/// A weight in f32, or in pairs of bf16.
enum Weight<'a> {
    /// Laid out.
    Packed(&'a PackedWeight),
    /// As it lies in the checkpoint, `[n, k]`: laid out some panels at a time.
    Plain(&'a [f32]),
}

/// In f32; or, given the rows of `x` as pairs of bf16, over these.
fn gemm_floats(
    isa: Isa,
    op: &Gemm,
    rows: usize,
    (weight, pairs): (Weight<'_>, Option<&[f32]>),
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let (y, stats) = (operands.output("y"), operands.output("stats"));
    let (x, epilogue) = (operands.input("x"), Epilogue::new(op, operands));
    let depth = if pairs.is_some() { op.k.div_ceil(2) } else { op.k };
    let expected = [rows * op.k, rows * depth, rows * op.n, op.n, depth];
    let (n, k) = match weight {
        Weight::Packed(weight) => (weight.n, weight.k),
        Weight::Plain(weight) => (weight.len() / op.k.max(1), op.k),
    };
    let got = [x.len(), pairs.unwrap_or(x).len(), y.len(), n, k];
    if got != expected {
        return Err(internal(format!(
            "a gemm's x, its pairs, y, n and k have {got:?} elements, not {expected:?}"
        )));
    }
    epilogue.check(rows).map_err(internal)?;
    let (y, stats) = (Output::new(y), Output::new(stats));
    let meet = |weight: &PackedWeight, panels: Range<usize>| {
        let split = Split::new(isa.tile_rows(), 4 * depth, op, rows, panels.len());
        parallel::run(split.tasks(), |task| {
            let (rows, of_task) = split.task(task);
            let panels = panels.start + of_task.start..panels.start + of_task.end;
            // SAFETY: `run` gives each task once; tasks of the same rows differ in their panels, whose columns are
            // disjoint, and only one of them has the first panel and writes statistics.
            isa.run(Block { x, pairs, k: op.k, rows, weight, panels, epilogue, y: &y, stats: &stats });
        });
    };
    match weight {
        Weight::Packed(weight) => meet(weight, 0..weight.panels()),
        Weight::Plain(values) => {
            let mut some = PackedWeight::room(isa, op.n, op.k, 0);
            let at_once = (PANELS_BYTES / (4 * some.width * op.k).max(1)).max(1);
            some = PackedWeight::room(isa, op.n, op.k, at_once);
            for first in (0..some.panels()).step_by(at_once) {
                let panels = first..(first + at_once).min(some.panels());
                some.lay_out(isa, values, panels.clone());
                meet(&some, panels);
            }
        }
    }
    Ok(())
}

/// How a product is cut into tasks.
struct Split {
    rows: usize,
    panels: usize,
    rows_of_task: usize,
    panels_of_task: usize,
}

impl Split {
    fn new(tile_rows: usize, row_bytes: usize, op: &Gemm, rows: usize, panels: usize) -> Self {
        let most = (ROWS_BYTES / row_bytes.max(1)).clamp(tile_rows, MAX_ROWS);
        let row_tasks = rows.div_ceil(most).max(1);
        let rows_of_task = rows.div_ceil(row_tasks).max(1).next_multiple_of(tile_rows).min(MAX_ROWS);
        let row_tasks = rows.div_ceil(rows_of_task).max(1);
        let worth = 2 * rows_of_task.min(rows) * op.k * op.n / MIN_TASK_FLOPS;
        let wanted = match parallel::threads() {
            1 => 1,
            threads => (TASKS_OF_THREAD * threads).div_ceil(row_tasks),
        };
        let panels_of_task = panels.div_ceil(wanted.min(worth).max(1)).max(1);
        Self { rows, panels, rows_of_task, panels_of_task }
    }

    fn tasks(&self) -> usize {
        self.rows.div_ceil(self.rows_of_task) * self.panels.div_ceil(self.panels_of_task)
    }

    /// Rows and panels of a task. Those of the same panels come one after the other, so that weights are read once.
    fn task(&self, index: usize) -> (Range<usize>, Range<usize>) {
        let row_tasks = self.rows.div_ceil(self.rows_of_task);
        let (row, panel) = (index % row_tasks * self.rows_of_task, index / row_tasks * self.panels_of_task);
        let rows = row..(row + self.rows_of_task).min(self.rows);
        (rows, panel..(panel + self.panels_of_task).min(self.panels))
    }
}

/// A slice that tasks write to, each where no other does.
pub(crate) struct Output<'a> {
    first: *mut f32,
    len: usize,
    borrowed: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: who writes through it promises to write where no other thread does.
unsafe impl Sync for Output<'_> {}
// SAFETY: as above.
unsafe impl Send for Output<'_> {}

impl<'a> Output<'a> {
    pub(crate) fn new(all: &'a mut [f32]) -> Self {
        Self { first: all.as_mut_ptr(), len: all.len(), borrowed: std::marker::PhantomData }
    }

    /// Where element `index` is, which must be one of the slice's, or its end.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize) -> *mut f32 {
        debug_assert!(index <= self.len, "{index} of {}", self.len);
        // SAFETY: within the slice.
        unsafe { self.first.add(index) }
    }
}

/// A failure of ours.
pub(crate) fn internal(what: String) -> ExecutorError {
    ExecutorError::Internal { device: "the CPU".into(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_meets_every_panel_in_one_task() {
        for rows in [1, 2, 7, 8, 9, 255, 256, 257, 333, 1000] {
            for (k, panels) in [(1, 1), (384, 8), (384, 33), (1536, 8), (100_000, 3)] {
                let op = Gemm::linear(k, panels * 48);
                let split = Split::new(Isa::best().tile_rows(), 4 * k, &op, rows, panels);
                let mut met = vec![0; rows * panels];
                for task in 0..split.tasks() {
                    let (of_rows, of_panels) = split.task(task);
                    assert!(of_rows.len() <= MAX_ROWS);
                    for (row, panel) in of_rows.flat_map(|row| of_panels.clone().map(move |p| (row, p))) {
                        met[row * panels + panel] += 1;
                    }
                }
                assert!(met.iter().all(|&times| times == 1), "{rows} rows, k {k}, {panels} panels");
            }
        }
    }
}
