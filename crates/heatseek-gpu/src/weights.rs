//! Weights on the device: packed as the kernels want them, uploaded once.

use std::collections::HashMap;
use std::rc::Rc;

use heatseek_ops::{Buffer, BufferId, Dtype, ExecutorError, Program};
use heatseek_wgsl::Storage;

use crate::buffer::DeviceBuffer;
use crate::device::GpuDevice;
use crate::faults::Scopes;

/// Bytes written between submits, and between waits for the device's verdict on those before: it takes one chunk in while
/// the next is laid out. wgpu stages what is written until the next submit, so this bounds the copy; waiting for every
/// weight would cost a round trip each.
const CHUNK_BYTES: usize = 16 << 20;

/// What decides how a weight is laid out: the op that binds it, and as what.
type Layout = (BufferId, &'static str, &'static str, Dtype);

/// The weights of a plan, one buffer per weight and layout.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    buffers: HashMap<Layout, Rc<DeviceBuffer>>,
}

impl Weights {
    /// Lays out and uploads every weight that a step of `program` binds, but for those that are there `already`,
    /// which are shared.
    pub(crate) async fn upload(
        device: &GpuDevice,
        program: &Program,
        storage: &Storage,
        already: &Self,
    ) -> Result<Self, ExecutorError> {
        let mut buffers = already.buffers.clone();
        let (mut before, mut verdicts, mut unseen_bytes) = (Vec::new(), Vec::new(), 0);
        for step in program.steps() {
            for (binding, id) in step.op.bindings().iter().zip(&step.buffers) {
                let (name, Buffer::Weight(tensor)) = &program.buffers()[id.0] else { continue };
                let dtype = storage.of_binding(step, binding.name);
                let layout = (*id, step.op.name(), binding.name, dtype);
                if buffers.contains_key(&layout) {
                    continue;
                }
                let packed = heatseek_wgsl::pack(&step.op, binding.name, tensor, dtype);
                let bytes = packed.bytes();
                fits(device, name, bytes.len() as u64)?;
                let scopes = Scopes::open(device.raw());
                buffers.insert(layout, Rc::new(upload(device, name, bytes)));
                verdicts.push((name, scopes.close()));
                unseen_bytes += bytes.len();
                if unseen_bytes >= CHUNK_BYTES {
                    unseen_bytes = 0;
                    heard(device, std::mem::replace(&mut before, std::mem::take(&mut verdicts))).await?;
                }
            }
        }
        heard(device, before).await?;
        heard(device, verdicts).await?;
        Ok(Self { buffers })
    }

    /// The buffer of weight `id` as `op` binds it at `binding`, stored as `dtype`.
    pub(crate) fn get(
        &self,
        id: BufferId,
        op: &'static str,
        binding: &'static str,
        dtype: Dtype,
    ) -> Option<&DeviceBuffer> {
        self.buffers.get(&(id, op, binding, dtype)).map(|buffer| &**buffer)
    }
}

/// Waits for what the device says of uploads, by the names of the weights.
async fn heard(
    device: &GpuDevice,
    verdicts: Vec<(&String, impl Future<Output = Option<wgpu::Error>>)>,
) -> Result<(), ExecutorError> {
    for (name, caught) in verdicts {
        device.faults().explain(caught.await, &format!("uploading weight `{name}`"))?;
    }
    Ok(())
}

fn fits(device: &GpuDevice, name: &str, needed: u64) -> Result<(), ExecutorError> {
    let most = device.largest_binding();
    if needed <= most {
        return Ok(());
    }
    let why = format!("it takes {needed} bytes and the device binds at most {most}; use the CPU kernels");
    Err(device.faults().unsupported(format!("weight `{name}`"), why))
}

fn upload(device: &GpuDevice, name: &str, bytes: &[u8]) -> DeviceBuffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let buffer = DeviceBuffer::new(device.raw(), name, bytes.len() as u64, usage);
    let mut offset = 0;
    for chunk in bytes.chunks(CHUNK_BYTES) {
        device.queue().write_buffer(&buffer.0, offset, chunk);
        offset += chunk.len() as u64;
        if chunk.len() == CHUNK_BYTES {
            device.queue().submit([]);
            device.poll_once();
        }
    }
    buffer
}
