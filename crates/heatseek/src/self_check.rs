//! The self-check at load: a fixed probe through the device and the CPU.

use heatseek_model::Norm;
use heatseek_ops::{Batch, Dtype, HIDDEN, POOLED};

use crate::Error;
use crate::device::Active;

/// Below this cosine between pooled vectors the device is wrong (the design's bar for f16).
const MIN_COSINE: f64 = 0.9999;

/// How many times further from f32 than the CPU's int8 a device's vectors may be. They round weights in the
/// same way and rows in different ones, and a block's range is mostly narrower than its row's: of MiniLM, the distance
/// is 0.8 times the CPU's, of small random models 0.7 to 1.3 times.
const INT8_DISTANCES: f64 = 2.0;

/// The same for the one hidden value that is furthest off, which is more a matter of luck: 0.8 to 1.6 times there.
const INT8_HIDDEN_DISTANCES: f32 = 3.0;

/// The most a folded LayerNorm may move a hidden value, relative to the largest one (at least 1). A tenth
/// of the bar against PyTorch (2e-4): the probe is short, and other texts may be worse.
const MAX_FOLDING_ERROR: f32 = 2e-5;

/// The same for the plain LayerNorm, whose error is that of any f32 implementation.
const MAX_PLAIN_ERROR: f32 = 2e-4;

/// The same for f16 storage, folded or not. A difference of 1.4 % of a vector's length is a cosine of 0.9999, and
/// that bar holds too; this one is for single values.
const MAX_HALF_ERROR: f32 = 2e-2;

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

/// What the CPU computed.
pub(crate) struct Truth {
    pub(crate) exact: Values,
    /// In int8, if that is what the device stores.
    pub(crate) int8: Option<Values>,
}

/// How far values are from the exact ones.
#[derive(Debug)]
struct Distance {
    /// The least cosine of two vectors.
    cosine: f64,
    /// The largest difference of two hidden values.
    hidden: f32,
}

impl Distance {
    fn new(actual: &Values, exact: &Values) -> Self {
        let width = (exact.pooled.len() / exact.sequences.max(1)).max(1);
        let rows = actual.pooled.chunks(width).zip(exact.pooled.chunks(width));
        // Written so that NaN is kept.
        let least = |m: f64, c: f64| if c < m || c.is_nan() { c } else { m };
        let largest = |m: f32, d: f32| if d > m || d.is_nan() { d } else { m };
        let hidden = actual.hidden.iter().zip(&exact.hidden);
        Self {
            cosine: rows.map(|(a, e)| cosine(a, e)).fold(1.0, least),
            hidden: hidden.map(|(a, e)| (a - e).abs()).fold(0.0, largest),
        }
    }
}

/// Compares what a device computed with what the CPU did.
pub(crate) fn judge(actual: &Values, truth: &Truth, (norm, dtype): (Norm, Dtype)) -> Verdict {
    let Distance { cosine, hidden } = Distance::new(actual, &truth.exact);
    let scale = truth.exact.hidden.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let most = scale
        * match (dtype, norm) {
            (Dtype::F16 | Dtype::Bf16, _) => MAX_HALF_ERROR,
            (Dtype::F32, Norm::Folded) => MAX_FOLDING_ERROR,
            (Dtype::F32 | Dtype::Int8, _) => MAX_PLAIN_ERROR,
        };
    let (least, most) = match &truth.int8 {
        None => (MIN_COSINE, most),
        // How far int8 may be from f32 is this model's business, so the CPU's int8 says it. A cosine falls with the
        // square of the distance.
        Some(int8) => {
            let usual = Distance::new(int8, &truth.exact);
            let lost = INT8_DISTANCES.powi(2) * (1.0 - usual.cosine);
            (MIN_COSINE - lost, most + INT8_HIDDEN_DISTANCES * usual.hidden)
        }
    };
    // Written so that a NaN is wrong, too.
    if !(cosine >= least) {
        let why =
            format!("cosine {cosine:.6} to the CPU's vector on a fixed probe, at least {least:.6} is right");
        return Verdict::Wrong(why);
    }
    if !(hidden <= most) {
        return Verdict::Wrong(format!("hidden values differ by {hidden:e}, at most {most:e} is right"));
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
