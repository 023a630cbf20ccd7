//! Progress and cancellation, the same for everything that takes long.

use heatseek_ops::{ExecutorError, LocalFuture, RunControl};
use serde::Serialize;

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stage {
    /// Configuration, tokenizer and weights are being read and checked; counts files.
    Read,
    /// Weights are being laid out and uploaded, pipelines compiled; counts steps.
    Prepare,
    /// The device is being compared with the CPU; counts steps.
    SelfCheck,
    /// Texts are being embedded; counts texts.
    Embed,
    /// Documents are being indexed; counts chunks.
    Index,
    /// Maps are being captured; counts layers.
    Attention,
    /// Attention is being analysed; counts layers, and then runs with parts of them left out.
    Analyze,
    /// An input is being embedded with one part after another hidden; counts tokens or patches.
    Occlude,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Units done, in the stage's own unit.
    pub loaded: usize,
    /// Units in all.
    pub total: usize,
}

/// A moment of a call that embeds, once for each batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mark {
    /// Work on the batch begins.
    Begun,
    /// Texts are tokenized, or pictures decoded, resized and cut into patches.
    Prepared,
    /// The device has computed.
    Computed,
    /// The results are in host memory.
    ReadBack,
}

/// The caller asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// How a caller follows and stops long work.
pub trait Control {
    /// Told as work proceeds. Must not block.
    fn progress(&self, progress: Progress);

    /// Awaited between units of work; `Err` stops it. In the browser this is where the event loop gets
    /// its turn.
    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>>;

    /// Whether a checkpoint is due in the midst of a unit of work, as where events have waited for long: the CPU kernels ask
    /// before each step of a batch, and then await one. It must cost next to nothing.
    fn is_due(&self) -> bool {
        false
    }

    /// Told of a moment; of [`Mark::Computed`] only where [`wants_marks`](Self::wants_marks).
    fn mark(&self, _: Mark) {}

    /// Whether moments are wanted. A GPU is then waited for twice, when it has computed and when its results are here.
    fn wants_marks(&self) -> bool {
        false
    }
}

/// A caller's control over one run of a plan.
pub(crate) struct OfRun<'a>(pub(crate) &'a dyn Control);

impl RunControl for OfRun<'_> {
    fn wants_computed(&self) -> bool {
        self.0.wants_marks()
    }

    fn computed(&self) {
        if self.0.wants_marks() {
            self.0.mark(Mark::Computed);
        }
    }

    fn pause(&self) -> Option<LocalFuture<'_, Result<(), ExecutorError>>> {
        if !self.0.is_due() {
            return None;
        }
        Some(Box::pin(async { self.0.checkpoint().await.map_err(|Cancelled| ExecutorError::Stopped) }))
    }
}

/// Neither progress nor cancellation.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoControl;

impl Control for NoControl {
    fn progress(&self, _: Progress) {}

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
