//! Checked runs: activations start as a pattern, and what lies behind their rows must keep it.

use heatseek_ops::{Batch, BufferId, ExecutorError, UNWRITTEN};

use crate::arena::{Arena, Captures};
use crate::device::GpuDevice;
use crate::plan::GpuPlan;
use crate::readback::Segment;

/// Pattern behind each activation of a checked run, whatever its capacity. A multiple of 256, as the
/// smallest buffer is.
pub(crate) const GUARD_BYTES: u64 = 256;

/// Fills every activation with [`UNWRITTEN`] and says which part of each must still hold it afterwards.
pub(crate) fn fill(
    plan: &GpuPlan,
    arena: &Arena,
    captures: &Captures,
    batch: &Batch,
) -> Vec<(String, Segment)> {
    let program = &plan.program;
    let mut guards = Vec::new();
    for (index, (name, buffer)) in program.buffers().iter().enumerate() {
        let id = BufferId(index);
        let target = arena.buffer(id).or_else(|| captures.get(id));
        let (Some(_), Some(target)) = (buffer.written(), target) else { continue };
        let pattern = vec![UNWRITTEN; (target.size() / 4) as usize];
        plan.device.queue().write_buffer(target, 0, bytemuck::cast_slice(&pattern));
        // What is stored as f16 has rows of whole vectors of four, so the pattern stays aligned.
        let written = (plan.storage.dtype(id).size_bytes() * program.len_elems(id, batch)) as u64;
        guards.push((name.clone(), Segment { buffer: id, offset: written, bytes: target.size() - written }));
    }
    guards
}

/// Fails if `values`, read back from behind the rows of activation `name`, are not the pattern.
pub(crate) fn verify(device: &GpuDevice, name: &str, values: &[f32]) -> Result<(), ExecutorError> {
    let Some(at) = values.iter().position(|v| v.to_bits() != UNWRITTEN) else { return Ok(()) };
    let what = format!("`{name}` was written {at} elements behind its end (value {})", values[at]);
    Err(device.faults().internal(what))
}
