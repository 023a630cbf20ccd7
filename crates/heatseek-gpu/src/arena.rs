//! Everything of a plan that depends on how large batches are: activations, tables, bind groups.

use std::cell::RefCell;
use std::collections::HashMap;

use heatseek_ops::{Batch, Buffer, BufferId, Capacity, Dtype, ExecutorError, OutputId, Program, Step};

use heatseek_wgsl::{Params, Storage};

use crate::buffer::{DeviceBuffer, storage_bytes};
use crate::checked::GUARD_BYTES;
use crate::device::GpuDevice;
use crate::faults::Scopes;
use crate::plan::Stage;
use crate::weights::Weights;

const PARAMS_BYTES: u64 = size_of::<Params>() as u64;

/// The buffers of a Program with their names and the bytes of their data at `capacity`.
fn sizes<'a>(
    capacity: Capacity,
    (program, storage): (&'a Program, &'a Storage),
) -> impl Iterator<Item = (&'a str, &'a Buffer, u64)> {
    program.buffers().iter().enumerate().map(move |(index, (name, buffer))| {
        (name.as_str(), buffer, capacity.bytes(buffer, storage.dtype(BufferId(index))))
    })
}

/// Fails if a buffer of the Program would be too large for `device` at `capacity`.
fn fits(capacity: Capacity, device: &GpuDevice, stored: (&Program, &Storage)) -> Result<(), ExecutorError> {
    let most = device.largest_binding();
    let mut sizes = sizes(capacity, stored).map(|(name, _, bytes)| (name, storage_bytes(bytes)));
    let Some((name, needed)) = sizes.find(|(_, bytes)| *bytes > most) else { return Ok(()) };
    let what = format!("a batch of {} rows and {} sequences", capacity.rows, capacity.sequences);
    let why = format!("`{name}` takes {needed} bytes and the device binds at most {most}; split the batch");
    Err(device.faults().unsupported(what, why))
}

/// The buffers of a plan at one capacity, and the bind groups over them.
#[derive(Debug)]
pub(crate) struct Arena {
    pub(crate) capacity: Capacity,
    buffers: Vec<Option<DeviceBuffer>>,
    params: DeviceBuffer,
    params_stride: u64,
    /// Of each step, by the kernels that run it.
    groups: Vec<RefCell<Vec<(&'static str, wgpu::BindGroup)>>>,
}

impl Arena {
    /// Allocates for `needed` and `previous`, with room to grow if the device has it.
    pub(crate) async fn new(
        device: &GpuDevice,
        stored: (&Program, &Storage),
        needed: Capacity,
        previous: Option<Capacity>,
        checked: bool,
    ) -> Result<Self, ExecutorError> {
        let grown = needed.grown(previous);
        let capacity = if fits(grown, device, stored).is_ok() { grown } else { needed };
        fits(capacity, device, stored)?;
        let guard = if checked { GUARD_BYTES } else { 0 };
        let scopes = Scopes::open(device.raw());
        let make = |(name, buffer, bytes): (&str, &Buffer, u64)| match buffer {
            Buffer::Weight(_) => None,
            on_demand if on_demand.is_on_demand() => None,
            _ => Some(DeviceBuffer::new(device.raw(), name, bytes + guard, usage())),
        };
        let buffers = sizes(capacity, stored).map(make).collect();
        let params_stride = PARAMS_BYTES.next_multiple_of(device.uniform_alignment().max(1));
        let params_usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let params_bytes = Params::OF.len() as u64 * params_stride;
        let params = DeviceBuffer::new(device.raw(), "params", params_bytes, params_usage);
        let doing = format!("making room for {} rows", capacity.rows);
        device.faults().explain(scopes.close().await, &doing)?;
        let groups = stored.0.steps().iter().map(|_| Default::default()).collect();
        Ok(Self { capacity, buffers, params, params_stride, groups })
    }

    /// The activation or table `id`.
    pub(crate) fn buffer(&self, id: BufferId) -> Option<&wgpu::Buffer> {
        self.buffers[id.0].as_ref().map(|b| &b.0)
    }

    /// Writes the tables, inputs and parameters of `batch`.
    pub(crate) fn write_batch(&self, queue: &wgpu::Queue, program: &Program, batch: &Batch) {
        for (index, (_, buffer)) in program.buffers().iter().enumerate() {
            let Some(target) = self.buffer(BufferId(index)) else { continue };
            match buffer {
                Buffer::Table(table) => write(queue, target, &table.values(batch)),
                Buffer::Input { index, .. } => write(queue, target, batch.input(*index)),
                Buffer::Activation { .. } | Buffer::Capture { .. } | Buffer::Weight(_) => {}
            }
        }
        let stride = self.params_stride as usize;
        let mut bytes = vec![0; Params::OF.len() * stride];
        for (params, of_rows) in Params::all(batch).iter().zip(bytes.chunks_exact_mut(stride)) {
            of_rows[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(params));
        }
        queue.write_buffer(&self.params.0, 0, &bytes);
    }

    /// The bind group of step `index` for the kernel of `stage`, made on first use and kept unless it binds a buffer
    /// of `captures`.
    pub(crate) fn group(
        &self,
        device: &GpuDevice,
        step: (usize, &Step),
        stage: &Stage,
        weights: &Weights,
        captures: &Captures,
    ) -> Result<wgpu::BindGroup, ExecutorError> {
        let (index, step) = step;
        let kernel = stage.selection.kernel;
        let known = |(name, _): &&(&str, _)| *name == kernel.name;
        if let Some((_, group)) = self.groups[index].borrow().iter().find(known) {
            return Ok(group.clone());
        }
        let mut entries = Vec::with_capacity(kernel.bindings.len());
        for (binding, at) in kernel.bindings.iter().zip(0..) {
            let dtype = kernel.dtype(binding.name);
            let resource =
                self.resource(step, (binding.name, dtype), weights, captures).ok_or_else(|| {
                    let what =
                        format!("kernel `{}` binds `{}`, which its op lacks", kernel.name, binding.name);
                    device.faults().internal(what)
                })?;
            entries.push(wgpu::BindGroupEntry { binding: at, resource });
        }
        let group = device.raw().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &stage.pipeline.layout,
            entries: &entries,
        });
        if !step.buffers.iter().any(|id| captures.0.contains_key(id)) {
            self.groups[index].borrow_mut().push((kernel.name, group.clone()));
        }
        Ok(group)
    }

    fn resource<'a>(
        &'a self,
        step: &Step,
        (name, dtype): (&str, Dtype),
        weights: &'a Weights,
        captures: &'a Captures,
    ) -> Option<wgpu::BindingResource<'a>> {
        if name == "params" {
            let place = Params::OF.iter().position(|rows| *rows == step.rows)?;
            let offset = place as u64 * self.params_stride;
            let size = wgpu::BufferSize::new(PARAMS_BYTES);
            return Some(wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.params.0,
                offset,
                size,
            }));
        }
        let bindings = step.op.bindings();
        let (binding, id) = bindings.iter().zip(&step.buffers).find(|(b, _)| b.name == name)?;
        let weight = || weights.get(*id, step.op.name(), binding.name, dtype).map(|b| &b.0);
        let capture = || captures.get(*id);
        self.buffer(*id).or_else(weight).or_else(capture).map(wgpu::Buffer::as_entire_binding)
    }
}

/// What one run captures, and the tables that takes: needed by few runs, and of a map as large as the longest
/// sequence squared, so they live no longer than the run that asked for them.
#[derive(Debug, Default)]
pub(crate) struct Captures(HashMap<BufferId, DeviceBuffer>);

impl Captures {
    /// Allocates what the steps for `outputs` capture, and writes their tables. To be called with error scopes
    /// open.
    pub(crate) fn new(
        device: &GpuDevice,
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
            let bytes = 4 * program.len_elems(id, batch) as u64 + guard;
            let most = device.largest_binding();
            if storage_bytes(bytes) > most {
                let what = format!("`{name}` of a sequence of {} rows", batch.longest());
                let why = format!(
                    "it takes {bytes} bytes and the device binds at most {most}; ask about one token, fuse \
                     the heads or take a shorter input"
                );
                return Err(device.faults().unsupported(what, why));
            }
            let target = DeviceBuffer::new(device.raw(), name, bytes, usage());
            if let Buffer::Table(table) = buffer {
                write(device.queue(), &target.0, &table.values(batch));
            }
            all.0.insert(id, target);
        }
        Ok(all)
    }

    /// The buffer `id`.
    pub(crate) fn get(&self, id: BufferId) -> Option<&wgpu::Buffer> {
        self.0.get(&id).map(|b| &b.0)
    }
}

fn usage() -> wgpu::BufferUsages {
    wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST
}

fn write<T: bytemuck::NoUninit>(queue: &wgpu::Queue, target: &wgpu::Buffer, rows: &[T]) {
    if !rows.is_empty() {
        queue.write_buffer(target, 0, bytemuck::cast_slice(rows));
    }
}
