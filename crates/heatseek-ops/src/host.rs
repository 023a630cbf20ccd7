//! The executor of everything that computes in host memory: the reference and the CPU kernels share
//! its buffers and its loop and differ only in their [`HostKernels`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::activations::{self, Activations, MAX_OUTPUTS};
use crate::int8::RowBits;
use crate::{
    Batch, Buffer, BufferId, DeviceInfo, Direction, Dtype, Element, Executor, ExecutorError, LocalFuture, Op,
    OutputId, Plan, PlanOptions, Program, RunControl, Step, Table, Tensor,
};

/// The most an op may read.
const MAX_INPUTS: usize = 8;

/// An input as a kernel sees it.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// Floats, row-major.
    F32(&'a [f32]),
    /// A table.
    U32(&'a [u32]),
    /// A weight the kernels packed: see [`HostKernels::pack`].
    Packed,
}

/// The operands of one op, found by the names of its bindings.
#[derive(Debug)]
pub struct Operands<'a> {
    // Not vectors: a run allocates nothing for its steps.
    inputs: [Option<(&'static str, Operand<'a>)>; MAX_INPUTS],
    outputs: [Option<(&'static str, &'a mut [f32])>; MAX_OUTPUTS],
    residual: f32,
}

impl<'a> Operands<'a> {
    /// Operands by name: at most eight inputs and two outputs, which is more than any op has.
    pub fn new(
        inputs: impl IntoIterator<Item = (&'static str, Operand<'a>)>,
        outputs: impl IntoIterator<Item = (&'static str, &'a mut [f32])>,
    ) -> Self {
        let (mut inputs, mut outputs) = (inputs.into_iter(), outputs.into_iter());
        let operands = Self {
            inputs: std::array::from_fn(|_| inputs.next()),
            outputs: std::array::from_fn(|_| outputs.next()),
            residual: 0.0,
        };
        let left = (inputs.next().map(|(name, _)| name), outputs.next().map(|(name, _)| name));
        assert_eq!(left, (None, None), "an op has at most {MAX_INPUTS} inputs and {MAX_OUTPUTS} outputs");
        operands
    }

    /// [`Batch::residual`] of the batch they are of.
    pub fn residual(&self) -> f32 {
        self.residual
    }

    fn find(&self, name: &str) -> Option<Operand<'a>> {
        let mut all = self.inputs.iter().flatten();
        all.find(|(n, _)| *n == name).map(|(_, operand)| *operand)
    }

    /// The float input `name`; empty if the op does not bind it or it was packed.
    pub fn input(&self, name: &str) -> &'a [f32] {
        match self.find(name) {
            Some(Operand::F32(values)) => values,
            _ => &[],
        }
    }

    /// The table `name`; empty if the op does not bind it.
    pub fn table(&self, name: &str) -> &'a [u32] {
        match self.find(name) {
            Some(Operand::U32(values)) => values,
            _ => &[],
        }
    }

    /// The output `name`, to be taken once; empty if the op does not bind it.
    pub fn output(&mut self, name: &str) -> &'a mut [f32] {
        let found = self.outputs.iter_mut().find(|slot| slot.as_ref().is_some_and(|(n, _)| *n == name));
        found.and_then(Option::take).map(|(_, values)| values).unwrap_or_default()
    }
}

/// A packed weight of an op, with the name of its binding.
pub type PackedOperand<P> = (&'static str, Arc<P>);

/// A set of kernels over host memory.
pub trait HostKernels {
    /// A weight laid out for these kernels.
    type Packed;

    /// What they are.
    fn device(&self) -> DeviceInfo;

    /// What they are in plans of `dtype`.
    fn device_for(&self, dtype: Dtype) -> DeviceInfo {
        DeviceInfo { dtype: dtype.name(), ..self.device() }
    }

    /// Whether they can store `dtype`.
    fn stores(&self, dtype: Dtype) -> bool {
        dtype == Dtype::F32
    }

    /// See [`Executor::row_bits`].
    fn row_bits(&self) -> RowBits {
        RowBits::default()
    }

    /// Lays out the weight bound at `binding` of `op` for a plan of `dtype`, or `None` to be given its plain values.
    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, dtype: Dtype) -> Option<Self::Packed>;

    /// Bytes that a packed weight holds.
    fn packed_bytes(&self, packed: &Self::Packed) -> usize;

    /// Runs one op on `rows` rows. `packed` holds what [`HostKernels::pack`] made, by binding name.
    fn run(
        &self,
        op: &Op,
        rows: usize,
        packed: &[PackedOperand<Self::Packed>],
        operands: &mut Operands<'_>,
    ) -> Result<(), ExecutorError>;

    /// See [`Plan::preferred_rows`].
    fn preferred_rows(&self) -> usize;
}

/// Runs Programs with a set of [`HostKernels`].
#[derive(Clone, Debug)]
pub struct HostExecutor<K> {
    kernels: K,
}

impl<K: HostKernels + Clone> HostExecutor<K> {
    /// An executor over `kernels`.
    pub fn new(kernels: K) -> Self {
        Self { kernels }
    }

    /// [`Executor::prepare`] without the future.
    ///
    /// # Errors
    /// As [`Executor::prepare`].
    pub fn plan(&self, program: Arc<Program>, options: PlanOptions) -> Result<HostPlan<K>, ExecutorError> {
        if !self.kernels.stores(options.dtype) {
            return Err(ExecutorError::Unsupported {
                device: self.kernels.device().name,
                what: format!("{} storage", options.dtype.name()),
                why: match options.dtype {
                    Dtype::F16 => "these kernels have none; ask for f32 or int8, or for a GPU that has f16",
                    Dtype::Bf16 => "it takes a CPU with AVX512-BF16; ask for f32 or int8",
                    Dtype::F32 | Dtype::Int8 => "these kernels do not store it; ask for f32",
                }
                .into(),
            });
        }
        let empty = HostPlan {
            kernels: self.kernels.clone(),
            program: Arc::default(),
            packed: Vec::new(),
            plain: HashMap::new(),
            bindings: Vec::new(),
            activations: Arc::default(),
            checked: options.checked,
            dtype: options.dtype,
        };
        empty.extended_now(program)
    }
}

/// A computed tensor is computed once and kept; one that lives elsewhere is only pointed at.
fn materialised(tensor: &Tensor) -> Tensor {
    match tensor.values() {
        std::borrow::Cow::Borrowed(_) => tensor.clone(),
        std::borrow::Cow::Owned(values) => Tensor::new(tensor.shape(), values),
    }
}

impl<K: HostKernels + Clone + 'static> Executor for HostExecutor<K> {
    fn device(&self) -> DeviceInfo {
        self.kernels.device()
    }

    fn device_for(&self, dtype: Dtype) -> DeviceInfo {
        self.kernels.device_for(dtype)
    }

    fn stores(&self, dtype: Dtype) -> bool {
        self.kernels.stores(dtype)
    }

    fn row_bits(&self) -> RowBits {
        self.kernels.row_bits()
    }

    fn prepare(
        &self,
        program: Arc<Program>,
        options: PlanOptions,
    ) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>> {
        Box::pin(async move { Ok(Box::new(self.plan(program, options)?) as Box<dyn Plan>) })
    }
}

/// A Program ready in host memory.
pub struct HostPlan<K: HostKernels> {
    kernels: K,
    program: Arc<Program>,
    packed: Vec<Vec<PackedOperand<K::Packed>>>,
    plain: HashMap<BufferId, Tensor>,
    /// Of each step, so that runs need not ask the ops for lists of them.
    bindings: Vec<Vec<Bound>>,
    /// Shared with the plans that extend this one. A run takes them out; one that takes place in its pauses has others.
    activations: Arc<Mutex<Activations>>,
    checked: bool,
    dtype: Dtype,
}

/// A binding of a step.
#[derive(Clone, Copy)]
struct Bound {
    name: &'static str,
    buffer: BufferId,
    is_output: bool,
    is_table: bool,
}

impl Bound {
    fn all(step: &Step) -> Vec<Self> {
        let pairs = step.op.bindings().into_iter().zip(&step.buffers);
        let bound = |(binding, buffer): (crate::Binding, &BufferId)| Self {
            name: binding.name,
            buffer: *buffer,
            is_output: binding.direction == Direction::Output,
            is_table: binding.element == Element::U32,
        };
        pairs.map(bound).collect()
    }
}

impl<K: HostKernels> HostPlan<K> {
    /// [`Plan::extended`] without the future.
    ///
    /// # Errors
    /// As [`Plan::extended`].
    pub fn extended_now(&self, program: Arc<Program>) -> Result<Self, ExecutorError>
    where
        K: Clone,
    {
        program.extends(&self.program)?;
        let (mut packed, mut plain) = (self.packed.clone(), self.plain.clone());
        for step in &program.steps()[packed.len()..] {
            let mut of_step: Vec<PackedOperand<K::Packed>> = Vec::new();
            for (binding, id) in step.op.bindings().iter().zip(&step.buffers) {
                let Buffer::Weight(tensor) = &program.buffers()[id.0].1 else { continue };
                match self.packed_before(&step.op, binding.name, *id) {
                    Some(shared) => of_step.push((binding.name, shared)),
                    None => match self.kernels.pack(&step.op, binding.name, tensor, self.dtype) {
                        Some(p) => of_step.push((binding.name, Arc::new(p))),
                        None => {
                            plain.entry(*id).or_insert_with(|| materialised(tensor));
                        }
                    },
                }
            }
            packed.push(of_step);
        }
        let bindings = program.steps().iter().map(Bound::all).collect();
        let (kernels, activations) = (self.kernels.clone(), self.activations.clone());
        let (checked, dtype) = (self.checked, self.dtype);
        Ok(Self { kernels, program, packed, plain, bindings, activations, checked, dtype })
    }

    /// What was packed for a step of this plan that binds weight `id` in the same place of the same op.
    fn packed_before(&self, op: &Op, binding: &str, id: BufferId) -> Option<Arc<K::Packed>> {
        let mut steps = self.program.steps().iter().zip(&self.packed);
        let (_, packed) = steps.find(|(step, _)| step.op == *op && step.buffers.contains(&id))?;
        packed.iter().find(|(name, _)| *name == binding).map(|(_, packed)| packed.clone())
    }

    /// Bytes of the activations that are kept from run to run. Where two are never needed at the same time, they share
    /// theirs. The memory grows to what the largest batch needs, and shrinks when for some time a quarter would do.
    /// What else a run allocates is what it returns, the batch's tables, and captures for as long as it lasts.
    pub fn activation_bytes(&self) -> usize {
        self.activations().bytes()
    }

    /// Bytes of the weights that were laid out for this plan: in int8 a quarter of f32's. What the kernels read as it is,
    /// such as tables of vectors, lies where it was, as does the checkpoint that packed weights were made from: a file
    /// that is mapped into memory, and whose pages the system takes back.
    pub fn packed_bytes(&self) -> usize {
        let mut counted: Vec<*const K::Packed> = Vec::new();
        let mut bytes = 0;
        for (_, packed) in self.packed.iter().flatten() {
            // Steps may share one.
            if !counted.contains(&Arc::as_ptr(packed)) {
                counted.push(Arc::as_ptr(packed));
                bytes += self.kernels.packed_bytes(packed);
            }
        }
        bytes
    }

    fn activations(&self) -> MutexGuard<'_, Activations> {
        // What a run that panicked left behind is laid out and written anew by the next.
        self.activations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`Plan::run`] without the future.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn run_now(&self, batch: &Batch, outputs: &[OutputId]) -> Result<Vec<Vec<f32>>, ExecutorError> {
        let mut run = Run::begin(self, batch, outputs)?;
        for (index, step) in self.steps_for(outputs) {
            run.step(index, step)?;
        }
        Ok(run.results())
    }

    fn steps_for(&self, outputs: &[OutputId]) -> impl Iterator<Item = (usize, &Step)> {
        self.program.steps().iter().enumerate().filter(|(_, step)| self.program.runs(step, outputs))
    }

    fn run_step(
        &self,
        index: usize,
        step: &Step,
        batch: &Batch,
        tables: &HashMap<Table, Vec<u32>>,
        activations: &mut Activations,
    ) -> Result<(), ExecutorError> {
        let bindings = &self.bindings[index];
        let mut outputs = [(0, BufferId(0), 0); MAX_OUTPUTS];
        let written = bindings.iter().enumerate().filter(|(_, b)| b.is_output);
        let mut count = 0;
        for (slot, (at, bound)) in outputs.iter_mut().zip(written) {
            *slot = (at, bound.buffer, self.program.len_elems(bound.buffer, batch));
            count += 1;
        }
        let outputs = &outputs[..count];
        let overrun = activations.step(index, outputs, |places| {
            let mut operands = self.operands(index, batch, tables, places)?;
            self.kernels.run(&step.op, step.rows.count(batch), &self.packed[index], &mut operands)
        })?;
        match overrun {
            Some(at) => {
                Err(self.internal(step, &format!("`{}` was written behind its end", bindings[at].name)))
            }
            None => Ok(()),
        }
    }

    /// The operands of step `index`.
    fn operands<'a, 'x: 'a>(
        &'a self,
        index: usize,
        batch: &'a Batch,
        tables: &'a HashMap<Table, Vec<u32>>,
        places: &mut activations::Step<'x>,
    ) -> Result<Operands<'a>, ExecutorError> {
        let bindings = &self.bindings[index];
        let mut kept = true;
        let mut outputs: [Option<(&'static str, &'a mut [f32])>; MAX_OUTPUTS] = Default::default();
        let written = bindings.iter().enumerate().filter(|(_, b)| b.is_output);
        for (slot, (at, bound)) in outputs.iter_mut().zip(written) {
            *slot = places.output(at).map(|values| (bound.name, values));
        }
        let operand = |(at, bound): (usize, &Bound)| {
            let operand = match &self.program.buffers()[bound.buffer.0].1 {
                Buffer::Table(table) => Operand::U32(tables.get(table).map_or(&[], Vec::as_slice)),
                Buffer::Input { index, .. } => Operand::F32(batch.input(*index)),
                Buffer::Activation { .. } | Buffer::Capture { .. } => {
                    Operand::F32(places.input(at, self.program.len_elems(bound.buffer, batch)))
                }
                Buffer::Weight(_) if self.packed[index].iter().any(|(name, _)| *name == bound.name) => {
                    Operand::Packed
                }
                Buffer::Weight(_) => match self.plain[&bound.buffer].values() {
                    std::borrow::Cow::Borrowed(values) => Operand::F32(values),
                    std::borrow::Cow::Owned(_) => {
                        kept = false;
                        Operand::F32(&[])
                    }
                },
            };
            debug_assert_eq!(bound.is_table, matches!(operand, Operand::U32(_)));
            (bound.name, operand)
        };
        let inputs = bindings.iter().enumerate().filter(|(_, b)| !b.is_output).map(operand);
        let mut operands = Operands::new(inputs, outputs.into_iter().flatten());
        operands.residual = batch.residual();
        match kept {
            true => Ok(operands),
            false => Err(self.internal(&self.program.steps()[index], "a weight was not kept")),
        }
    }

    fn internal(&self, step: &Step, what: &str) -> ExecutorError {
        let device = self.kernels.device().name;
        ExecutorError::Internal { device, what: format!("{}: {what}", step.op.name()) }
    }
}

/// A run under way. What it does not need any more goes when it ends, however it does.
struct Run<'a, K: HostKernels> {
    plan: &'a HostPlan<K>,
    batch: &'a Batch,
    outputs: &'a [OutputId],
    activations: Activations,
    tables: HashMap<Table, Vec<u32>>,
}

impl<'a, K: HostKernels> Run<'a, K> {
    fn begin(
        plan: &'a HostPlan<K>,
        batch: &'a Batch,
        outputs: &'a [OutputId],
    ) -> Result<Self, ExecutorError> {
        plan.program.accepts(batch, outputs)?;
        let mut activations = std::mem::take(&mut *plan.activations());
        activations.begin(&plan.program, batch, outputs, plan.checked);
        Ok(Self { plan, batch, outputs, activations, tables: HashMap::new() })
    }

    fn step(&mut self, index: usize, step: &Step) -> Result<(), ExecutorError> {
        for id in &step.buffers {
            if let Buffer::Table(table) = &self.plan.program.buffers()[id.0].1 {
                self.tables.entry(*table).or_insert_with(|| table.values(self.batch));
            }
        }
        self.plan.run_step(index, step, self.batch, &self.tables, &mut self.activations)
    }

    fn results(mut self) -> Vec<Vec<f32>> {
        let plan = self.plan;
        let program = &plan.program;
        let buffer = |id: &OutputId| program.outputs()[id.0].1;
        let taken = self.outputs.iter().enumerate().map(|(at, id)| match buffer(id) {
            Some(id) => {
                let again = self.outputs[at + 1..].iter().any(|other| buffer(other) == Some(id));
                self.activations.take(id, program.len_elems(id, self.batch), again)
            }
            None => Vec::new(),
        });
        taken.collect()
    }
}

impl<K: HostKernels> Drop for Run<'_, K> {
    fn drop(&mut self) {
        self.activations.end();
        let mut kept = self.plan.activations();
        // Of runs that took place at the same time, the larger memory serves both kinds.
        if kept.bytes() <= self.activations.bytes() {
            *kept = std::mem::take(&mut self.activations);
        }
    }
}

impl<K: HostKernels + Clone + 'static> Plan for HostPlan<K> {
    fn run<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>> {
        Box::pin(async move { self.run_now(batch, outputs) })
    }

    fn run_with<'a>(
        &'a self,
        batch: &'a Batch,
        outputs: &'a [OutputId],
        control: &'a dyn RunControl,
    ) -> LocalFuture<'a, Result<Vec<Vec<f32>>, ExecutorError>> {
        Box::pin(async move {
            let mut run = Run::begin(self, batch, outputs)?;
            for (index, step) in self.steps_for(outputs) {
                if let Some(pause) = control.pause() {
                    pause.await?;
                }
                run.step(index, step)?;
            }
            let results = run.results();
            control.computed();
            Ok(results)
        })
    }

    fn extended(&self, program: Arc<Program>) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>> {
        Box::pin(async move { Ok(Box::new(self.extended_now(program)?) as Box<dyn Plan>) })
    }

    fn preferred_rows(&self) -> usize {
        self.kernels.preferred_rows()
    }
}
