use std::ops::Range;

use heatseek_ops::{Operands, Pool, Pooling};

use crate::l2_normalize::scale_to_unit;
use crate::layer_norm::normalize;
use crate::math::mean_and_rstd;
use crate::simd::{F32s, Kernel};
use crate::{Isa, parallel};

/// Columns that are pooled at once: sums of so many fit on a task's stack.
const MAX_COLUMNS: usize = 512;

/// See [`Pool`]. Each sequence is a row of `y`.
pub(crate) fn pool(isa: Isa, op: &Pool, operands: &mut Operands<'_>) {
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
        isa.run(Row { op, x: &x[start * width..(start + len) * width], affine, parameters, rows, out });
    });
}

struct Row<'a> {
    op: &'a Pool,
    x: &'a [f32],
    affine: &'a [f32],
    parameters: &'a [f32],
    rows: Range<usize>,
    out: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: F32s>(self) {
        let Self { op, x, affine, parameters, rows, out } = self;
        out.fill(0.0);
        if !rows.is_empty() {
            for first in (0..op.width).step_by(MAX_COLUMNS) {
                let columns = first..(first + MAX_COLUMNS).min(op.width);
                let out = &mut out[columns.clone()];
                let parameters = parameters.get(columns.clone()).unwrap_or_default();
                let x = Columns { op, x, affine, rows: rows.clone(), columns };
                match op.pooling {
                    Pooling::Std => standard_deviation::<V>(&x, out),
                    Pooling::Gem => power_mean::<V>(&x, parameters, |v| v.max(1e-6), out),
                    Pooling::SignedGem => power_mean::<V>(&x, parameters, |v| v, out),
                    Pooling::Mixed => mixed::<V>(&x, parameters, out),
                    _ => plain::<V>(&x, out),
                }
            }
        }
        if op.normalize {
            scale_to_unit::<V>(out);
        }
    }
}

/// Some columns of the rows of a sequence, to which a LayerNorm may have to be applied.
struct Columns<'a> {
    op: &'a Pool,
    x: &'a [f32],
    affine: &'a [f32],
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Columns<'_> {
    #[inline(always)]
    fn for_each<V: F32s>(&self, mut body: impl FnMut(usize, &[f32])) {
        let (width, columns) = (self.op.width, self.columns.clone());
        let mut normalized = [0.0f32; MAX_COLUMNS];
        let normalized = &mut normalized[..columns.len()];
        for i in self.rows.clone() {
            let row = &self.x[i * width..][..width];
            match self.op.norm_in {
                Some(eps) => {
                    let (moments, (gamma, beta)) =
                        (mean_and_rstd::<V>(row, eps), self.affine.split_at(width));
                    let (gamma, beta) = (&gamma[columns.clone()], &beta[columns.clone()]);
                    normalize::<V>(&row[columns.clone()], moments, gamma, beta, normalized);
                    body(i, normalized);
                }
                None => body(i, &row[columns.clone()]),
            }
        }
    }

    /// Sums of columns, in f64 as the powers of [`power_mean`] need it.
    #[inline(always)]
    fn sums<V: F32s>(&self, mut term: impl FnMut(usize, f64) -> f64) -> [f64; MAX_COLUMNS] {
        let mut sums = [0.0f64; MAX_COLUMNS];
        self.for_each::<V>(|_, row| {
            for ((j, sum), &v) in sums.iter_mut().enumerate().zip(row) {
                *sum += term(j, f64::from(v));
            }
        });
        sums
    }
}

/// One pass, in f32.
#[inline(always)]
fn plain<V: F32s>(x: &Columns<'_>, out: &mut [f32]) {
    let n = x.rows.len() as f32;
    let divisor = match x.op.pooling {
        Pooling::Mean => n,
        Pooling::WeightedMean => n * (x.rows.start + x.rows.end + 1) as f32 / 2.0,
        Pooling::MeanSqrtLen => n.sqrt(),
        _ => 1.0,
    };
    match x.op.pooling {
        Pooling::Max => out.fill(f32::NEG_INFINITY),
        Pooling::Min => out.fill(f32::INFINITY),
        _ => {}
    }
    x.for_each::<V>(|i, row| {
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

#[inline(always)]
fn standard_deviation<V: F32s>(x: &Columns<'_>, out: &mut [f32]) {
    let n = x.rows.len() as f64;
    let sums = x.sums::<V>(|_, v| v);
    let squares = x.sums::<V>(|j, v| (v - sums[j] / n).powi(2));
    out.iter_mut().zip(squares).for_each(|(o, squares)| *o = (squares / n).sqrt() as f32);
}

/// Generalised means of what `bound` makes of values, signs kept.
#[inline(always)]
fn power_mean<V: F32s>(x: &Columns<'_>, exponents: &[f32], bound: impl Fn(f64) -> f64, out: &mut [f32]) {
    let n = x.rows.len() as f64;
    let power = |v: f64, p: f64| v.abs().powf(p).copysign(v);
    let sums = x.sums::<V>(|j, v| power(bound(v), f64::from(exponents[j])));
    for ((o, sum), &p) in out.iter_mut().zip(sums).zip(exponents) {
        *o = power(sum / n, 1.0 / f64::from(p)) as f32;
    }
}

#[inline(always)]
fn mixed<V: F32s>(x: &Columns<'_>, shares: &[f32], out: &mut [f32]) {
    let n = x.rows.len() as f32;
    let mut most = [f32::NEG_INFINITY; MAX_COLUMNS];
    x.for_each::<V>(|_, row| {
        out.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        most.iter_mut().zip(row).for_each(|(most, v)| *most = most.max(*v));
    });
    for ((o, most), share) in out.iter_mut().zip(most).zip(shares) {
        *o = share * most + (1.0 - share) * *o / n;
    }
}
