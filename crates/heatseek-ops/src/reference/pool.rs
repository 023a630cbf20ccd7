use super::{l2_normalized, normalized_row};
use crate::{Operands, Pool, Pooling};

/// See [`Pool`].
pub fn pool(op: &Pool, _rows: usize, operands: &mut Operands<'_>) {
    let (x, affine) = (operands.input("x"), operands.input("affine"));
    let (sequences, y) = (operands.table("sequences"), operands.output("y"));
    for (sequence, out) in sequences.chunks_exact(2).zip(y.chunks_exact_mut(op.width)) {
        let (start, len) = (sequence[0] as usize, sequence[1] as usize);
        let rows: Vec<Vec<f64>> = x[start * op.width..(start + len) * op.width]
            .chunks_exact(op.width)
            .map(|row| match op.norm_in {
                Some(eps) => normalized_row(row, affine, eps),
                None => row.iter().map(|&v| f64::from(v)).collect(),
            })
            .collect();
        let mut pooled: Vec<f64> = (0..op.width).map(|j| column(op.pooling, &rows, j)).collect();
        if op.normalize {
            pooled = l2_normalized(&pooled);
        }
        for (o, v) in out.iter_mut().zip(pooled) {
            *o = v as f32;
        }
    }
}

fn column(pooling: Pooling, rows: &[Vec<f64>], j: usize) -> f64 {
    let n = rows.len() as f64;
    let values = rows.iter().map(|row| row[j]);
    if rows.is_empty() {
        return 0.0;
    }
    match pooling {
        Pooling::Mean => values.sum::<f64>() / n,
        Pooling::Cls => rows[0][j],
        Pooling::Max => values.fold(f64::NEG_INFINITY, f64::max),
        Pooling::Last => rows[rows.len() - 1][j],
        Pooling::WeightedMean => {
            let weighted: f64 = values.zip(1..).map(|(v, weight)| v * f64::from(weight)).sum();
            weighted / (n * (n + 1.0) / 2.0)
        }
        Pooling::MeanSqrtLen => values.sum::<f64>() / n.sqrt(),
    }
}
