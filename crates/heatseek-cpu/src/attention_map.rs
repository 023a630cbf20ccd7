use heatseek_ops::{AttentionMap, ExecutorError, HeadFusion, Operands};

use crate::attention::{Qkv, Tile, check};
use crate::gemm::Executor;
use crate::parallel;

/// Queries of a task: enough for a matrix product, and few enough that one sequence keeps many threads busy.
const TASK_QUERIES: usize = 16;

/// See [`AttentionMap`]. Each few queries are a task, with all of their heads.
pub(crate) fn attention_map(
    executor: &Executor,
    op: &AttentionMap,
    rows: usize,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let mut y = operands.output("y");
    let heads = op.attention.num_attention_heads;
    let longest = y.len() / (rows * op.heads()).max(1);
    let tiles = Tile::all(operands.table("tiles"));
    let qkv = Qkv::new(executor, op.attention, operands.input("qkv"));
    let keys = qkv.packed_keys(&tiles);
    let mut tasks = Vec::new();
    for tile in tiles.iter().flat_map(|tile| tile.split(TASK_QUERIES)) {
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
                let probabilities = weights.iter().map(|w| w * inverse);
                for (out, p) in out[map * longest..][..tile.keys].iter_mut().zip(probabilities) {
                    *out = match op.fusion {
                        HeadFusion::Each => p,
                        HeadFusion::Mean => *out + p / heads as f32,
                        HeadFusion::Max => out.max(p),
                        HeadFusion::Min if head == 0 => p,
                        HeadFusion::Min => out.min(p),
                    };
                }
            }
        }
        Ok(())
    });
    check(&op.attention, done)
}
