use heatseek_ops::{AttentionMap, HeadFusion, Operands};

use crate::attention::keys_of_rows;
use crate::{math, parallel};

/// See [`AttentionMap`]. Each packed row is one task.
pub(crate) fn attention_map(op: &AttentionMap, rows: usize, operands: &mut Operands<'_>) {
    let (qkv, tiles) = (operands.input("qkv"), operands.table("tiles"));
    let (width, d, scale) = (op.attention.width(), op.attention.head_dim, op.attention.scale());
    let (heads, stride) = (op.attention.num_attention_heads, 3 * width);
    let y = operands.output("y");
    let longest = y.len() / (rows * op.heads()).max(1);
    let keys_of_row = keys_of_rows(tiles, rows, op.attention.causal);
    parallel::for_each_row(y, op.heads() * longest, |q, out| {
        let (first, keys) = keys_of_row[q];
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
            let probabilities = scores.iter().map(|s| s * inverse);
            for (out, p) in out[start..start + keys].iter_mut().zip(probabilities) {
                *out = match op.fusion {
                    HeadFusion::Each => p,
                    HeadFusion::Mean => *out + p / heads as f32,
                    HeadFusion::Max => out.max(p),
                    HeadFusion::Min if head == 0 => p,
                    HeadFusion::Min => out.min(p),
                };
            }
        }
    });
}
