//! The same in 8 bits, as [`heatseek_ops::int8`] says: rows are quantised once, then multiplied with exact sums, and the
//! epilogue is the one of f32.

mod block;
mod packed;
mod rows;
#[cfg(test)]
mod tests;

use heatseek_ops::{ExecutorError, Gemm, Operands};

use super::epilogue::Epilogue;
use super::{Output, Split, internal};
use crate::{Int8Isa, parallel};
use block::Block;
pub use packed::PackedInt8;
use rows::{Quantize, Rows};

/// Bytes that a row of integers is a multiple of, so that the widest vectors may be stored whole.
const ROW_ALIGNMENT: usize = 64;
/// Elements of `x` below which a task costs more to hand out than to do.
const MIN_TASK_ELEMS: usize = 32 << 10;

/// See [`Gemm`].
pub(super) fn gemm(
    isa: Int8Isa,
    op: &Gemm,
    rows: usize,
    weight: &PackedInt8,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let (y, stats) = (operands.output("y"), operands.output("stats"));
    let (x, epilogue) = (operands.input("x"), Epilogue::new(op, operands));
    let norm = usize::from(op.norm_in.is_some());
    let expected = [rows * op.k, rows * op.n, norm * rows * 2, op.n, op.k];
    let got = [x.len(), y.len(), stats.len(), weight.n, weight.k];
    if got != expected {
        return Err(internal(format!(
            "a gemm's x, y, stats, n and k have {got:?} elements, not {expected:?}"
        )));
    }
    epilogue.check(rows).map_err(internal)?;
    let encoding = weight.encoding;
    let stride = (op.k * encoding.size_bytes()).next_multiple_of(ROW_ALIGNMENT);
    let mut quantized = Rows::new(rows, stride);
    let (y, stats) = (Output::new(y), Output::new(stats));
    let rows_of_task = MIN_TASK_ELEMS.div_ceil(op.k.max(1));
    let (integers, scales, moments) = quantized.parts(rows_of_task);
    parallel::run(rows.div_ceil(rows_of_task), |task| {
        // SAFETY: `run` gives each task once.
        let (integers, scales, moments) =
            unsafe { (integers.part(task), scales.part(task), moments.part(task)) };
        let first = task * rows_of_task;
        let (k, norm_in, stats) = (op.k, op.norm_in, &stats);
        isa.run(Quantize { x, k, first, norm_in, encoding, stride, integers, scales, moments, stats });
    });
    let split = Split::new(isa.tile_rows(), stride, op, rows, weight.panels());
    parallel::run(split.tasks(), |task| {
        let (rows, panels) = split.task(task);
        // SAFETY: `run` gives each task once; tasks of the same rows differ in their panels, whose columns are disjoint.
        isa.run(Block { x: &quantized, rows, weight, panels, epilogue, y: &y });
    });
    quantized.keep();
    Ok(())
}
