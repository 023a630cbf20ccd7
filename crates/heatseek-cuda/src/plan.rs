//! A Program made ready on a device.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use heatseek_ops::{
    Batch, Buffer, Capacity, ExecutorError, LocalFuture, OutputId, POOLED, Plan, PlanOptions, Program,
    RunControl, Step,
};
use heatseek_wgsl::{RowClass, Selection, Storage, Target, select};

use crate::arena::Arena;
use crate::device::CudaDevice;
use crate::kernels::Loaded;
use crate::memory::Stagings;
use crate::weights::Weights;

/// Weights, activations and kernels of one Program. Its runs may overlap: all that a run does between two awaits is
/// ordered by the device's stream.
pub struct CudaPlan {
    pub(crate) device: CudaDevice,
    pub(crate) program: Arc<Program>,
    pub(crate) weights: Weights,
    pub(crate) stagings: Stagings,
    pub(crate) checked: bool,
    pub(crate) target: Target,
    pub(crate) storage: Storage,
    stages: Vec<Stages>,
    arena: RefCell<Option<Rc<Arena>>>,
}

/// How a step runs at each row class, once it is ready.
type Stages = [OnceCell<Rc<Stage>>; RowClass::ALL.len()];

/// How a step runs at a row class.
pub(crate) struct Stage {
    pub(crate) selection: Selection,
    pub(crate) loaded: Rc<Loaded>,
}

impl CudaPlan {
    pub(crate) fn new(
        device: CudaDevice,
        program: Arc<Program>,
        options: PlanOptions,
    ) -> Result<Self, ExecutorError> {
        device.faults().check()?;
        if !device.stores(options.dtype) {
            let what = format!("{} storage", options.dtype.name());
            let why = "it has no dot product of bytes; ask for f32 or f16, or for the CPU".to_owned();
            return Err(device.faults().unsupported(what, why));
        }
        let target = device.target(options.dtype);
        let mut plan = Self {
            weights: Weights::default(),
            stagings: Stagings::default(),
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
        plan.warm(rows)?;
        plan.weights = Weights::upload(&plan.device, &plan.program, &plan.storage, &Weights::default())?;
        Ok(plan)
    }

    /// [`Plan::extended`] with the plan's own type. New kernels are compiled when they are first needed.
    ///
    /// # Errors
    /// As [`Plan::extended`].
    pub fn extend(&self, program: Arc<Program>) -> Result<Self, ExecutorError> {
        self.device.faults().check()?;
        program.extends(&self.program)?;
        let storage = Storage::new(&program, &self.target);
        let weights = Weights::upload(&self.device, &program, &storage, &self.weights)?;
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
            stagings: Stagings::default(),
            checked: self.checked,
            target: self.target,
            storage,
            arena: RefCell::default(),
            stages,
            device: self.device.clone(),
            program,
        })
    }

    /// Has the kernels ready for runs of about `rows` rows, tokens or sequences alike: of the steps that every run
    /// needs, and of the output that most ask for. The others, ways of pooling that few want, are compiled when
    /// somebody does.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn warm(&self, rows: usize) -> Result<(), ExecutorError> {
        let outputs = self.program.outputs();
        let wanted = |step: &Step| step.only_for.is_none_or(|output| outputs[output.0].0 == POOLED);
        let steps = self.program.steps().iter().enumerate().filter(|(_, step)| wanted(step));
        let class = self.target.row_class(rows);
        self.ready(&steps.map(|(index, _)| (index, class)).collect::<Vec<_>>())
    }

    /// Compiles those of these stages that are new, all at once.
    pub(crate) fn ready(&self, stages: &[(usize, RowClass)]) -> Result<(), ExecutorError> {
        let new = |&&(index, class): &&(usize, RowClass)| self.stage(index, class).is_none();
        let mut selections = Vec::new();
        for &(index, class) in stages.iter().filter(new) {
            let step = &self.program.steps()[index];
            let selection = select(&step.op, class, &self.target, &self.storage.narrow(step))
                .map_err(|why| self.device.faults().unsupported(step.op.name(), why.to_string()))?;
            selections.push((index, class, selection));
        }
        if selections.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = selections.iter().map(|(.., selection)| selection).collect();
        let kernels = self.device.kernels().borrow_mut().get(&self.device, &wanted, self.checked)?;
        for ((index, class, selection), loaded) in selections.into_iter().zip(kernels) {
            self.stages[index][class.index()].get_or_init(|| Rc::new(Stage { selection, loaded }));
        }
        Ok(())
    }

    /// How step `index` runs at `class`, once it is ready.
    pub(crate) fn stage(&self, index: usize, class: RowClass) -> Option<&Rc<Stage>> {
        self.stages[index][class.index()].get()
    }

    /// An arena that holds `batch`: the one there is, or a larger one from now on.
    pub(crate) fn arena(&self, batch: &Batch) -> Result<Rc<Arena>, ExecutorError> {
        let needed = Capacity::of(batch);
        let previous = match &*self.arena.borrow() {
            Some(arena) if arena.capacity.holds(needed) => return Ok(arena.clone()),
            other => other.as_ref().map(|arena| arena.capacity),
        };
        // The old one first, so that both need not fit; runs under way keep it until they end.
        self.arena.take();
        let arena = Arena::new(&self.device, (&self.program, &self.storage), needed, previous, self.checked)?;
        let arena = Rc::new(arena);
        self.arena.replace(Some(arena.clone()));
        Ok(arena)
    }
}

impl Plan for CudaPlan {
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
        Box::pin(async move {
            let values = crate::run::run(self, batch, outputs, Some(control)).await?;
            control.computed();
            Ok(values)
        })
    }

    fn extended(&self, program: Arc<Program>) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>> {
        Box::pin(async move { Ok(Box::new(self.extend(program)?) as Box<dyn Plan>) })
    }

    fn preferred_rows(&self) -> usize {
        let widths = self.program.buffers().iter().filter_map(|(_, buffer)| match buffer {
            Buffer::Activation { width, .. } => Some(*width),
            _ => None,
        });
        self.device.preferred_rows(widths.max().unwrap_or(1))
    }
}
