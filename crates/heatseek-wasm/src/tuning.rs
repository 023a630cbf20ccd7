//! Choosing kernels by measuring, a step at a time: pkg/src/tuning.ts has the clock.

use heatseek::{Tuner, Tuning};

use crate::error::Thrown;

/// See `heatseek::Tuner::step`.
pub async fn step(tuner: &Tuner, usual: bool) -> Result<String, Thrown> {
    let name = match tuner.step(usual).await? {
        Tuning::More => "more",
        Tuning::Waiting => "waiting",
        Tuning::Chosen => "chosen",
        Tuning::Done => "done",
    };
    Ok(name.to_owned())
}
