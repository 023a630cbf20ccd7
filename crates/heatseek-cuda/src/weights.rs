//! Weights on the device: packed as the kernels want them, uploaded once.

use std::collections::HashMap;
use std::rc::Rc;

use heatseek_ops::{Buffer, BufferId, Dtype, ExecutorError, Program};
use heatseek_wgsl::Storage;

use crate::device::CudaDevice;
use crate::memory::DeviceBuffer;

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
    pub(crate) fn upload(
        device: &CudaDevice,
        program: &Program,
        storage: &Storage,
        already: &Self,
    ) -> Result<Self, ExecutorError> {
        let mut buffers = already.buffers.clone();
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
                let uploaded = DeviceBuffer::new(device.driver(), bytes.len()).and_then(|buffer| {
                    device.driver().upload_now(buffer.at, bytes)?;
                    Ok(buffer)
                });
                let doing = || format!("uploading weight `{name}` ({} bytes)", bytes.len());
                let buffer = uploaded.map_err(|error| device.faults().explain(&error, &doing()))?;
                buffers.insert(layout, Rc::new(buffer));
            }
        }
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
