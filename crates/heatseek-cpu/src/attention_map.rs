use std::ops::Range;

use heatseek_ops::{AttentionMap, ExecutorError, HeadFusion, Operands};

use crate::attention::{Keys, LOWEST, MAX_QUERIES, Qkv, Scratch, Tile};
use crate::gemm::internal;
use crate::math::{exp_row, largest, sum};
use crate::parallel::Parts;
use crate::simd::{F32s, Kernel};
use crate::{Isa, parallel};

/// Rows of a task: enough for a matrix product, and few enough that one sequence keeps many threads busy.
const TASK_ROWS: usize = 16;

/// See [`AttentionMap`]. Each few rows that look are a task, with all of their heads.
pub(crate) fn attention_map(
    isa: Isa,
    op: &AttentionMap,
    rows: usize,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let residual = operands.residual();
    let qkv = Qkv::of(&op.attention, operands)?;
    let (spans, y) = (operands.table("spans"), operands.output("y"));
    let of_row = y.len() / rows.max(1);
    if spans.len() != 3 * rows || y.len() != rows * of_row {
        return Err(internal(format!("a map of {rows} rows has {} spans, {} values", spans.len(), y.len())));
    }
    let parts = Parts::new(y, TASK_ROWS * of_row);
    parallel::run(parts.count(), |task| {
        // SAFETY: `run` gives each task once.
        let out = unsafe { parts.part(task) };
        let rows = task * TASK_ROWS..(task * TASK_ROWS + out.len() / of_row);
        isa.run(Task { op, qkv, spans, rows, residual, out });
    });
    Ok(())
}

struct Task<'a> {
    op: &'a AttentionMap,
    qkv: Qkv<'a>,
    spans: &'a [u32],
    rows: Range<usize>,
    residual: f32,
    out: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        const { assert!(TASK_ROWS <= MAX_QUERIES) };
        let Self { op, qkv, spans, rows, residual, mut out } = self;
        let of_row = out.len() / rows.len().max(1);
        let longest = of_row / op.heads();
        let mut scratch = Scratch::new();
        out.fill(0.0);
        for tile in tiles(&spans[3 * rows.start..3 * rows.end]) {
            let of_tile;
            (of_tile, out) = out.split_at_mut(tile.queries * of_row);
            for head in 0..op.attention.num_attention_heads {
                fill::<V>(op, head, qkv, &tile, of_tile, longest, &mut scratch);
            }
            if op.mixed {
                for (query, row) in (tile.q0 - tile.k0..).zip(of_tile.chunks_exact_mut(of_row)) {
                    for map in row.chunks_exact_mut(longest) {
                        mix::<V>(&mut map[..tile.keys], query, residual);
                    }
                }
            }
        }
    }
}

/// Rows of a span table that follow each other in a sequence, together.
pub(crate) fn tiles(spans: &[u32]) -> impl Iterator<Item = Tile> {
    let mut rest =
        spans.chunks_exact(3).map(|span| [span[0], span[1], span[2]].map(|i| i as usize)).peekable();
    std::iter::from_fn(move || {
        let [q0, k0, keys] = rest.next()?;
        let mut tile = Tile { q0, queries: 1, k0, keys };
        while rest.next_if(|&[q, first, _]| first == k0 && q == q0 + tile.queries).is_some() {
            tile.queries += 1;
        }
        Some(tile)
    })
}

/// Adds the probabilities of one head to `out`: once for their sums, once to write them. Scores are computed twice
/// rather than kept, as there may be any number of them.
#[inline(always)]
fn fill<V: F32s>(
    op: &AttentionMap,
    index: usize,
    qkv: Qkv<'_>,
    tile: &Tile,
    out: &mut [f32],
    longest: usize,
    scratch: &mut Scratch,
) {
    let (head, scale) = (qkv.head(index), op.attention.scale());
    let (mut highest, mut sums) = ([LOWEST; MAX_QUERIES], [0.0f32; MAX_QUERIES]);
    let (of_row, map) = (op.heads() * longest, if op.fusion == HeadFusion::Each { index } else { 0 });
    // What no query of the tile sees stays 0.
    let unseen = tile.k0;
    let tile = &tile.of_seen(&op.attention);
    let unseen = tile.k0 - unseen;
    for keys in head.blocks::<V>(tile) {
        head.scores::<V>(tile, &keys, scratch);
        for query in 0..tile.queries {
            let seen = head.seen(tile, &keys, query);
            let seen = &mut head.row(scratch, &keys, query)[seen];
            let before = highest[query];
            let mut grown = [before - before.max(largest::<V>(seen))];
            highest[query] = before.max(largest::<V>(seen));
            exp_row::<V>(&mut grown, scale, 0.0);
            // Before the first block there is nothing, whatever e^−∞ is.
            sums[query] = sums[query] * grown[0] + exp_row::<V>(seen, scale, highest[query]);
        }
    }
    for keys in head.blocks::<V>(tile) {
        head.scores::<V>(tile, &keys, scratch);
        for query in 0..tile.queries {
            let seen = head.seen(tile, &keys, query);
            let row = head.row(scratch, &keys, query);
            exp_row::<V>(&mut row[seen.clone()], scale, highest[query]);
            row[..seen.start].fill(0.0);
            row[seen.end..].fill(0.0);
            let out = &mut out[query * of_row + map * longest + unseen..];
            fuse(op, index, &keys, row, 1.0 / sums[query], out);
        }
    }
}

/// Writes or adds a head's weights of some keys.
#[inline(always)]
fn fuse(op: &AttentionMap, head: usize, keys: &Keys, weights: &[f32], inverse: f32, out: &mut [f32]) {
    let heads = op.attention.num_attention_heads as f32;
    let pairs = out[keys.first..][..keys.count].iter_mut().zip(weights);
    // Written out by fusion, so that each loop vectorises.
    match op.fusion {
        HeadFusion::Each => pairs.for_each(|(out, w)| *out = w * inverse),
        HeadFusion::Mean => pairs.for_each(|(out, w)| *out += w * inverse / heads),
        HeadFusion::Max => pairs.for_each(|(out, w)| *out = out.max(w * inverse)),
        HeadFusion::Min if head == 0 => pairs.for_each(|(out, w)| *out = w * inverse),
        HeadFusion::Min => pairs.for_each(|(out, w)| *out = out.min(w * inverse)),
    }
}

/// One step of a rollout from what the token at `place` looked at.
#[inline(always)]
fn mix<V: F32s>(map: &mut [f32], place: usize, residual: f32) {
    map.iter_mut().for_each(|p| *p *= 1.0 - residual);
    map[place] += residual;
    // Where nothing is left of a row, it stays 0.
    let inverse = 1.0 / sum::<V>(map).max(f32::MIN_POSITIVE);
    map.iter_mut().for_each(|p| *p *= inverse);
}
