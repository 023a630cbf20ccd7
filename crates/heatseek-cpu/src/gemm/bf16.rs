//! The same in bf16, as [`heatseek_ops::bf16`] says: rows are rounded once, and then the kernel of f32 runs over pairs of
//! bf16 that lie where its floats do, with another instruction.

use std::cell::Cell;

use heatseek_ops::{ExecutorError, Gemm, Operands, bf16};

use super::{PackedWeight, Weight, gemm_floats, internal};
use crate::parallel::{self, Parts};
use crate::{Isa, simd};

thread_local! {
    /// What the last product of this thread needed, for the next: steps of a plan allocate nothing.
    static KEPT: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Elements of `x` below which a task costs more to hand out than to do.
const MIN_TASK_ELEMS: usize = 64 << 10;

/// Whether there are kernels for it that go with `isa`.
pub(crate) fn is_available(isa: Isa) -> bool {
    isa == Isa::Avx512 && isa.is_available() && simd::bf16::is_available()
}

/// Packs `weight [n, k]` as pairs along k.
pub(super) fn pack(isa: Isa, op: &Gemm, weight: &[f32]) -> PackedWeight {
    let pairs: Vec<f32> = weight.chunks(op.k.max(1)).flat_map(|row| row.chunks(2).map(pair)).collect();
    PackedWeight::new(isa, op.n, op.k.div_ceil(2), &pairs)
}

/// One or two values, the first in the lower half. It is moved, and nothing is computed with it as a float.
fn pair(values: &[f32]) -> f32 {
    let upper = |value: Option<&f32>| value.map_or(0, |&value| bf16::rounded(value).to_bits());
    f32::from_bits(upper(values.get(1)) | upper(values.first()) >> 16)
}

/// See [`Gemm`].
pub(super) fn gemm(
    isa: Isa,
    op: &Gemm,
    rows: usize,
    weight: &PackedWeight,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let (x, depth) = (operands.input("x"), op.k.div_ceil(2));
    if !is_available(isa) || x.len() != rows * op.k {
        return Err(internal(format!("{} elements of {rows} rows in bf16 on {isa}", x.len())));
    }
    let mut pairs = KEPT.take();
    pairs.resize(rows * depth, 0.0);
    let rows_of_task = MIN_TASK_ELEMS.div_ceil(op.k.max(1));
    let parts = Parts::new(&mut pairs, rows_of_task * depth);
    parallel::run(rows.div_ceil(rows_of_task), |task| {
        // SAFETY: `run` gives each task once.
        let part = unsafe { parts.part(task) };
        let rows = x[task * rows_of_task * op.k..].chunks(op.k.max(1));
        for (row, pairs) in rows.zip(part.chunks_exact_mut(depth.max(1))) {
            // SAFETY: the instruction is there.
            unsafe { simd::bf16::round_row(row, pairs) };
        }
    });
    let result = gemm_floats(isa, op, rows, (Weight::Packed(weight), Some(&pairs)), operands);
    KEPT.set(pairs);
    result
}
