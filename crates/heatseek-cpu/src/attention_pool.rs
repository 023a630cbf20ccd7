use heatseek_ops::{AttentionPool, Operands};

use crate::math::{dot, exp, max};
use crate::parallel;

/// See [`AttentionPool`].
pub(crate) fn attention_pool(op: &AttentionPool, operands: &mut Operands<'_>) {
    let [keys, values, query] = ["keys", "values", "query"].map(|name| operands.input(name));
    let (residual, sequences) = (operands.input("residual"), operands.table("sequences"));
    let (y, written) = (operands.output("y"), operands.output("weights"));
    let [d_key, d_value] = [op.keys, op.values].map(|width| width / op.num_heads);
    let pooled = parallel::map((0..sequences.len() / 3).collect(), |index| {
        let [start, len, skip] = [0, 1, 2].map(|i| sequences[3 * index + i] as usize);
        let rows = start + skip..start + len;
        let query = if op.own_queries { &query[index * op.keys..][..op.keys] } else { query };
        let mut y = vec![0.0f32; op.values];
        let mut all = vec![0.0f32; if op.weights { len * op.num_heads } else { 0 }];
        for (head, y) in y.chunks_exact_mut(d_value).enumerate() {
            let query = &query[head * d_key..][..d_key];
            let score = |row: usize| dot(query, &keys[row * op.keys + head * d_key..][..d_key]) * op.scale;
            let mut weights: Vec<f32> = rows.clone().map(score).collect();
            let highest = max(&weights);
            weights.iter_mut().for_each(|w| *w = exp(*w - highest));
            let total: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|w| *w /= total);
            for (row, weight) in rows.clone().zip(&weights) {
                let value = &values[row * op.values + head * d_value..][..d_value];
                y.iter_mut().zip(value).for_each(|(y, v)| *y += weight * v);
            }
            if op.weights {
                let places = all[skip * op.num_heads..].iter_mut().skip(head).step_by(op.num_heads);
                places.zip(&weights).for_each(|(place, weight)| *place = *weight);
            }
        }
        if op.residual && !rows.is_empty() {
            let residual = &residual[if op.own_queries { index * op.values } else { 0 }..];
            y.iter_mut().zip(residual).for_each(|(y, v)| *y += v);
        }
        (y, all)
    });
    for (index, (vector, weights)) in pooled.into_iter().enumerate() {
        y[index * op.values..][..op.values].copy_from_slice(&vector);
        let start = sequences[3 * index] as usize * op.num_heads;
        if op.weights {
            written[start..][..weights.len()].copy_from_slice(&weights);
        }
    }
}
