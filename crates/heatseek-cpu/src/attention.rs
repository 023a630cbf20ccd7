use heatseek_ops::{Attention, Operands};

use crate::{math, parallel};

/// See [`Attention`]. Each packed row is one task: its scores for one head fit in the first-level cache, so
/// the softmax takes two passes over them instead of an online one.
pub(crate) fn attention(op: &Attention, operands: &mut Operands<'_>) {
    let (qkv, tiles) = (operands.input("qkv"), operands.table("tiles"));
    let (width, d, scale) = (op.width(), op.head_dim, op.scale());
    let stride = 3 * width;
    let y = operands.output("y");
    let keys_of_row = keys_of_rows(tiles, y.len() / width.max(1), op.causal);
    parallel::for_each_row(y, width, |q, out| {
        let (first, keys) = keys_of_row[q];
        let mut scores = vec![0.0f32; keys];
        for (head, out) in out.chunks_exact_mut(d).enumerate() {
            let query = &qkv[q * stride + head * d..][..d];
            let column = |part: usize, key: usize| (first + key) * stride + part * width + head * d;
            for (key, score) in scores.iter_mut().enumerate() {
                *score = math::dot(query, &qkv[column(1, key)..][..d]) * scale;
            }
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            scores.iter_mut().for_each(|s| *s = math::exp(*s - max));
            let inverse = 1.0 / math::sum(&scores, |s| s);
            out.fill(0.0);
            for (key, weight) in scores.iter().enumerate() {
                let weight = weight * inverse;
                for (o, v) in out.iter_mut().zip(&qkv[column(2, key)..][..d]) {
                    *o += weight * v;
                }
            }
        }
    });
}

/// First key row and number of keys of every query row.
pub(crate) fn keys_of_rows(tiles: &[u32], rows: usize, causal: bool) -> Vec<(usize, usize)> {
    let mut keys = vec![(0, 0); rows];
    for tile in tiles.chunks_exact(4) {
        let [q0, queries, k0, count] = [tile[0], tile[1], tile[2], tile[3]].map(|i| i as usize);
        for (q, keys) in (q0..).zip(&mut keys[q0..q0 + queries]) {
            *keys = (k0, if causal { q - k0 + 1 } else { count });
        }
    }
    keys
}
