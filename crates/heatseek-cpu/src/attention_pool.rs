use heatseek_ops::{AttentionPool, Operands};

use crate::gemm::Output;
use crate::math::{dot, exp_row, largest};
use crate::simd::{F32s, Kernel};
use crate::{Isa, parallel};

/// Rows whose scores are kept at once.
const MAX_ROWS: usize = 64;

/// See [`AttentionPool`]. Each sequence is a task; its rows are weighed a block after another, with an online softmax.
pub(crate) fn attention_pool(isa: Isa, op: &AttentionPool, operands: &mut Operands<'_>) {
    let [keys, values, query] = ["keys", "values", "query"].map(|name| operands.input(name));
    let (residual, sequences) = (operands.input("residual"), operands.table("sequences"));
    let (y, weights) = (operands.output("y"), operands.output("weights"));
    let (y, weights) = (Output::new(y), Output::new(weights));
    parallel::run(sequences.len() / 3, |index| {
        let [start, len, skip] = [0, 1, 2].map(|i| sequences[3 * index + i] as usize);
        // SAFETY: `run` gives each task once; sequences have a row of `y` each, and no row of `weights` in common.
        let (y, weights) = unsafe {
            let of_sequence = if op.weights { len * op.num_heads } else { 0 };
            let y = std::slice::from_raw_parts_mut(y.at(index * op.values), op.values);
            let first = if op.weights { start * op.num_heads } else { 0 };
            (y, std::slice::from_raw_parts_mut(weights.at(first), of_sequence))
        };
        let query = if op.own_queries { &query[index * op.keys..][..op.keys] } else { query };
        let residual = if op.residual && op.own_queries { &residual[index * op.values..] } else { residual };
        isa.run(Task { op, keys, values, query, residual, start, rows: (skip, len), y, weights });
    });
}

struct Task<'a> {
    op: &'a AttentionPool,
    keys: &'a [f32],
    values: &'a [f32],
    query: &'a [f32],
    residual: &'a [f32],
    start: usize,
    /// The first that is pooled, and the end, counted from `start`.
    rows: (usize, usize),
    y: &'a mut [f32],
    weights: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let Self { op, keys, values, query, residual, start, rows: (skip, len), y, weights } = self;
        let [d_key, d_value] = [op.keys, op.values].map(|width| width / op.num_heads);
        y.fill(0.0);
        weights.fill(0.0);
        if skip >= len {
            return;
        }
        for (head, y) in y.chunks_exact_mut(d_value).enumerate() {
            let query = &query[head * d_key..][..d_key];
            let (mut highest, mut total) = (f32::NEG_INFINITY, 0.0);
            for first in (skip..len).step_by(MAX_ROWS) {
                let mut scores = [0.0f32; MAX_ROWS];
                let scores = &mut scores[..MAX_ROWS.min(len - first)];
                for (row, score) in (start + first..).zip(scores.iter_mut()) {
                    *score = dot::<V>(query, &keys[row * op.keys + head * d_key..][..d_key]) * op.scale;
                }
                if op.weights {
                    let places = weights[first * op.num_heads..].iter_mut().skip(head).step_by(op.num_heads);
                    places.zip(scores.iter()).for_each(|(place, score)| *place = *score);
                }
                let now = highest.max(largest::<V>(scores));
                let mut grown = [highest - now];
                exp_row::<V>(&mut grown, 1.0, 0.0);
                highest = now;
                // Before the first block there is nothing, whatever e^−∞ is.
                total = total * grown[0] + exp_row::<V>(scores, 1.0, highest);
                y.iter_mut().for_each(|v| *v *= grown[0]);
                for (row, weight) in (start + first..).zip(scores.iter()) {
                    let value = &values[row * op.values + head * d_value..][..d_value];
                    y.iter_mut().zip(value).for_each(|(y, v)| *y += weight * v);
                }
            }
            y.iter_mut().for_each(|v| *v /= total);
            if op.weights {
                for weight in weights[skip * op.num_heads..].iter_mut().skip(head).step_by(op.num_heads) {
                    let mut value = [*weight];
                    exp_row::<V>(&mut value, 1.0, highest);
                    *weight = value[0] / total;
                }
            }
        }
        if op.residual {
            y.iter_mut().zip(residual).for_each(|(y, v)| *y += v);
        }
    }
}
