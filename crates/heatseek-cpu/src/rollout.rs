use heatseek_ops::{ExecutorError, Operands, Rollout};
use rten_gemm::{GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;

use crate::attention::Tile;
use crate::gemm::{Executor, internal};

/// See [`Rollout`]. The queries of each sequence are one matrix product with the layer.
pub(crate) fn rollout(
    executor: &Executor,
    op: &Rollout,
    rows: usize,
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let mut y = operands.output("y");
    let longest = y.len() / rows.max(1);
    let mut state = operands.input("state");
    for tile in Tile::of_spans(operands.table("spans"), usize::MAX) {
        let (out, of_tile);
        (out, y) = y.split_at_mut(tile.queries * longest);
        if op.first {
            out.fill(0.0);
            for (row, out) in out.chunks_exact_mut(longest).enumerate() {
                out[tile.place() + row] = 1.0;
            }
            continue;
        }
        (of_tile, state) = state.split_at(tile.queries * longest);
        let state = NdTensorView::from_data([tile.queries, longest], of_tile).slice((.., ..tile.keys));
        let first = tile.q0 - tile.place();
        let layer = &operands.input("layer")[first * longest..][..tile.keys * longest];
        let layer = NdTensorView::from_data([tile.keys, longest], layer);
        let (state, layer) = (GemmInputA::Unpacked(state), GemmInputB::Unpacked(layer));
        let done = executor.gemm(out, state, layer, GemmOptions::default());
        done.map_err(|e| internal(format!("rollout of {} rows of {longest}: {e:?}", tile.queries)))?;
        // The product went on behind the sequence, where nothing was asked for.
        out.chunks_exact_mut(longest).for_each(|row| row[tile.keys..].fill(0.0));
    }
    Ok(())
}
