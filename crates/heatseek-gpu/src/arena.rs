//! Everything of a plan that depends on how large batches are: activations, tables, bind groups.

use std::cell::OnceCell;
use std::collections::HashMap;

use heatseek_ops::{
    ATTENTION_TILE_QUERIES, Batch, Buffer, BufferId, Dtype, ExecutorError, OutputId, Program, Rows, Step,
    Table,
};

use heatseek_wgsl::{Params, RowClass, Storage};

use crate::buffer::{DeviceBuffer, storage_bytes};
use crate::checked::GUARD_BYTES;
use crate::device::GpuDevice;
use crate::faults::Scopes;
use crate::plan::Stage;
use crate::weights::Weights;

const PARAMS_BYTES: u64 = size_of::<Params>() as u64;
/// The smallest capacity, rows and sequences: growing from one by one would reallocate for nothing.
const MIN_CAPACITY: usize = 16;

/// The kinds of rows that steps have, each with parameters of its own.
const PARAMS_OF: [Rows; 4] = [Rows::Tokens, Rows::Sequences, Rows::Queries, Rows::QueryPairs];

/// How large batches may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) rows: usize,
    pub(crate) sequences: usize,
}

impl Capacity {
    /// The least that holds `batch`.
    pub(crate) fn of(batch: &Batch) -> Self {
        Self { rows: batch.rows(), sequences: batch.sequences().len() }
    }

    /// Whether a batch of `other` fits in.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.rows >= other.rows && self.sequences >= other.sequences
    }

    /// A capacity for this and for `previous`, with room to grow: powers of two, so that a plan
    /// reallocates a few times and then never again.
    pub(crate) fn grown(self, previous: Option<Self>) -> Self {
        let grow = |now: usize, before: usize| now.max(before).max(MIN_CAPACITY).next_power_of_two();
        let (rows, sequences) = previous.map_or((0, 0), |p| (p.rows, p.sequences));
        Self { rows: grow(self.rows, rows), sequences: grow(self.sequences, sequences) }
    }

    fn count(self, rows: Rows) -> usize {
        match rows {
            Rows::Tokens => self.rows,
            Rows::Sequences => self.sequences,
            // Not the arena's: see `Captures`.
            Rows::Queries | Rows::TokenPairs | Rows::QueryPairs => 0,
        }
    }

    /// Bytes of the data of `buffer`, stored as `dtype`, at this capacity; 0 for weights, which do not grow, and for what a run
    /// allocates.
    fn bytes(self, buffer: &Buffer, dtype: Dtype) -> u64 {
        let elements = match buffer {
            Buffer::Weight(_) | Buffer::Capture { .. } => 0,
            Buffer::Activation { rows, width } => self.count(*rows) as u64 * *width as u64,
            Buffer::Input { width, .. } => self.rows as u64 * *width as u64,
            Buffer::Table(Table::Tokens) => 4 * self.rows as u64,
            Buffer::Table(Table::Sequences) => 3 * self.sequences as u64,
            // Each sequence ends in at most one tile that is not full.
            Buffer::Table(Table::AttentionTiles) => {
                4 * (self.rows / ATTENTION_TILE_QUERIES + self.sequences) as u64
            }
            Buffer::Table(Table::TokenSpans | Table::QuerySpans) => 0,
        };
        dtype.size_bytes() as u64 * elements
    }

    /// The buffers of a Program with their names and the bytes of their data.
    fn sizes<'a>(
        self,
        (program, storage): (&'a Program, &'a Storage),
    ) -> impl Iterator<Item = (&'a str, &'a Buffer, u64)> {
        program.buffers().iter().enumerate().map(move |(index, (name, buffer))| {
            (name.as_str(), buffer, self.bytes(buffer, storage.dtype(BufferId(index))))
        })
    }

    /// Fails if a buffer of the Program would be too large for `device`.
    fn fits(self, device: &GpuDevice, stored: (&Program, &Storage)) -> Result<(), ExecutorError> {
        let most = device.largest_binding();
        let mut sizes = self.sizes(stored).map(|(name, _, bytes)| (name, storage_bytes(bytes)));
        let Some((name, needed)) = sizes.find(|(_, bytes)| *bytes > most) else { return Ok(()) };
        let what = format!("a batch of {} rows and {} sequences", self.rows, self.sequences);
        let why =
            format!("`{name}` takes {needed} bytes and the device binds at most {most}; split the batch");
        Err(device.faults().unsupported(what, why))
    }
}

/// The buffers of a plan at one capacity, and the bind groups over them.
#[derive(Debug)]
pub(crate) struct Arena {
    pub(crate) capacity: Capacity,
    buffers: Vec<Option<DeviceBuffer>>,
    params: DeviceBuffer,
    params_stride: u64,
    groups: Vec<[OnceCell<wgpu::BindGroup>; RowClass::ALL.len()]>,
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
        let capacity = if grown.fits(device, stored).is_ok() { grown } else { needed };
        capacity.fits(device, stored)?;
        let guard = if checked { GUARD_BYTES } else { 0 };
        let scopes = Scopes::open(device.raw());
        let make = |(name, buffer, bytes): (&str, &Buffer, u64)| match buffer {
            Buffer::Weight(_) => None,
            on_demand if on_demand.is_on_demand() => None,
            _ => Some(DeviceBuffer::new(device.raw(), name, bytes + guard, usage())),
        };
        let buffers = capacity.sizes(stored).map(make).collect();
        let params_stride = PARAMS_BYTES.next_multiple_of(device.uniform_alignment().max(1));
        let params_usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let params_bytes = PARAMS_OF.len() as u64 * params_stride;
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
        let mut bytes = vec![0; PARAMS_OF.len() * stride];
        for (rows, of_rows) in PARAMS_OF.into_iter().zip(bytes.chunks_exact_mut(stride)) {
            let params = Params::new(rows.count(batch), batch);
            of_rows[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(&params));
        }
        queue.write_buffer(&self.params.0, 0, &bytes);
    }

    /// The bind group of step `index` for the pipeline of row class `class`, made on first use and kept unless
    /// it binds a buffer of `captures`.
    pub(crate) fn group(
        &self,
        device: &GpuDevice,
        step: (usize, &Step),
        class: RowClass,
        stage: &Stage,
        weights: &Weights,
        captures: &Captures,
    ) -> Result<wgpu::BindGroup, ExecutorError> {
        let (index, step) = step;
        let kernel = stage.selection.kernel;
        let cell = &self.groups[index][class.index()];
        if let Some(group) = cell.get() {
            return Ok(group.clone());
        }
        let mut entries = Vec::with_capacity(kernel.bindings.len());
        for (binding, at) in kernel.bindings.iter().zip(0..) {
            let dtype = if kernel.halves.contains(&binding.name) { Dtype::F16 } else { Dtype::F32 };
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
            cell.get_or_init(|| group.clone());
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
            let place = PARAMS_OF.iter().position(|rows| *rows == step.rows)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_grow_in_powers_of_two_and_never_shrink() {
        let needed = Capacity { rows: 100, sequences: 3 };
        let first = needed.grown(None);
        assert_eq!(first, Capacity { rows: 128, sequences: 16 });
        let next = Capacity { rows: 20, sequences: 40 }.grown(Some(first));
        assert_eq!(next, Capacity { rows: 128, sequences: 64 });
        assert!(next.holds(needed) && !first.holds(next));
    }

    #[test]
    fn the_tile_table_has_room_for_every_batch_of_its_capacity() {
        for lengths in [&[65; 16][..], &[1; 16], &[64, 65, 129, 0], &[256]] {
            let batch = Batch::of_lengths(lengths);
            let bytes = Capacity::of(&batch).bytes(&Buffer::Table(Table::AttentionTiles), Dtype::F32);
            assert!(bytes >= 16 * batch.attention_tiles().len() as u64, "{lengths:?}");
        }
    }
}
