use heatseek_ops::{AttentionMap, ExecutorError, HeadFusion, Operands};

use crate::attention::{Qkv, Tile, check};
use crate::gemm::Executor;
use crate::{math, parallel};

/// Queries of a task: enough for a matrix product, and few enough that one sequence keeps many threads busy.
const TASK_QUERIES: usize = 16;

/// See [`AttentionMap`]. Each few rows that look are a task, with all of their heads.
pub(crate) fn attention_map(
    executor: &Executor,
    op: &AttentionMap,
    rows: usize,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let residual = operands.residual();
    let mut y = operands.output("y");
    let heads = op.attention.num_attention_heads;
    let longest = y.len() / (rows * op.heads()).max(1);
    let tiles = Tile::of_spans(operands.table("spans"), TASK_QUERIES);
    let qkv = Qkv::new(executor, op.attention, operands.input("qkv"));
    let keys = qkv.packed_keys(&tiles);
    let mut tasks = Vec::with_capacity(tiles.len());
    for tile in tiles {
        let out;
        (out, y) = y.split_at_mut(tile.queries * op.heads() * longest);
        tasks.push((tile, out));
    }
    let done = parallel::map(tasks, |(tile, out)| {
        out.fill(0.0);
        for head in 0..heads {
            let (weights, inverse_sums) =
                qkv.exponentials(tile, head, &keys[tile.sequence * heads + head])?;
            let map = if op.fusion == HeadFusion::Each { head } else { 0 };
            let rows = out.chunks_exact_mut(op.heads() * longest);
            for ((out, weights), inverse) in rows.zip(weights.chunks_exact(tile.keys)).zip(inverse_sums) {
                let pairs = out[map * longest..][..tile.keys].iter_mut().zip(weights);
                // Written out by fusion, so that each loop vectorises.
                match op.fusion {
                    HeadFusion::Each => pairs.for_each(|(out, w)| *out = w * inverse),
                    HeadFusion::Mean => pairs.for_each(|(out, w)| *out += w * inverse / heads as f32),
                    HeadFusion::Max => pairs.for_each(|(out, w)| *out = out.max(w * inverse)),
                    HeadFusion::Min if head == 0 => pairs.for_each(|(out, w)| *out = w * inverse),
                    HeadFusion::Min => pairs.for_each(|(out, w)| *out = out.min(w * inverse)),
                }
            }
        }
        if op.mixed {
            for (query, row) in (tile.place()..).zip(out.chunks_exact_mut(op.heads() * longest)) {
                row.chunks_exact_mut(longest).for_each(|map| mix(&mut map[..tile.keys], query, residual));
            }
        }
        Ok(())
    });
    check(&op.attention, done)
}

/// One step of a rollout from what the token at `place` looked at.
fn mix(map: &mut [f32], place: usize, residual: f32) {
    map.iter_mut().for_each(|p| *p *= 1.0 - residual);
    map[place] += residual;
    // Where nothing is left of a row, it stays 0.
    let inverse = 1.0 / math::sum(map, |p| p).max(f32::MIN_POSITIVE);
    map.iter_mut().for_each(|p| *p *= inverse);
}
