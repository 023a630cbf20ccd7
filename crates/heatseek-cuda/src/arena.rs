//! Everything of a plan that depends on how large batches are: activations, tables, and where arguments point.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use heatseek_naga_cuda::Argument;
use heatseek_ops::{Batch, Buffer, BufferId, Capacity, Dtype, ExecutorError, OutputId, Program, Step};
use heatseek_wgsl::{RowClass, Storage};

use crate::checked::GUARD_BYTES;
use crate::device::CudaDevice;
use crate::driver::Address;
use crate::graphs::Graphs;
use crate::memory::DeviceBuffer;
use crate::plan::{CudaPlan, Stage};
use crate::tables::Tables;
use crate::weights::Weights;

/// A part of the device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: Address,
    pub(crate) bytes: usize,
}

/// The buffers of a plan at one capacity, and the arguments of its steps that point into them.
pub(crate) struct Arena {
    pub(crate) capacity: Capacity,
    pub(crate) graphs: RefCell<Graphs>,
    pub(crate) tables: Tables,
    activations: Vec<Option<DeviceBuffer>>,
    arguments: Vec<[OnceCell<Rc<[u64]>>; RowClass::ALL.len()]>,
}

impl Arena {
    /// Allocates for `needed` and `previous`, with room to grow if the device has it.
    pub(crate) fn new(
        device: &CudaDevice,
        stored: (&Program, &Storage),
        needed: Capacity,
        previous: Option<Capacity>,
        checked: bool,
    ) -> Result<Self, ExecutorError> {
        let grown = needed.grown(previous);
        match Self::with_capacity(device, stored, grown, checked) {
            Err(ExecutorError::OutOfMemory { .. }) if grown != needed => {
                Self::with_capacity(device, stored, needed, checked)
            }
            made => made,
        }
    }

    fn with_capacity(
        device: &CudaDevice,
        (program, storage): (&Program, &Storage),
        capacity: Capacity,
        checked: bool,
    ) -> Result<Self, ExecutorError> {
        let doing = format!("making room for {} rows", capacity.rows);
        let explain = |error| device.faults().explain(&error, &doing);
        let guard = if checked { GUARD_BYTES } else { 0 };
        let make = |(index, (_, buffer)): (usize, &(String, Buffer))| match buffer {
            Buffer::Activation { .. } => {
                let bytes = capacity.bytes(buffer, storage.dtype(BufferId(index))) as usize;
                DeviceBuffer::new(device.driver(), bytes + guard).map(Some)
            }
            _ => Ok(None),
        };
        let buffers = program.buffers().iter().enumerate();
        let activations = buffers.map(make).collect::<Result<_, _>>().map_err(explain)?;
        Ok(Self {
            tables: Tables::new(device.driver(), program, capacity).map_err(explain)?,
            graphs: RefCell::new(Graphs::new(device.driver())),
            arguments: program.steps().iter().map(|_| Default::default()).collect(),
            activations,
            capacity,
        })
    }

    /// The activation `id`, guard and all.
    pub(crate) fn activation(&self, id: BufferId) -> Option<Span> {
        self.activations[id.0].as_ref().map(span)
    }

    /// What the kernel of step `index` at row class `class` takes, found on first use and kept unless it points to
    /// `captures`.
    pub(crate) fn arguments(
        &self,
        plan: &CudaPlan,
        (index, step): (usize, &Step),
        class: RowClass,
        stage: &Stage,
        captures: &Captures,
    ) -> Result<Rc<[u64]>, ExecutorError> {
        let cell = &self.arguments[index][class.index()];
        if let Some(arguments) = cell.get() {
            return Ok(arguments.clone());
        }
        let kernel = stage.selection.kernel;
        let bound = |binding: u32| {
            let name = kernel.bindings.get(binding as usize).map_or("", |b| b.name);
            let dtype = kernel.dtype(name);
            self.bound(step, (name, dtype), &plan.weights, captures).ok_or_else(|| {
                let what = format!("kernel `{}` binds `{name}`, which its op lacks", kernel.name);
                plan.device.faults().internal(what)
            })
        };
        let value = |argument: &Argument| match *argument {
            Argument::Buffer { binding, .. } => bound(binding).map(|span| span.at),
            Argument::Length { binding } => bound(binding).map(|span| span.bytes as u64),
        };
        let arguments: Rc<[u64]> = stage.loaded.arguments.iter().map(value).collect::<Result<_, _>>()?;
        if !step.buffers.iter().any(|id| captures.get(*id).is_some()) {
            cell.get_or_init(|| arguments.clone());
        }
        Ok(arguments)
    }

    fn bound(
        &self,
        step: &Step,
        (name, dtype): (&str, Dtype),
        weights: &Weights,
        captures: &Captures,
    ) -> Option<Span> {
        if name == "params" {
            return self.tables.params(step.rows);
        }
        let bindings = step.op.bindings();
        let (binding, id) = bindings.iter().zip(&step.buffers).find(|(b, _)| b.name == name)?;
        let weight = || weights.get(*id, step.op.name(), binding.name, dtype).map(span);
        self.activation(*id).or_else(|| self.tables.get(*id)).or_else(weight).or_else(|| captures.get(*id))
    }
}

fn span(buffer: &DeviceBuffer) -> Span {
    Span { at: buffer.at, bytes: buffer.bytes }
}

/// What one run captures, and the tables that takes: needed by few runs, and of a map as large as the longest
/// sequence squared, so they live no longer than the run that asked for them.
#[derive(Default)]
pub(crate) struct Captures(HashMap<BufferId, DeviceBuffer>);

impl Captures {
    /// Allocates what the steps for `outputs` capture, and writes their tables.
    pub(crate) fn new(
        device: &CudaDevice,
        program: &Program,
        batch: &Batch,
        outputs: &[OutputId],
        checked: bool,
    ) -> Result<Self, ExecutorError> {
        let mut all = Self::default();
        let guard = if checked { GUARD_BYTES } else { 0 };
        for id in program.captures_for(outputs) {
            if all.0.contains_key(&id) {
                continue;
            }
            let (name, buffer) = &program.buffers()[id.0];
            let bytes = 4 * program.len_elems(id, batch) + guard;
            let doing = || {
                format!(
                    "making room for `{name}` of a sequence of {} rows ({bytes} bytes); ask about one token, fuse the \
                     heads or take a shorter input",
                    batch.longest()
                )
            };
            let explain = |error| device.faults().explain(&error, &doing());
            let target = DeviceBuffer::new(device.driver(), bytes).map_err(explain)?;
            if let Buffer::Table(table) = buffer {
                let values = table.values(batch);
                device.driver().upload_now(target.at, bytemuck::cast_slice(&values)).map_err(explain)?;
            }
            all.0.insert(id, target);
        }
        Ok(all)
    }

    /// The buffer `id`.
    pub(crate) fn get(&self, id: BufferId) -> Option<Span> {
        self.0.get(&id).map(span)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
