use heatseek_ops::{Operands, Pool, Pooling};

use crate::l2_normalize::scale_to_unit;
use crate::layer_norm::normalize_row;
use crate::parallel;

/// See [`Pool`].
pub(crate) fn pool(op: &Pool, operands: &mut Operands<'_>) {
    let (x, affine) = (operands.input("x"), operands.input("affine"));
    let (sequences, width) = (operands.table("sequences"), op.width);
    parallel::for_each_row(operands.output("y"), width, |s, out| {
        let (start, len) = (sequences[2 * s] as usize, sequences[2 * s + 1] as usize);
        let mut normalized = vec![0.0f32; width];
        let rows = match op.pooling {
            Pooling::Cls => 0..len.min(1),
            Pooling::Last => len.saturating_sub(1)..len,
            _ => 0..len,
        };
        out.fill(if op.pooling == Pooling::Max && len > 0 { f32::NEG_INFINITY } else { 0.0 });
        for i in rows {
            let row = &x[(start + i) * width..][..width];
            let row = match op.norm_in {
                Some(eps) => {
                    normalize_row(row, affine, eps, &mut normalized);
                    &normalized[..]
                }
                None => row,
            };
            match op.pooling {
                Pooling::Max => out.iter_mut().zip(row).for_each(|(o, v)| *o = o.max(*v)),
                Pooling::WeightedMean => out.iter_mut().zip(row).for_each(|(o, v)| *o += (i + 1) as f32 * v),
                _ => out.iter_mut().zip(row).for_each(|(o, v)| *o += v),
            }
        }
        let n = len.max(1) as f32;
        let divisor = match op.pooling {
            Pooling::Mean => n,
            Pooling::WeightedMean => n * (n + 1.0) / 2.0,
            Pooling::MeanSqrtLen => n.sqrt(),
            Pooling::Cls | Pooling::Max | Pooling::Last => 1.0,
        };
        out.iter_mut().for_each(|o| *o /= divisor);
        if op.normalize {
            scale_to_unit(out);
        }
    });
}
