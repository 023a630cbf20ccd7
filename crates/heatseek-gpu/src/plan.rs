//! A Program made ready on a device.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use heatseek_ops::{
    Batch, Buffer, Capacity, ExecutorError, LocalFuture, OutputId, POOLED, Plan, PlanOptions, Program, Step,
};
use heatseek_wgsl::{RowClass, Selection, Storage, Target, select};

use crate::arena::Arena;
use crate::device::{GpuDevice, Milestone};
use crate::pipeline::Pipeline;
use crate::readback::Readbacks;
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
    stages: Vec<Stages>,
    arena: RefCell<Option<Rc<Arena>>>,
}

/// How a step runs at each row class, once it is known.
type Stages = [OnceCell<Rc<Stage>>; RowClass::ALL.len()];

/// How a step runs at a row class.
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
            stages: program.steps().iter().map(|_| Stages::default()).collect(),
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
            let selection = plan.select(index, plan.target.row_class(rows))?;
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
        let kept = |(step, stages): (&Step, &Stages)| match storage.narrow(step) == self.storage.narrow(step)
        {
            true => stages.clone(),
            false => Stages::default(),
        };
        let mut stages: Vec<_> = self.program.steps().iter().zip(&self.stages).map(kept).collect();
        stages.resize_with(program.steps().len(), Stages::default);
        Ok(Self {
            weights,
            readbacks: Readbacks::default(),
            checked: self.checked,
            target: self.target,
            storage,
            arena: RefCell::default(),
            stages,
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
        let class = self.target.row_class(rows);
        // All are made before the first is waited for: each answer of a browser's is a round trip.
        self.eager().try_for_each(|(index, _)| self.stage(index, class).map(|_| ()))?;
        for (index, _) in self.eager() {
            self.stage(index, class)?.pipeline.ready(&self.device).await?;
        }
        Ok(())
    }

    fn eager(&self) -> impl Iterator<Item = (usize, &Step)> {
        eager(&self.program)
    }

    fn select(&self, index: usize, class: RowClass) -> Result<Selection, ExecutorError> {
        let step = &self.program.steps()[index];
        select(&step.op, class, &self.target, &self.storage.narrow(step))
            .map_err(|why| self.device.faults().unsupported(step.op.name(), why.to_string()))
    }

    /// How step `index` runs at `class`.
    pub(crate) fn stage(&self, index: usize, class: RowClass) -> Result<&Rc<Stage>, ExecutorError> {
        let cell = &self.stages[index][class.index()];
        if let Some(stage) = cell.get() {
            return Ok(stage);
        }
        let selection = self.select(index, class)?;
        let pipeline = self.device.pipelines().borrow_mut().get(&self.device, &selection, self.checked)?;
        Ok(cell.get_or_init(|| Rc::new(Stage { selection, pipeline })))
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

impl Plan for GpuPlan {
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>> {
        Box::pin(crate::run::run(self, batch, outputs, None))
    }

    fn run_watched<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
        computed: &'a dyn Fn(),
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>> {
        Box::pin(crate::run::run(self, batch, outputs, Some(computed)))
    }

    fn extended(&self, program: Arc<Program>) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>> {
        Box::pin(async move { Ok(Box::new(self.extend(program).await?) as Box<dyn Plan>) })
    }

    fn preferred_rows(&self) -> usize {
        let widths = self.program.buffers().iter().filter_map(|(_, buffer)| match buffer {
            Buffer::Activation { width, .. } => Some(*width),
            _ => None,
        });
        self.device.preferred_rows(widths.max().unwrap_or(1))
    }
}
