use std::ops::Range;

use heatseek_ops::{Operands, Pool, Pooling};

use crate::l2_normalize::scale_to_unit;
use crate::layer_norm::normalize_row;
use crate::parallel;

/// See [`Pool`].
pub(crate) fn pool(op: &Pool, operands: &mut Operands<'_>) {
    let (x, affine) = (operands.input("x"), operands.input("affine"));
    let (parameters, sequences) = (operands.input("parameters"), operands.table("sequences"));
    let width = op.width;
    parallel::for_each_row(operands.output("y"), width, |s, out| {
        let [start, len, skip] = [0, 1, 2].map(|i| sequences[3 * s + i] as usize);
        let rows = match op.pooling {
            Pooling::Cls => 0..len.min(1),
            Pooling::Last => len.saturating_sub(1)..len,
            _ => skip..len,
        };
        out.fill(0.0);
        if !rows.is_empty() {
            let x = Sequence { op, x: &x[start * width..(start + len) * width], affine };
            match op.pooling {
                Pooling::Std => standard_deviation(&x, rows, out),
                Pooling::Gem => power_mean(&x, rows, parameters, |v| v.max(1e-6), out),
                Pooling::SignedGem => power_mean(&x, rows, parameters, |v| v, out),
                Pooling::Mixed => mixed(&x, rows, parameters, out),
                _ => plain(&x, rows, out),
            }
        }
        if op.normalize {
            scale_to_unit(out);
        }
    });
}

/// The rows of a sequence, to which a LayerNorm may have to be applied.
struct Sequence<'a> {
    op: &'a Pool,
    x: &'a [f32],
    affine: &'a [f32],
}

impl Sequence<'_> {
    fn for_each(&self, rows: Range<usize>, mut body: impl FnMut(usize, &[f32])) {
        let width = self.op.width;
        let mut normalized = vec![0.0f32; width];
        for i in rows {
            let row = &self.x[i * width..][..width];
            match self.op.norm_in {
                Some(eps) => {
                    normalize_row(row, self.affine, eps, &mut normalized);
                    body(i, &normalized);
                }
                None => body(i, row),
            }
        }
    }

    /// Sums of columns, in f64 as the powers of [`power_mean`] need it.
    fn sums(&self, rows: Range<usize>, mut term: impl FnMut(usize, f64) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0f64; self.op.width];
        self.for_each(rows, |_, row| {
            for ((j, sum), &v) in sums.iter_mut().enumerate().zip(row) {
                *sum += term(j, f64::from(v));
            }
        });
        sums
    }
}

/// One pass, in f32.
fn plain(x: &Sequence<'_>, rows: Range<usize>, out: &mut [f32]) {
    let n = rows.len() as f32;
    let divisor = match x.op.pooling {
        Pooling::Mean => n,
        Pooling::WeightedMean => n * (rows.start + rows.end + 1) as f32 / 2.0,
        Pooling::MeanSqrtLen => n.sqrt(),
        _ => 1.0,
    };
    match x.op.pooling {
        Pooling::Max => out.fill(f32::NEG_INFINITY),
        Pooling::Min => out.fill(f32::INFINITY),
        _ => {}
    }
    x.for_each(rows, |i, row| {
        let pairs = out.iter_mut().zip(row);
        match x.op.pooling {
            Pooling::Max => pairs.for_each(|(o, v)| *o = o.max(*v)),
            Pooling::Min => pairs.for_each(|(o, v)| *o = o.min(*v)),
            Pooling::WeightedMean => pairs.for_each(|(o, v)| *o += (i + 1) as f32 * v),
            _ => pairs.for_each(|(o, v)| *o += v),
        }
    });
    out.iter_mut().for_each(|o| *o /= divisor);
}

fn standard_deviation(x: &Sequence<'_>, rows: Range<usize>, out: &mut [f32]) {
    let n = rows.len() as f64;
    let sums = x.sums(rows.clone(), |_, v| v);
    let squares = x.sums(rows, |j, v| (v - sums[j] / n).powi(2));
    out.iter_mut().zip(squares).for_each(|(o, squares)| *o = (squares / n).sqrt() as f32);
}

/// Generalised means of what `bound` makes of values, signs kept.
fn power_mean(
    x: &Sequence<'_>,
    rows: Range<usize>,
    exponents: &[f32],
    bound: impl Fn(f64) -> f64,
    out: &mut [f32],
) {
    let n = rows.len() as f64;
    let power = |v: f64, p: f64| v.abs().powf(p).copysign(v);
    let sums = x.sums(rows, |j, v| power(bound(v), f64::from(exponents[j])));
    for ((o, sum), &p) in out.iter_mut().zip(sums).zip(exponents) {
        *o = power(sum / n, 1.0 / f64::from(p)) as f32;
    }
}

fn mixed(x: &Sequence<'_>, rows: Range<usize>, shares: &[f32], out: &mut [f32]) {
    let n = rows.len() as f32;
    let mut most = vec![f32::NEG_INFINITY; out.len()];
    x.for_each(rows, |_, row| {
        out.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        most.iter_mut().zip(row).for_each(|(most, v)| *most = most.max(*v));
    });
    for ((o, most), share) in out.iter_mut().zip(most).zip(shares) {
        *o = share * most + (1.0 - share) * *o / n;
    }
}
