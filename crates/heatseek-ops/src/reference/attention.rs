use crate::{Attention, Operands};

/// See [`Attention`]. Softmax in two passes with the maximum subtracted.
pub fn attention(op: &Attention, _rows: usize, operands: &mut Operands<'_>) {
    let (qkv, tiles, y) = (operands.input("qkv"), operands.table("tiles"), operands.output("y"));
    let (width, d) = (op.width(), op.head_dim);
    let stride = 3 * width;
    let scale = 1.0 / (d as f64).sqrt();
    for tile in tiles.chunks_exact(4) {
        let [q0, queries, k0, keys] = [tile[0], tile[1], tile[2], tile[3]].map(|i| i as usize);
        for (q, head) in (q0..q0 + queries).flat_map(|q| (0..op.num_attention_heads).map(move |h| (q, h))) {
            let keys = if op.causal { q - k0 + 1 } else { keys };
            let query = &qkv[q * stride + head * d..][..d];
            let scores: Vec<f64> = (k0..k0 + keys)
                .map(|k| {
                    let key = &qkv[k * stride + width + head * d..][..d];
                    query.iter().zip(key).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() * scale
                })
                .collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
            let total: f64 = weights.iter().sum();
            for j in 0..d {
                let value = |k: usize| f64::from(qkv[k * stride + 2 * width + head * d + j]);
                let sum: f64 = (k0..k0 + keys).zip(&weights).map(|(k, w)| w * value(k)).sum();
                y[q * width + head * d + j] = (sum / total) as f32;
            }
        }
    }
}
