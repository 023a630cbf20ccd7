use crate::{AttentionPool, Operands};

/// See [`AttentionPool`]. Softmax in two passes with the maximum subtracted.
pub fn attention_pool(op: &AttentionPool, _: usize, operands: &mut Operands<'_>) {
    let [keys, values, query] = ["keys", "values", "query"].map(|name| operands.input(name));
    let (residual, sequences) = (operands.input("residual"), operands.table("sequences"));
    let (y, written) = (operands.output("y"), operands.output("weights"));
    let [d_key, d_value] = [op.keys, op.values].map(|width| width / op.num_heads);
    y.fill(0.0);
    written.fill(0.0);
    for (index, (sequence, y)) in sequences.chunks_exact(3).zip(y.chunks_exact_mut(op.values)).enumerate() {
        let [start, len, skip] = [sequence[0], sequence[1], sequence[2]].map(|n| n as usize);
        let rows = start + skip..start + len;
        let query = if op.own_queries { &query[index * op.keys..][..op.keys] } else { query };
        for head in 0..op.num_heads {
            let score = |row: usize| -> f64 {
                let key = &keys[row * op.keys + head * d_key..][..d_key];
                let pairs = key.iter().zip(&query[head * d_key..]);
                pairs.map(|(&k, &q)| f64::from(k) * f64::from(q)).sum::<f64>() * f64::from(op.scale)
            };
            let scores: Vec<f64> = rows.clone().map(score).collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
            let total: f64 = weights.iter().sum();
            for j in 0..if rows.is_empty() { 0 } else { d_value } {
                let value = |row: usize| f64::from(values[row * op.values + head * d_value + j]);
                let sum: f64 = rows.clone().zip(&weights).map(|(row, w)| w * value(row)).sum();
                let column = head * d_value + j + if op.own_queries { index * op.values } else { 0 };
                let added = residual.get(column).map_or(0.0, |&v| f64::from(v));
                y[head * d_value + j] = (sum / total + added) as f32;
            }
            if op.weights {
                for (row, weight) in rows.clone().zip(weights) {
                    written[row * op.num_heads + head] = (weight / total) as f32;
                }
            }
        }
    }
}
