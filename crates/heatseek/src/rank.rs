//! How nearly all tokens become the same, with and without parts of the layers.

use std::sync::Arc;

use heatseek_attention::relative_residual;
use heatseek_model::Kept;
use heatseek_ops::{Batch, Executor, OutputId, PlanOptions};

use crate::device::Encoder;
use crate::{Control, Error};

/// `‖res(X)‖ / ‖X‖` of the hidden state behind 0, 1, … layers: 0 where all tokens are the same. LayerNorms are
/// always kept, so that what is left of the layers sees what it is used to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RankCurves {
    /// Of the model as it is.
    pub full: Vec<f64>,
    /// Without residual connections.
    pub no_residual: Vec<f64>,
    /// Without feed-forward blocks.
    pub no_feed_forward: Vec<f64>,
    /// Without either.
    pub attention_only: Vec<f64>,
}

impl RankCurves {
    /// Runs of the model that it takes.
    pub(crate) const RUNS: usize = 4;
}

/// The curves of the one input in `batch` through `layers` layers. Runs on the CPU: Programs that are needed once
/// are not worth another copy of the weights on a GPU, nor pipelines of their own.
pub(crate) async fn rank_curves(
    encoder: &impl Encoder,
    batch: &Batch,
    layers: usize,
    done: &dyn Fn(usize),
    control: &dyn Control,
) -> Result<RankCurves, Error> {
    let mut curves = Vec::new();
    for (residual, feed_forward) in [(true, true), (false, true), (true, false), (false, false)] {
        control.checkpoint().await?;
        let program = Arc::new(encoder.ablated(Kept { residual, feed_forward })?);
        let states: Vec<OutputId> = (0..=layers)
            .map(|layer| program.output_named(&encoder.hidden_output(layer)))
            .collect::<Result<_, _>>()?;
        let plan = heatseek_cpu::executor().prepare(program, PlanOptions::default()).await?;
        let values = plan.run(batch, &states).await?;
        let curve = values.iter().map(|hidden| relative_residual(hidden, batch.rows()));
        curves.push(curve.collect::<Result<Vec<f64>, _>>()?);
        done(curves.len());
    }
    let mut curves = curves.into_iter();
    let mut next = || curves.next().unwrap_or_default();
    Ok(RankCurves { full: next(), no_residual: next(), no_feed_forward: next(), attention_only: next() })
}
