use std::borrow::Cow;

use heatseek_ops::{Op, Tensor};

/// Columns a GEMM workgroup computes, in every tile, so that all of them share packed weights.
pub const COLUMN_TILE: usize = 64;
/// Depth a GEMM workgroup stages at a time.
const DEPTH_STEP: usize = 16;

/// A constant in the layout its kernel reads, padded with zeros.
///
/// A GEMM's `weight [n, k]` becomes `[ceil(n/64)][ceil(k/16)·16][64]`: column tiles, transposed, so that
/// a workgroup streams contiguous memory. Its per-column vectors (`bias`, `colsum`, both rows of
/// `residual_affine`) are padded to whole column tiles. Everything else is passed through.
pub fn pack<'a>(op: &Op, binding: &str, tensor: &'a Tensor) -> Cow<'a, [f32]> {
    let Op::Gemm(gemm) = op else { return tensor.values() };
    match binding {
        "weight" => Cow::Owned(column_tiles(&tensor.values(), gemm.n, gemm.k)),
        "bias" | "colsum" | "residual_affine" if gemm.n % COLUMN_TILE != 0 => {
            Cow::Owned(padded_rows(&tensor.values(), gemm.n))
        }
        _ => tensor.values(),
    }
}

fn column_tiles(weight: &[f32], n: usize, k: usize) -> Vec<f32> {
    let depth = k.next_multiple_of(DEPTH_STEP);
    let mut packed = vec![0.0; n.next_multiple_of(COLUMN_TILE) * depth];
    for (tile, rows) in packed.chunks_exact_mut(depth * COLUMN_TILE).zip(weight.chunks(COLUMN_TILE * k)) {
        for (column, row) in rows.chunks_exact(k).enumerate() {
            for (depth_row, &value) in tile.chunks_exact_mut(COLUMN_TILE).zip(row) {
                depth_row[column] = value;
            }
        }
    }
    packed
}

fn padded_rows(values: &[f32], n: usize) -> Vec<f32> {
    let padding = n.next_multiple_of(COLUMN_TILE) - n;
    let padded = |row: &[f32]| [row, &vec![0.0; padding]].concat();
    values.chunks_exact(n).flat_map(padded).collect()
}
