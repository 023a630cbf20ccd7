//! The executor of everything that computes in host memory: the reference and the CPU kernels share
//! its buffers and its loop and differ only in their [`HostKernels`].

use std::collections::HashMap;
use std::sync::Arc;

use crate::{
    Batch, Binding, Buffer, BufferId, DeviceInfo, Direction, Dtype, Element, Executor, ExecutorError,
    LocalFuture, Op, OutputId, Plan, PlanOptions, Program, Step, Table, Tensor, UNWRITTEN,
};

/// Elements of pattern behind each activation of a checked run.
const GUARD_ELEMS: usize = 64;

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
    inputs: Vec<(&'static str, Operand<'a>)>,
    outputs: Vec<(&'static str, Option<&'a mut [f32]>)>,
    residual: f32,
}

impl<'a> Operands<'a> {
    /// Operands by name.
    pub fn new(
        inputs: Vec<(&'static str, Operand<'a>)>,
        outputs: Vec<(&'static str, Option<&'a mut [f32]>)>,
    ) -> Self {
        Self { inputs, outputs, residual: 0.0 }
    }

    /// [`Batch::residual`] of the batch they are of.
    pub fn residual(&self) -> f32 {
        self.residual
    }

    /// The float input `name`; empty if the op does not bind it or it was packed.
    pub fn input(&self, name: &str) -> &'a [f32] {
        let found = self.inputs.iter().find(|(n, _)| *n == name);
        match found {
            Some((_, Operand::F32(values))) => values,
            _ => &[],
        }
    }

    /// The table `name`; empty if the op does not bind it.
    pub fn table(&self, name: &str) -> &'a [u32] {
        let found = self.inputs.iter().find(|(n, _)| *n == name);
        match found {
            Some((_, Operand::U32(values))) => values,
            _ => &[],
        }
    }

    /// The output `name`, to be taken once; empty if the op does not bind it.
    pub fn output(&mut self, name: &str) -> &'a mut [f32] {
        let found = self.outputs.iter_mut().find(|(n, _)| *n == name);
        found.and_then(|(_, values)| values.take()).unwrap_or_default()
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

    /// Lays out the weight bound at `binding` of `op` for a plan of `dtype`, or `None` to be given its plain values.
    fn pack(&self, op: &Op, binding: &'static str, tensor: &Tensor, dtype: Dtype) -> Option<Self::Packed>;

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
                    Dtype::F16 => {
                        "these kernels store f32 or int8; ask for one of them, or for a GPU that has f16"
                    }
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
    checked: bool,
    dtype: Dtype,
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
        let (kernels, checked, dtype) = (self.kernels.clone(), self.checked, self.dtype);
        Ok(Self { kernels, program, packed, plain, checked, dtype })
    }

    /// What was packed for a step of this plan that binds weight `id` in the same place of the same op.
    fn packed_before(&self, op: &Op, binding: &str, id: BufferId) -> Option<Arc<K::Packed>> {
        let mut steps = self.program.steps().iter().zip(&self.packed);
        let (_, packed) = steps.find(|(step, _)| step.op == *op && step.buffers.contains(&id))?;
        packed.iter().find(|(name, _)| *name == binding).map(|(_, packed)| packed.clone())
    }

    /// [`Plan::run`] without the future.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn run_now(&self, batch: &Batch, outputs: &[OutputId]) -> Result<Vec<Vec<f32>>, ExecutorError> {
        self.program.accepts(batch, outputs)?;
        let mut tables: HashMap<Table, Vec<u32>> = HashMap::new();
        let mut activations: HashMap<BufferId, Vec<f32>> = HashMap::new();
        let needed = |s: &Step| self.program.runs(s, outputs);
        for (index, step) in self.program.steps().iter().enumerate().filter(|(_, s)| needed(s)) {
            for id in &step.buffers {
                if let Buffer::Table(table) = &self.program.buffers()[id.0].1 {
                    tables.entry(*table).or_insert_with(|| table.values(batch));
                }
            }
            self.run_step(index, step, batch, &tables, &mut activations)?;
        }
        let mut take = |id: &OutputId| {
            let Some(buffer) = self.program.outputs()[id.0].1 else { return Vec::new() };
            let mut values = activations.get(&buffer).cloned().unwrap_or_default();
            values.truncate(self.program.len_elems(buffer, batch));
            values
        };
        Ok(outputs.iter().map(&mut take).collect())
    }

    fn run_step(
        &self,
        index: usize,
        step: &Step,
        batch: &Batch,
        tables: &HashMap<Table, Vec<u32>>,
        activations: &mut HashMap<BufferId, Vec<f32>>,
    ) -> Result<(), ExecutorError> {
        let guard = if self.checked { GUARD_ELEMS } else { 0 };
        let bindings = step.op.bindings();
        let bound = || bindings.iter().zip(&step.buffers);
        let is_output = |b: &Binding| b.direction == Direction::Output;
        let mut written: Vec<(&'static str, BufferId, Vec<f32>)> = Vec::new();
        for (binding, id) in bound().filter(|(b, _)| is_output(b)) {
            let len = self.program.len_elems(*id, batch);
            // Unchecked runs reuse the buffer as it is: every op writes every element of its outputs.
            let mut values = activations.remove(id).unwrap_or_default();
            if self.checked {
                values.clear();
            }
            values.resize(len + guard, f32::from_bits(UNWRITTEN));
            written.push((binding.name, *id, values));
        }
        let mut inputs = Vec::new();
        for (binding, id) in bound().filter(|(b, _)| !is_output(b)) {
            let operand = match &self.program.buffers()[id.0].1 {
                Buffer::Table(table) => Operand::U32(tables.get(table).map_or(&[], Vec::as_slice)),
                Buffer::Input { index, .. } => Operand::F32(batch.input(*index)),
                Buffer::Activation { .. } | Buffer::Capture { .. } => {
                    let len = self.program.len_elems(*id, batch);
                    Operand::F32(activations.get(id).map_or(&[][..], |v| &v[..len]))
                }
                Buffer::Weight(_) if self.packed[index].iter().any(|(name, _)| *name == binding.name) => {
                    Operand::Packed
                }
                Buffer::Weight(_) => match self.plain[id].values() {
                    std::borrow::Cow::Borrowed(values) => Operand::F32(values),
                    std::borrow::Cow::Owned(_) => return Err(self.internal(step, "a weight was not kept")),
                },
            };
            debug_assert_eq!(binding.element == Element::U32, matches!(operand, Operand::U32(_)));
            inputs.push((binding.name, operand));
        }
        let outputs = written.iter_mut().map(|(name, _, values)| {
            let len = values.len() - guard;
            (*name, Some(&mut values[..len]))
        });
        let mut operands = Operands::new(inputs, outputs.collect());
        operands.residual = batch.residual();
        self.kernels.run(&step.op, step.rows.count(batch), &self.packed[index], &mut operands)?;
        for (name, id, values) in written {
            let tail = &values[values.len() - guard..];
            if tail.iter().any(|v| v.to_bits() != UNWRITTEN) {
                return Err(self.internal(step, &format!("`{name}` was written behind its end")));
            }
            activations.insert(id, values);
        }
        Ok(())
    }

    fn internal(&self, step: &Step, what: &str) -> ExecutorError {
        let device = self.kernels.device().name;
        ExecutorError::Internal { device, what: format!("{}: {what}", step.op.name()) }
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

    fn extended(&self, program: Arc<Program>) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>> {
        Box::pin(async move { Ok(Box::new(self.extended_now(program)?) as Box<dyn Plan>) })
    }

    fn preferred_rows(&self) -> usize {
        self.kernels.preferred_rows()
    }
}
