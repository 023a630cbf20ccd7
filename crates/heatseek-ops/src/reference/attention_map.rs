use crate::{AttentionMap, HeadFusion, Operands};

/// See [`AttentionMap`]. Softmax in two passes with the maximum subtracted.
pub fn attention_map(op: &AttentionMap, rows: usize, operands: &mut Operands<'_>) {
    let (qkv, tiles, y) = (operands.input("qkv"), operands.table("tiles"), operands.output("y"));
    let (width, d, heads) = (op.attention.width(), op.attention.head_dim, op.heads());
    let longest = y.len() / (rows * heads).max(1);
    let scale = 1.0 / (d as f64).sqrt();
    y.fill(0.0);
    for tile in tiles.chunks_exact(4) {
        let [q0, queries, k0, keys] = [tile[0], tile[1], tile[2], tile[3]].map(|i| i as usize);
        for q in q0..q0 + queries {
            let keys = if op.attention.causal { q - k0 + 1 } else { keys };
            let maps: Vec<Vec<f64>> = (0..op.attention.num_attention_heads)
                .map(|head| {
                    let row = |row: usize, part: usize| &qkv[(row * 3 + part) * width + head * d..][..d];
                    let score = |k: usize| -> f64 {
                        let pairs = row(q, 0).iter().zip(row(k, 1));
                        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() * scale
                    };
                    let scores: Vec<f64> = (k0..k0 + keys).map(score).collect();
                    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    weights.into_iter().map(|w| w / total).collect()
                })
                .collect();
            for (head, out) in
                y[q * heads * longest..][..heads * longest].chunks_exact_mut(longest).enumerate()
            {
                for (key, out) in out[..keys].iter_mut().enumerate() {
                    let all = maps.iter().map(|map| map[key]);
                    *out = match op.fusion {
                        HeadFusion::Each => maps[head][key],
                        HeadFusion::Mean => all.sum::<f64>() / maps.len() as f64,
                        HeadFusion::Max => all.fold(0.0, f64::max),
                        HeadFusion::Min => all.fold(1.0, f64::min),
                    } as f32;
                }
            }
        }
    }
}
