use std::ops::Range;

use crate::{Attention, Operands};

/// See [`Attention`].
pub fn attention(op: &Attention, _rows: usize, operands: &mut Operands<'_>) {
    let (qkv, tiles, y) = (operands.input("qkv"), operands.table("tiles"), operands.output("y"));
    let (width, d) = (op.width(), op.head_dim);
    for tile in tiles.chunks_exact(4) {
        let [q0, queries, k0, keys] = [tile[0], tile[1], tile[2], tile[3]].map(|i| i as usize);
        for (q, head) in (q0..q0 + queries).flat_map(|q| (0..op.num_attention_heads).map(move |h| (q, h))) {
            let probabilities = probabilities(op, operands, head, q, k0..k0 + keys);
            for j in 0..d {
                let value = |k: usize| f64::from(qkv[(k * 3 + 2) * width + head * d + j]);
                let sum: f64 = (k0..).zip(&probabilities).map(|(k, p)| p * value(k)).sum();
                y[q * width + head * d + j] = sum as f32;
            }
        }
    }
}

/// How `head` of row `q` weighs each of `keys`: 0 of what it does not see. Softmax in two passes with the maximum
/// subtracted.
pub(super) fn probabilities(
    op: &Attention,
    operands: &Operands<'_>,
    head: usize,
    q: usize,
    keys: Range<usize>,
) -> Vec<f64> {
    let (qkv, bias) = (operands.input("qkv"), operands.input("relative_bias"));
    let (width, d) = (op.width(), op.head_dim);
    let row = |row: usize, part: usize| &qkv[(row * 3 + part) * width + head * d..][..d];
    let score = |k: usize| -> f64 {
        if (op.causal && k > q) || op.window.is_some_and(|window| k.abs_diff(q) > window) {
            return f64::NEG_INFINITY;
        }
        let products = row(q, 0).iter().zip(row(k, 1)).map(|(&a, &b)| f64::from(a) * f64::from(b));
        let added = op.relative_bias.map_or(0.0, |most| {
            let offset = (k as isize - q as isize).clamp(-(most as isize), most as isize);
            f64::from(bias[head * (2 * most + 1) + (offset + most as isize) as usize])
        });
        products.sum::<f64>() / (d as f64).sqrt() + added
    };
    let scores: Vec<f64> = keys.map(score).collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}
