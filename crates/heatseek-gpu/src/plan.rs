//! A Program made ready on a device.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use heatseek_ops::{
    Batch, Buffer, Capacity, ExecutorError, LocalFuture, OutputId, POOLED, Plan, PlanOptions, Program,
    RunControl, Step, Tuning,
};
use heatseek_wgsl::{RowBand, RowClass, Selection, Storage, Target, candidates, select, shape};

use crate::arena::Arena;
use crate::device::{GpuDevice, Milestone};
use crate::pipeline::Pipeline;
use crate::readback::Readbacks;
use crate::tuner::Tuner;
use crate::weights::Weights;

/// Weights, activations and pipelines of one Program. Its runs may overlap: all that a run does between
/// two awaits is ordered by the device's queue.
pub struct GpuPlan {
    pub(crate) device: GpuDevice,
    pub(crate) program: Arc<Program>,
    pub(crate) weights: Weights,
    pub(crate) readbacks: Readbacks,
    pub(crate) checked: bool,
    pub(crate) target: Target,
    pub(crate) storage: Storage,
    pub(crate) tuner: Tuner,
    stages: RefCell<Stages>,
    arena: RefCell<Option<Rc<Arena>>>,
}

/// How steps run, as far as that is known already.
#[derive(Default)]
struct Stages {
    /// Of the device's choices that they follow.
    version: u32,
    known: HashMap<(usize, RowClass, RowBand), Rc<Stage>>,
}

/// How a step runs at a number of rows.
pub(crate) struct Stage {
    pub(crate) selection: Selection,
    pub(crate) pipeline: Rc<Pipeline>,
}

impl GpuPlan {
    pub(crate) async fn new(
        device: GpuDevice,
        program: Arc<Program>,
        options: PlanOptions,
    ) -> Result<Self, ExecutorError> {
        device.faults().check()?;
        device.check_stores(options.dtype)?;
        let target = device.target(options.dtype);
        let mut plan = Self {
            weights: Weights::default(),
            readbacks: Readbacks::default(),
            checked: options.checked,
            arena: RefCell::default(),
            tuner: Tuner::default(),
            stages: RefCell::default(),
            storage: Storage::new(&program, &target),
            target,
            device,
            program,
        };
        let rows = match options.expected_rows {
            0 => plan.preferred_rows(),
            rows => rows,
        };
        // Browsers compile while the weights are uploaded.
        for (index, _) in plan.eager() {
            let selection = plan.select(index, rows)?;
            plan.device.pipelines().borrow_mut().start(&plan.device, &selection, plan.checked)?;
        }
        plan.weights =
            Weights::upload(&plan.device, &plan.program, &plan.storage, &Weights::default()).await?;
        plan.device.reached(Milestone::Uploaded);
        let started = plan.device.pipelines().borrow_mut().take_started();
        started.settle().await;
        plan.warm(rows).await?;
        Ok(plan)
    }

    /// [`Plan::extended`] with the plan's own type. New pipelines are compiled when they are first needed.
    ///
    /// # Errors
    /// As [`Plan::extended`].
    pub async fn extend(&self, program: Arc<Program>) -> Result<Self, ExecutorError> {
        self.device.faults().check()?;
        program.extends(&self.program)?;
        let storage = Storage::new(&program, &self.target);
        let weights = Weights::upload(&self.device, &program, &storage, &self.weights).await?;
        // A new step may read what was stored as f16 and cannot be any more.
        let kept = |index: usize| {
            let step = &self.program.steps()[index];
            storage.narrow(step) == self.storage.narrow(step)
        };
        let (version, known) = {
            let stages = self.stages.borrow();
            let known = stages.known.iter().filter(|((index, ..), _)| kept(*index));
            (stages.version, known.map(|(key, stage)| (*key, stage.clone())).collect())
        };
        Ok(Self {
            weights,
            readbacks: Readbacks::default(),
            checked: self.checked,
            target: self.target,
            storage,
            arena: RefCell::default(),
            tuner: Tuner::default(),
            stages: RefCell::new(Stages { version, known }),
            device: self.device.clone(),
            program,
        })
    }

    /// Has the pipelines ready for runs of about `rows` rows, tokens or sequences alike; otherwise the
    /// first such run compiles them.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub async fn warm(&self, rows: usize) -> Result<(), ExecutorError> {
        // All are made before the first is waited for: each answer of a browser's is a round trip.
        self.eager().try_for_each(|(index, _)| self.stage(index, rows).map(|_| ()))?;
        for (index, _) in self.eager() {
            self.stage(index, rows)?.pipeline.ready(&self.device).await?;
        }
        Ok(())
    }

    pub(crate) fn eager(&self) -> impl Iterator<Item = (usize, &Step)> {
        eager(&self.program)
    }

    fn select(&self, index: usize, rows: usize) -> Result<Selection, ExecutorError> {
        let step = &self.program.steps()[index];
        chosen(&self.device, step, rows, &self.target, &self.storage)
    }

    /// How step `index` runs over `rows` rows.
    pub(crate) fn stage(&self, index: usize, rows: usize) -> Result<Rc<Stage>, ExecutorError> {
        let version = self.device.choices_now().version();
        let key = (index, self.target.row_class(rows), RowBand::of(rows));
        {
            let mut stages = self.stages.borrow_mut();
            if stages.version != version {
                stages.known.clear();
                stages.version = version;
            }
            if let Some(stage) = stages.known.get(&key) {
                return Ok(stage.clone());
            }
        }
        let stage = Rc::new(self.made(self.select(index, rows)?)?);
        self.stages.borrow_mut().known.insert(key, stage.clone());
        Ok(stage)
    }

    /// What runs `selection`.
    pub(crate) fn made(&self, selection: Selection) -> Result<Stage, ExecutorError> {
        let pipeline = self.device.pipelines().borrow_mut().get(&self.device, &selection, self.checked)?;
        Ok(Stage { selection, pipeline })
    }

    /// An arena that holds `batch`: the one there is, or a larger one from now on.
    pub(crate) async fn arena(&self, batch: &Batch) -> Result<Rc<Arena>, ExecutorError> {
        let needed = Capacity::of(batch);
        let previous = {
            let arena = self.arena.borrow();
            match &*arena {
                Some(arena) if arena.capacity.holds(needed) => return Ok(arena.clone()),
                other => other.as_ref().map(|a| a.capacity),
            }
        };
        let stored = (&*self.program, &self.storage);
        let arena = Arena::new(&self.device, stored, needed, previous, self.checked).await?;
        let arena = Rc::new(arena);
        self.arena.replace(Some(arena.clone()));
        Ok(arena)
    }
}

/// The steps that every run needs, and those of the output that most ask for, each with its place. The others, ways
/// of pooling that few want, are compiled when somebody does.
pub(crate) fn eager(program: &Program) -> impl Iterator<Item = (usize, &Step)> {
    let outputs = program.outputs();
    let wanted = |step: &Step| step.only_for.is_none_or(|output| outputs[output.0].0 == POOLED);
    program.steps().iter().enumerate().filter(move |(_, step)| wanted(step))
}

/// What runs `step` over `rows` rows: what was chosen by measuring, otherwise what the tables say.
pub(crate) fn chosen(
    device: &GpuDevice,
    step: &Step,
    rows: usize,
    target: &Target,
    storage: &Storage,
) -> Result<Selection, ExecutorError> {
    let (class, narrow) = (target.row_class(rows), storage.narrow(step));
    let unsupported =
        |why: heatseek_wgsl::Unsupported| device.faults().unsupported(step.op.name(), why.to_string());
    let choices = device.choices_now();
    let band = RowBand::of(rows);
    let choice = shape(&step.op, &narrow).and_then(|shape| choices.get(&shape, band));
    if let Some(choice) = choice {
        let all = candidates(&step.op, class, target, &narrow).map_err(unsupported)?;
        // A kernel of another version, or of another device, is none of them.
        if let Some(selection) = all.into_iter().find(|selection| selection.kernel.name == choice.kernel) {
            return Ok(selection);
        }
    }
    select(&step.op, class, target, &narrow).map_err(unsupported)
}

impl Plan for GpuPlan {
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>> {
        Box::pin(crate::run::run(self, batch, outputs, None))
    }

    fn run_with<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
        control: &'a dyn RunControl,
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>> {
        Box::pin(crate::run::run(self, batch, outputs, Some(control)))
    }

    fn extended(&self, program: Arc<Program>) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>> {
        Box::pin(async move { Ok(Box::new(self.extend(program).await?) as Box<dyn Plan>) })
    }

    fn tune<'a>(&'a self, also: &'a [usize]) -> LocalFuture<'a, Result<Tuning, ExecutorError>> {
        Box::pin(crate::tuner::tune(self, also))
    }

    fn preferred_rows(&self) -> usize {
        let widths = self.program.buffers().iter().filter_map(|(_, buffer)| match buffer {
            Buffer::Activation { width, .. } => Some(*width),
            _ => None,
        });
        self.device.preferred_rows(widths.max().unwrap_or(1))
    }
}
