use heatseek_ops::{ExecutorError, Operands, Rollout};

use crate::attention_map::tiles;
use crate::gemm::{Output, internal};
use crate::simd::{F32s, Kernel, Product, store_up_to};
use crate::{Isa, parallel};

/// Columns of a task, of every instruction set whole tiles.
const TASK_COLUMNS: usize = 96;
/// How much of the layer is worked on at once.
const MAX_DEPTH: usize = 64;

/// See [`Rollout`]. The queries of each sequence are one matrix product with the layer, cut by columns into tasks.
pub(crate) fn rollout(
    isa: Isa,
    op: &Rollout,
    rows: usize,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let (state, layer, y) = (operands.input("state"), operands.input("layer"), operands.output("y"));
    let longest = y.len() / rows.max(1);
    if !op.first && state.len() != y.len() {
        return Err(internal(format!("a rollout of {} values goes on as {}", state.len(), y.len())));
    }
    let mut row = 0;
    let y = Output::new(y);
    for tile in tiles(operands.table("spans")) {
        let layer = if op.first { layer } else { &layer[tile.k0 * longest..][..tile.keys * longest] };
        let task = Columns {
            rows: tile.queries,
            place: tile.q0 - tile.k0,
            keys: tile.keys,
            longest,
            state: if op.first { None } else { Some(&state[row * longest..][..tile.queries * longest]) },
            layer,
            y: &y,
            y_row: row,
        };
        parallel::run(longest.div_ceil(TASK_COLUMNS), |index| {
            let first = index * TASK_COLUMNS;
            isa.run(Task { of: &task, columns: first..longest.min(first + TASK_COLUMNS) });
        });
        row += tile.queries;
    }
    Ok(())
}

/// The rows of one sequence's queries.
struct Columns<'a> {
    rows: usize,
    /// Of the first query in its sequence.
    place: usize,
    keys: usize,
    longest: usize,
    /// `None` to begin a rollout.
    state: Option<&'a [f32]>,
    layer: &'a [f32],
    y: &'a Output<'a>,
    y_row: usize,
}

struct Task<'a> {
    of: &'a Columns<'a>,
    columns: std::ops::Range<usize>,
}

#[repr(C, align(64))]
struct Aligned<const N: usize>([f32; N]);

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let Columns { rows, place, keys, longest, state, layer, y, y_row } = *self.of;
        for row in 0..rows {
            let at = (y_row + row) * longest + self.columns.start;
            // SAFETY: these columns of `y` are this task's.
            let out = unsafe { std::slice::from_raw_parts_mut(y.at(at), self.columns.len()) };
            out.fill(0.0);
            if state.is_none() && self.columns.contains(&(place + row)) {
                out[place + row - self.columns.start] = 1.0;
            }
        }
        let Some(state) = state else { return };
        const { assert!(TASK_COLUMNS.is_multiple_of(V::LANES * V::TILE_VECTORS)) };
        const { assert!(V::TILE_ROWS <= 8) };
        let mut block = Aligned([0.0; MAX_DEPTH * TASK_COLUMNS]);
        let mut sums = Aligned([0.0; 8 * TASK_COLUMNS]);
        // Behind the sequence the layer is 0, and what is there of other sequences is not looked at.
        let width = self.columns.end.min(keys).saturating_sub(self.columns.start);
        let vectors = width.div_ceil(V::LANES);
        for from in (0..keys).step_by(MAX_DEPTH) {
            let depth = MAX_DEPTH.min(keys - from);
            for (to, row) in block.0.chunks_exact_mut(TASK_COLUMNS).zip(from..from + depth) {
                to[..width].copy_from_slice(&layer[row * longest + self.columns.start..][..width]);
            }
            for row in (0..rows).step_by(V::TILE_ROWS) {
                let of_tile = V::TILE_ROWS.min(rows - row);
                for vector in (0..vectors).step_by(V::TILE_VECTORS) {
                    let some = V::TILE_VECTORS.min(vectors - vector);
                    let product = Product {
                        a: state[row * longest + from..].as_ptr(),
                        a_stride: longest,
                        a_step: 1,
                        b: block.0[vector * V::LANES..].as_ptr(),
                        b_stride: TASK_COLUMNS,
                        depth,
                        out: sums.0.as_mut_ptr(),
                        out_stride: TASK_COLUMNS,
                        accumulate: false,
                    };
                    // SAFETY: all rows of the state and of the block are there, and the sums hold any tile; these
                    // columns of `y` are this task's.
                    unsafe {
                        V::product(&product, of_tile, some);
                        for (i, j) in (0..of_tile).flat_map(|i| (0..some).map(move |j| (i, j))) {
                            let column = (vector + j) * V::LANES;
                            let left = width - column;
                            let to = y.at((y_row + row + i) * longest + self.columns.start + column);
                            let sum = V::load(sums.0.as_ptr().add(i * TASK_COLUMNS + j * V::LANES));
                            let before = crate::simd::load_up_to::<V>(to, left);
                            store_up_to(before.add(sum), to, left);
                        }
                    }
                }
            }
        }
    }
}
