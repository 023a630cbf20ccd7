use crate::{AttentionMap, HeadFusion, Operands};

/// See [`AttentionMap`]. Softmax in two passes with the maximum subtracted.
pub fn attention_map(op: &AttentionMap, rows: usize, operands: &mut Operands<'_>) {
    let (qkv, spans, y) = (operands.input("qkv"), operands.table("spans"), operands.output("y"));
    let (width, d, heads) = (op.attention.width(), op.attention.head_dim, op.heads());
    let longest = y.len() / (rows * heads).max(1);
    let scale = 1.0 / (d as f64).sqrt();
    let residual = f64::from(operands.residual());
    y.fill(0.0);
    for (span, out) in spans.chunks_exact(3).zip(y.chunks_exact_mut((heads * longest).max(1))) {
        let [q, k0, keys] = [span[0], span[1], span[2]].map(|i| i as usize);
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
        for (head, out) in out.chunks_exact_mut(longest).enumerate() {
            let fused = |key: usize| {
                let all = maps.iter().map(|map| map[key]);
                match op.fusion {
                    HeadFusion::Each => maps[head][key],
                    HeadFusion::Mean => all.sum::<f64>() / maps.len() as f64,
                    HeadFusion::Max => all.fold(0.0, f64::max),
                    HeadFusion::Min => all.fold(1.0, f64::min),
                }
            };
            let mut map: Vec<f64> = (0..keys).map(fused).collect();
            if op.mixed {
                map.iter_mut().for_each(|p| *p *= 1.0 - residual);
                map[q - k0] += residual;
                let sum: f64 = map.iter().sum();
                map.iter_mut().for_each(|p| *p /= sum.max(f64::MIN_POSITIVE));
            }
            out.iter_mut().zip(map).for_each(|(out, p)| *out = p as f32);
        }
    }
}
