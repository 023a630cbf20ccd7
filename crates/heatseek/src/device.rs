//! From a [`DeviceChoice`] to a Program ready on a device that has proved itself.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use futures_lite::future;
use heatseek_cpu::CpuKernels;
#[cfg(not(target_arch = "wasm32"))]
use heatseek_cuda::{CudaDevice, CudaExecutor, CudaOptions};
use heatseek_gpu::{AdapterChoice, GpuDevice, GpuExecutor, GpuOptions};
use heatseek_model::{Kept, ModelError, Norm, Tail};
use heatseek_ops::{
    Batch, Dtype, Executor, ExecutorError, HostExecutor, Plan, PlanOptions, Pooling, Program,
    ReferenceExecutor,
};

#[cfg(not(target_arch = "wasm32"))]
use crate::Tuner;
use crate::self_check::{self, Truth, Verdict};
use crate::{Control, DeviceChoice, DeviceReport, Error, LoadOptions, Progress, Stage, Tune, tuning};

/// What [`Tune::Now`] may take, but for the choice that is under way then.
#[cfg(not(target_arch = "wasm32"))]
const TUNING: std::time::Duration = std::time::Duration::from_secs(10);

/// Makes a device fail.
pub(crate) type Lose = Rc<dyn Fn()>;

/// A Program made ready on the device that runs it.
#[derive(Clone)]
pub(crate) struct Active {
    pub(crate) program: Arc<Program>,
    pub(crate) plan: Rc<dyn Plan>,
    /// Those without any pooler appended, and how many are.
    pub(crate) loaded: (Arc<Program>, Rc<dyn Plan>),
    pub(crate) appended: usize,
    /// What poolers that are appended to the Program need to know of it.
    pub(crate) tail: Tail,
    pub(crate) report: DeviceReport,
    /// Of a GPU, for tests: makes it fail as a driver reset would.
    pub(crate) lose: Option<Lose>,
    /// What tunes itself, if that runs it.
    pub(crate) gpu: Option<GpuDevice>,
}

/// What devices need to know about a model, of whatever kind.
pub(crate) trait Encoder {
    /// What it runs.
    fn program(&self, norm: Norm) -> Result<(Program, Tail), ModelError>;

    /// The same with parts of the layers left out, and the hidden states as outputs.
    fn ablated(&self, kept: Kept) -> Result<Program, ModelError>;

    /// The output of that which holds the hidden state behind `layer` layers.
    fn hidden_output(&self, layer: usize) -> String;

    /// Whether vectors have unit length unless it is said otherwise.
    fn normalizes(&self) -> bool;

    /// The output of a pooling that the Program has from the start; `None` is the model's own.
    fn vector_output(&self, pooling: Option<Pooling>, normalize: Option<bool>) -> String;

    /// A batch to compare devices with: two sequences of different lengths, so that a kernel that mixes
    /// sequences, rows or columns up is seen.
    fn probe(&self) -> Result<Batch, Error>;

    /// Rows that a first query has about: what pipelines are made ready for first.
    fn query_rows(&self) -> usize;
}

/// Opens the chosen device for `model`. `gpu` is a device opened earlier, while weights were downloading.
pub(crate) async fn open(
    model: &dyn Encoder,
    options: &LoadOptions,
    gpu: Option<Result<GpuExecutor, ExecutorError>>,
    control: &dyn Control,
) -> Result<Active, Error> {
    match options.device {
        DeviceChoice::Reference => {
            chosen_host(model, &HostExecutor::new(ReferenceExecutor), options, None).await
        }
        DeviceChoice::Cpu => chosen_host(model, &heatseek_cpu::executor(), options, None).await,
        DeviceChoice::Auto | DeviceChoice::Gpu => {
            let executor = match gpu {
                Some(executor) => executor,
                None => request_gpu(options).await,
            };
            match (executor, options.device) {
                (Ok(executor), _) => {
                    let gpu = executor.gpu().clone();
                    let lose = Rc::new(move || gpu.destroy());
                    let active =
                        checked_gpu(model, &executor, (lose, Some(executor.gpu())), options, control).await?;
                    #[cfg(not(target_arch = "wasm32"))]
                    if options.tune == Tune::Now {
                        let tuner = Tuner::new(Rc::new(active.clone()), model.query_rows());
                        tuner.run(TUNING, true, control).await?;
                    }
                    Ok(active)
                }
                (Err(error), DeviceChoice::Gpu) => Err(error.into()),
                (Err(error), _) => {
                    chosen_host(model, &heatseek_cpu::executor(), options, Some(error.to_string())).await
                }
            }
        }
        #[cfg(not(target_arch = "wasm32"))]
        DeviceChoice::Cuda => {
            let executor = request_cuda(options)?;
            let gpu = executor.cuda().clone();
            checked_gpu(model, &executor, (Rc::new(move || gpu.destroy()), None), options, control).await
        }
    }
}

/// The NVIDIA GPU the options ask for.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn request_cuda(options: &LoadOptions) -> Result<CudaExecutor, ExecutorError> {
    let device = CudaDevice::request(&CudaOptions { name: options.adapter.clone() })?;
    Ok(CudaExecutor::new(match options.source_transform.clone() {
        Some(transform) => {
            device.with_source_transform(Box::new(move |kernel, source| transform(kernel, source)))
        }
        None => device,
    }))
}

/// The GPU the options ask for.
pub(crate) async fn request_gpu(options: &LoadOptions) -> Result<GpuExecutor, ExecutorError> {
    let adapter = options.adapter.clone().map_or_else(AdapterChoice::default, AdapterChoice::Named);
    // The CPU kernels beat every adapter that only computes on the CPU.
    let refuse_software = options.device == DeviceChoice::Auto;
    let device = GpuDevice::request(GpuOptions { adapter, refuse_software }).await?;
    let device = match options.source_transform.clone() {
        Some(transform) => {
            device.with_source_transform(Box::new(move |kernel, source| transform(kernel, source)))
        }
        None => device,
    };
    let device = match options.watch.clone() {
        Some(watch) => device.with_watch(watch),
        None => device,
    };
    if options.tune != Tune::Never {
        tuning::follow(&device, options.tuned.as_deref());
    }
    Ok(GpuExecutor::new(if options.staged { device.staged() } else { device }))
}

/// A device that was chosen and must store what was asked for.
async fn chosen_host(
    model: &dyn Encoder,
    executor: &dyn Executor,
    options: &LoadOptions,
    fallback: Option<String>,
) -> Result<Active, Error> {
    let dtype = options.dtype.on(executor)[0];
    prepare(model, executor, (Norm::Plain, dtype), options, fallback).await
}

/// The CPU kernels instead of what was chosen, which `why` is about: in what was asked for if they have it, otherwise in
/// f32.
pub(crate) async fn fallback(
    model: &dyn Encoder,
    options: &LoadOptions,
    why: String,
) -> Result<Active, Error> {
    if let Some(ready) = &options.before_fallback {
        ready().await;
    }
    let executor = heatseek_cpu::executor();
    let wanted = options.dtype.on(&executor)[0];
    let dtype = if executor.stores(wanted) { wanted } else { Dtype::F32 };
    cpu(model, options, dtype, Some(why)).await
}

/// The CPU kernels, with LayerNorms of their own: folding them adds a third to the error of int8, as gamma then widens
/// the range of weights. `fallback` says why, if they were not the first choice.
async fn cpu(
    model: &dyn Encoder,
    options: &LoadOptions,
    dtype: Dtype,
    fallback: Option<String>,
) -> Result<Active, Error> {
    prepare(model, &heatseek_cpu::executor(), (Norm::Plain, dtype), options, fallback).await
}

/// What the CPU makes of the probe, to compare a device with that stores `dtype`.
async fn truth(
    model: &dyn Encoder,
    options: &LoadOptions,
    probe: &Batch,
    dtype: Dtype,
) -> Result<Truth, Error> {
    let once = HostExecutor::new(CpuKernels::new().for_one_run());
    let exact = prepare(model, &once, (Norm::Plain, Dtype::F32), options, None).await?;
    let exact = self_check::run(&exact, probe).await?;
    let int8 = match dtype {
        Dtype::Int8 => Some(self_check::run(&cpu(model, options, dtype, None).await?, probe).await?),
        Dtype::F32 | Dtype::F16 | Dtype::Bf16 => None,
    };
    Ok(Truth { exact, int8 })
}

async fn prepare(
    model: &dyn Encoder,
    executor: &dyn Executor,
    (norm, dtype): (Norm, Dtype),
    options: &LoadOptions,
    fallback: Option<String>,
) -> Result<Active, Error> {
    let (program, tail) = model.program(norm)?;
    let program = Arc::new(program);
    let plan_options = PlanOptions { expected_rows: model.query_rows(), checked: options.checked, dtype };
    let plan: Rc<dyn Plan> = executor.prepare(program.clone(), plan_options).await?.into();
    let report = DeviceReport::new(executor.device_for(dtype), norm, fallback);
    let loaded = (program.clone(), plan.clone());
    Ok(Active { program, plan, loaded, appended: 0, tail, report, lose: None, gpu: None })
}

/// A GPU plan that agrees with the CPU: f16 first where that is left to us, LayerNorm folded into the GEMMs where
/// that is accurate for these weights, as an op of its own where it is not, and the CPU instead where the GPU is
/// simply wrong.
async fn checked_gpu(
    model: &dyn Encoder,
    executor: &dyn Executor,
    (lose, gpu): (Lose, Option<&GpuDevice>),
    options: &LoadOptions,
    control: &dyn Control,
) -> Result<Active, Error> {
    let probe = model.probe()?;
    let mut expected = None;
    let mut why = String::new();
    let dtypes = options.dtype.on(executor).iter();
    let mut ways: VecDeque<_> =
        dtypes.flat_map(|dtype| [Norm::Folded, Norm::Plain].map(|norm| (norm, *dtype))).collect();
    while let Some(way) = ways.pop_front() {
        control.progress(Progress { stage: Stage::Prepare, loaded: 0, total: 1 });
        control.checkpoint().await?;
        let active = match prepare(model, executor, way, options, None).await {
            Ok(active) => active,
            Err(Error::Executor(error)) if options.device == DeviceChoice::Auto => {
                return fallback(model, options, error.to_string()).await;
            }
            Err(error) => return Err(error),
        };
        control.progress(Progress { stage: Stage::SelfCheck, loaded: 0, total: 1 });
        // The GPU works on the probe while the CPU computes what it should find.
        let on_gpu = self_check::run(&active, &probe);
        let on_cpu = async {
            match expected.take() {
                Some(values) => Ok(values),
                None => truth(model, options, &probe, way.1).await,
            }
        };
        let (actual, truth) = future::zip(on_gpu, on_cpu).await;
        let truth = truth?;
        let verdict = match actual {
            Ok(actual) => self_check::judge(&actual, &truth, way),
            Err(error) => Verdict::Wrong(error.to_string()),
        };
        control.progress(Progress { stage: Stage::SelfCheck, loaded: 1, total: 1 });
        match verdict {
            Verdict::Right => return Ok(Active { lose: Some(lose), gpu: gpu.cloned(), ..active }),
            // Kernels that were chosen on another day, by another driver perhaps.
            Verdict::Wrong(_) if gpu.is_some_and(GpuDevice::forget_choices) => ways.push_front(way),
            Verdict::Wrong(reason) => why = reason,
        }
        expected = Some(truth);
    }
    let name = executor.device().name;
    let message = format!("{name} computes wrong numbers ({why}); using the CPU instead");
    fallback(model, options, message).await
}
