use heatseek_ops::{AttentionMap, HeadFusion, Operands};

use crate::{math, parallel};

/// See [`AttentionMap`]. Each row that looks is one task.
pub(crate) fn attention_map(op: &AttentionMap, rows: usize, operands: &mut Operands<'_>) {
    let (qkv, spans) = (operands.input("qkv"), operands.table("spans"));
    let (width, d, scale) = (op.attention.width(), op.attention.head_dim, op.attention.scale());
    let (heads, stride) = (op.attention.num_attention_heads, 3 * width);
    let residual = operands.residual();
    let y = operands.output("y");
    let longest = y.len() / (rows * op.heads()).max(1);
    parallel::for_each_row(y, op.heads() * longest, |row, out| {
        let [q, first, len] = [0, 1, 2].map(|column| spans[3 * row + column] as usize);
        let keys = if op.attention.causal { q - first + 1 } else { len };
        out.fill(0.0);
        let mut scores = vec![0.0f32; keys];
        for head in 0..heads {
            let query = &qkv[q * stride + head * d..][..d];
            for (key, score) in scores.iter_mut().enumerate() {
                *score = math::dot(query, &qkv[(first + key) * stride + width + head * d..][..d]) * scale;
            }
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            scores.iter_mut().for_each(|s| *s = math::exp(*s - max));
            let inverse = 1.0 / math::sum(&scores, |s| s);
            let start = if op.fusion == HeadFusion::Each { head * longest } else { 0 };
            let out = &mut out[start..start + keys];
            let pairs = out.iter_mut().zip(&scores);
            // Written out by fusion, so that each loop vectorises.
            match op.fusion {
                HeadFusion::Each => pairs.for_each(|(out, s)| *out = s * inverse),
                HeadFusion::Mean => pairs.for_each(|(out, s)| *out += s * inverse / heads as f32),
                HeadFusion::Max => pairs.for_each(|(out, s)| *out = out.max(s * inverse)),
                HeadFusion::Min if head == 0 => pairs.for_each(|(out, s)| *out = s * inverse),
                HeadFusion::Min => pairs.for_each(|(out, s)| *out = out.min(s * inverse)),
            }
        }
        if op.mixed {
            out.chunks_exact_mut(longest).for_each(|map| mix(&mut map[..keys], q - first, residual));
        }
    });
}

/// One step of a rollout from what the token at `place` looked at.
fn mix(map: &mut [f32], place: usize, residual: f32) {
    map.iter_mut().for_each(|p| *p *= 1.0 - residual);
    map[place] += residual;
    // Where nothing is left of a row, it stays 0.
    let inverse = 1.0 / math::sum(map, |p| p).max(f32::MIN_POSITIVE);
    map.iter_mut().for_each(|p| *p *= inverse);
}
