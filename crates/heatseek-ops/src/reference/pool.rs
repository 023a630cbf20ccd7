use super::{l2_normalized, normalized_row};
use crate::{Operands, Pool, Pooling};

/// See [`Pool`].
pub fn pool(op: &Pool, _rows: usize, operands: &mut Operands<'_>) {
    let (x, affine) = (operands.input("x"), operands.input("affine"));
    let (parameters, sequences) = (operands.input("parameters"), operands.table("sequences"));
    let y = operands.output("y");
    for (sequence, out) in sequences.chunks_exact(3).zip(y.chunks_exact_mut(op.width)) {
        let [start, len, skip] = [sequence[0], sequence[1], sequence[2]].map(|n| n as usize);
        let rows: Vec<Vec<f64>> = x[start * op.width..(start + len) * op.width]
            .chunks_exact(op.width)
            .map(|row| match op.norm_in {
                Some(eps) => normalized_row(row, affine, eps),
                None => row.iter().map(|&v| f64::from(v)).collect(),
            })
            .collect();
        let mut pooled: Vec<f64> = (0..op.width)
            .map(|j| column(op.pooling, &rows, skip, j, parameters.get(j).map_or(0.0, |&p| f64::from(p))))
            .collect();
        if op.normalize {
            pooled = l2_normalized(&pooled);
        }
        for (o, v) in out.iter_mut().zip(pooled) {
            *o = v as f32;
        }
    }
}

/// Column `j` of `rows`, of which the first `skip` do not count; `parameter` is its own.
fn column(pooling: Pooling, rows: &[Vec<f64>], skip: usize, j: usize, parameter: f64) -> f64 {
    let counted = skip.min(rows.len())..rows.len();
    let n = counted.len() as f64;
    let values = rows[counted.clone()].iter().map(|row| row[j]);
    let mean = |f: &dyn Fn(f64) -> f64| values.clone().map(f).sum::<f64>() / n;
    let max = || values.clone().fold(f64::NEG_INFINITY, f64::max);
    match pooling {
        // Whatever is skipped.
        Pooling::Cls => rows.first().map_or(0.0, |row| row[j]),
        Pooling::Last => rows.last().map_or(0.0, |row| row[j]),
        _ if counted.is_empty() => 0.0,
        Pooling::Mean => mean(&|v| v),
        Pooling::Max => max(),
        Pooling::Min => values.fold(f64::INFINITY, f64::min),
        Pooling::WeightedMean => {
            let weights = counted.map(|i| (i + 1) as f64);
            let total: f64 = weights.clone().sum();
            values.zip(weights).map(|(v, weight)| v * weight).sum::<f64>() / total
        }
        Pooling::MeanSqrtLen => mean(&|v| v) * n.sqrt(),
        Pooling::Std => {
            let middle = mean(&|v| v);
            mean(&|v| (v - middle).powi(2)).sqrt()
        }
        Pooling::Gem => mean(&|v| v.max(1e-6).powf(parameter)).powf(1.0 / parameter),
        Pooling::SignedGem => {
            let signed = |v: f64, p: f64| v.signum() * v.abs().powf(p);
            signed(mean(&|v| signed(v, parameter)), 1.0 / parameter)
        }
        Pooling::Mixed => parameter * max() + (1.0 - parameter) * mean(&|v| v),
    }
}
