use super::attention::probabilities;
use crate::{AttentionMap, HeadFusion, Operands};

/// See [`AttentionMap`].
pub fn attention_map(op: &AttentionMap, rows: usize, operands: &mut Operands<'_>) {
    let (spans, y, heads) = (operands.table("spans"), operands.output("y"), op.heads());
    let longest = y.len() / (rows * heads).max(1);
    let residual = f64::from(operands.residual());
    y.fill(0.0);
    for (span, out) in spans.chunks_exact(3).zip(y.chunks_exact_mut((heads * longest).max(1))) {
        let [q, k0, keys] = [span[0], span[1], span[2]].map(|i| i as usize);
        let maps: Vec<Vec<f64>> = (0..op.attention.num_attention_heads)
            .map(|head| probabilities(&op.attention, operands, head, q, k0..k0 + keys))
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
