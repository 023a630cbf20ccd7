//! The self-check at load: a fixed probe through the device and the CPU.

use heatseek_model::Norm;
use heatseek_ops::{Batch, Dtype, HIDDEN, POOLED};

use crate::Error;
use crate::device::Active;

/// Below this cosine between pooled vectors the device is wrong (the design's bar for f16).
const MIN_COSINE: f64 = 0.9999;

/// The same for int8.
const MIN_INT8_COSINE: f64 = 0.99;

/// The most a folded LayerNorm may move a hidden value, relative to the largest one (at least 1). A tenth
/// of the bar against PyTorch (2e-4): the probe is short, and other texts may be worse.
const MAX_FOLDING_ERROR: f32 = 2e-5;

/// The same for the plain LayerNorm, whose error is that of any f32 implementation.
const MAX_PLAIN_ERROR: f32 = 2e-4;

/// The same for f16 storage, folded or not. A difference of 1.4 % of a vector's length is a cosine of 0.9999, and
/// that bar holds too; this one is for single values.
const MAX_HALF_ERROR: f32 = 2e-2;

/// The same for int8: a cosine of 0.99 is a difference of 14 % of a vector's length.
const MAX_INT8_ERROR: f32 = 0.2;

/// What the probe gave: one vector per sequence and the hidden state.
pub(crate) struct Values {
    pooled: Vec<f32>,
    hidden: Vec<f32>,
    sequences: usize,
}

/// What the comparison says.
pub(crate) enum Verdict {
    /// Use it.
    Right,
    /// Do not, and why.
    Wrong(String),
}

/// Runs the probe.
pub(crate) async fn run(active: &Active, probe: &Batch) -> Result<Values, Error> {
    let pooled = active.program.output_named(POOLED)?;
    let hidden = active.program.output_named(HIDDEN)?;
    let mut outputs = active.plan.run(probe, &[pooled, hidden]).await?;
    let hidden = outputs.pop().unwrap_or_default();
    let pooled = outputs.pop().unwrap_or_default();
    Ok(Values { pooled, hidden, sequences: probe.sequences().len() })
}

/// Compares what a device computed with what the CPU did.
pub(crate) fn judge(actual: &Values, expected: &Values, (norm, dtype): (Norm, Dtype)) -> Verdict {
    let width = expected.pooled.len() / expected.sequences.max(1);
    let least = if dtype == Dtype::Int8 { MIN_INT8_COSINE } else { MIN_COSINE };
    let rows = actual.pooled.chunks(width.max(1)).zip(expected.pooled.chunks(width.max(1)));
    for (a, e) in rows {
        let cosine = cosine(a, e);
        // Written so that a NaN is wrong, too.
        if !(cosine >= least) {
            return Verdict::Wrong(format!("cosine {cosine:.6} to the CPU's vector on a fixed probe"));
        }
    }
    let scale = expected.hidden.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let worst = actual.hidden.iter().zip(&expected.hidden).fold(0.0f32, |m, (a, e)| {
        let difference = (a - e).abs();
        if difference > m || difference.is_nan() { difference } else { m }
    });
    let limit = scale
        * match (dtype, norm) {
            (Dtype::F16, _) => MAX_HALF_ERROR,
            (Dtype::Int8, _) => MAX_INT8_ERROR,
            (Dtype::F32, Norm::Folded) => MAX_FOLDING_ERROR,
            (Dtype::F32, Norm::Plain) => MAX_PLAIN_ERROR,
        };
    if !(worst <= limit) {
        return Verdict::Wrong(format!("hidden values differ by {worst:e}, at most {limit:e} is right"));
    }
    Verdict::Right
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f(f64::from(a), f64::from(b))).sum()
    };
    let (ab, aa, bb) = (sum(&|a, b| a * b), sum(&|a, _| a * a), sum(&|_, b| b * b));
    ab / (aa * bb).sqrt()
}
