//! What an executor promises, whichever device it drives.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

use crate::int8::RowBits;
use crate::{Batch, OutputId, Program};

/// A future that stays on its thread: in the browser, GPU objects cannot leave it.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The kind of device an executor drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The scalar f64-accumulating reference.
    Reference,
    /// CPU kernels.
    Cpu,
    /// A GPU through wgpu (Vulkan, Metal, DX12, or the browser's WebGPU).
    Gpu,
    /// An NVIDIA GPU through CUDA.
    Cuda,
}

/// The precision that weights and the large activations are stored in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Four bytes: the reference.
    #[default]
    F32,
    /// Two bytes: IEEE half precision. Sums are kept in f32.
    F16,
    /// Two bytes for the weights of GEMMs: bfloat16 ([`crate::bf16`]). The rows they are multiplied with are rounded to it
    /// while running, and products are summed in f32. Everything else, activations between ops included, is f32.
    Bf16,
    /// One byte for the weights of GEMMs, with one scale per output column ([`crate::int8`]). The rows they are
    /// multiplied with are quantised while running, each by its own range, and the sums of products are exact in i32.
    /// Everything else, activations between ops included, is f32.
    Int8,
}

impl Dtype {
    /// Its name, as in `config.json` and in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Bytes of an element of what is stored so.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Int8 => 1,
        }
    }
}

/// What runs a Program, in words for people and programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The kind.
    pub kind: DeviceKind,
    /// The device's own name, e.g. the adapter's.
    pub name: String,
    /// The API it is driven through, e.g. `Vulkan`, `BrowserWebGpu`, `CUDA`, `rayon`, `wasm-simd128`.
    pub backend: String,
    /// The kernel set, e.g. `wgsl-f32` or `f32 avx512`.
    pub kernels: String,
    /// Storage precision, e.g. `f32`.
    pub dtype: &'static str,
    /// Device features the executor found, for `heatseek info`.
    pub features: Vec<String>,
}

/// Why an executor cannot go on. The three causes are never mixed: the device cannot
/// ([`Unsupported`](Self::Unsupported), [`OutOfMemory`](Self::OutOfMemory), [`Lost`](Self::Lost)), the
/// caller asked for nonsense ([`Invalid`](Self::Invalid)), or we are wrong ([`Internal`](Self::Internal)).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// This device cannot do it; another may.
    #[error("{device} cannot run {what}: {why}")]
    Unsupported {
        /// The device.
        device: String,
        /// Op or feature.
        what: String,
        /// The reason and the way out.
        why: String,
    },
    /// The batch does not suit the program.
    #[error("{what}: expected {expected}, got {got}")]
    Invalid {
        /// What was wrong.
        what: String,
        /// What would have been right.
        expected: String,
        /// What came.
        got: String,
    },
    /// The device ran out of memory.
    #[error(
        "{device} ran out of memory while {doing}; give it less at once, free some of it, or use another device"
    )]
    OutOfMemory {
        /// The device.
        device: String,
        /// What was being done.
        doing: String,
    },
    /// The device went away (driver reset, tab in the background, unplugged).
    #[error("{device} was lost: {reason}; load the model again, or on another device")]
    Lost {
        /// The device.
        device: String,
        /// The driver's words.
        reason: String,
    },
    /// Whoever asked for the run has stopped it: see [`RunControl::pause`].
    #[error("the run was stopped")]
    Stopped,
    /// A bug in Heatseek.
    #[error("internal error on {device}: {what}; please report this")]
    Internal {
        /// The device.
        device: String,
        /// What happened.
        what: String,
    },
}

/// What a plan may be told before it is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanOptions {
    /// Rows (tokens) of the batches to expect, so that the right pipelines are ready first; 0 if unknown.
    pub expected_rows: usize,
    /// For tests: fill every activation with [`UNWRITTEN`] before each run, and fail with
    /// [`ExecutorError::Internal`] if a step wrote behind the end of one.
    pub checked: bool,
    /// What weights and large activations are stored as. Outputs are f32 whatever it is.
    pub dtype: Dtype,
}

/// The NaN bit pattern that stands for "never written" in checked runs. The same as the testkit's.
pub const UNWRITTEN: u32 = 0x7fc5_a11e;

/// A device that can run Programs.
pub trait Executor {
    /// What it is.
    fn device(&self) -> DeviceInfo;

    /// What it is for plans of `dtype`.
    fn device_for(&self, dtype: Dtype) -> DeviceInfo {
        DeviceInfo { dtype: dtype.name(), ..self.device() }
    }

    /// Whether it can make plans of `dtype`.
    fn stores(&self, dtype: Dtype) -> bool {
        dtype == Dtype::F32
    }

    /// How finely plans of [`Dtype::Int8`] quantise rows where each has one range, which is so in host memory.
    fn row_bits(&self) -> RowBits {
        RowBits::default()
    }

    /// Makes `program` ready: weights laid out and uploaded, pipelines created.
    ///
    /// # Errors
    /// [`ExecutorError`]; `Unsupported` if an op, a size or the dtype is beyond this device.
    fn prepare(
        &self,
        program: Arc<Program>,
        options: PlanOptions,
    ) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>>;
}

/// What became of a step of tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// There is more to do.
    More,
    /// The same, but a run is under way and nothing was done.
    Waiting,
    /// Something was chosen, and there may be more to do: a good place to stop.
    Chosen,
    /// There is nothing to do, for the rows that runs had until now.
    Done,
}

/// How whoever asks for a run follows it.
pub trait RunControl {
    /// Whether [`computed`](Self::computed) is wanted, which costs a device one more wait.
    fn wants_computed(&self) -> bool {
        false
    }

    /// Told when all is computed and before results are read back; in host memory there is nothing to read back.
    fn computed(&self) {}

    /// Whether [`device_time`](Self::device_time) is wanted, which costs a device some microseconds.
    fn wants_device_time(&self) -> bool {
        false
    }

    /// Told how long the device was at the run's kernels, in seconds of its own clock: from the first one's start to the
    /// last one's end, without copies and without waiting for either. A device that has no such clock, or cannot tell of
    /// this run, does not tell; in host memory the caller's clock is all there is.
    fn device_time(&self, _seconds: f64) {}

    /// Asked before each step by plans that compute in the caller's own thread, which can do nothing else meanwhile: what
    /// to await before it, or `None` to go on at once. Other runs of the plan may take place there. An error, such as
    /// [`ExecutorError::Stopped`], ends this one.
    fn pause(&self) -> Option<LocalFuture<'_, Result<(), ExecutorError>>> {
        None
    }
}

/// A Program made ready on a device.
pub trait Plan {
    /// Runs `batch` and returns the asked outputs, each `[rows or sequences, width]` f32 row-major, in the
    /// order asked. A batch of no sequences or no rows is allowed and gives empty or zero outputs.
    ///
    /// # Errors
    /// [`ExecutorError`]; after `Lost` the plan is dead and must be prepared again.
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>>;

    /// [`Plan::run`] that `control` follows. By default it is told when all is done, and the run does not pause.
    ///
    /// # Errors
    /// As [`Plan::run`], and [`ExecutorError::Stopped`].
    fn run_with<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
        control: &'a dyn RunControl,
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>> {
        Box::pin(async move {
            let values = self.run(batch, outputs).await?;
            control.computed();
            Ok(values)
        })
    }

    /// A plan of `program`, which begins as this one's does: buffers, steps and outputs have only been appended
    /// ([`Program::extends`]). Weights that are ready here are shared, and only new ones laid out and uploaded. This
    /// plan stays as it is.
    ///
    /// # Errors
    /// As [`Executor::prepare`]; [`ExecutorError::Invalid`] if `program` begins otherwise.
    fn extended(&self, program: Arc<Program>) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>>;

    /// Takes a step, of milliseconds where no kernel has to be compiled, towards choosing the fastest of the ways in which
    /// this device can run the plan: it measures, compares answers, and has later runs take what won, whose results may
    /// differ in rounding. It is done for the numbers of rows that runs had, and for those of `also`. Runs come first:
    /// while one is under way nothing is done. By default there is one way.
    ///
    /// # Errors
    /// [`ExecutorError::Lost`] if the device went away meanwhile, and others if it cannot go on.
    fn tune<'a>(&'a self, _also: &'a [usize]) -> LocalFuture<'a, Result<Tuning, ExecutorError>> {
        Box::pin(std::future::ready(Ok(Tuning::Done)))
    }

    /// The most rows (tokens) worth giving to one run: a compromise between speed, memory and how soon a
    /// caller can cancel.
    fn preferred_rows(&self) -> usize;
}
