//! Checked runs: activations start as a pattern, and what lies behind their rows must keep it.

use heatseek_ops::{Batch, BufferId, ExecutorError, UNWRITTEN};

use crate::arena::{Arena, Captures, Span};
use crate::device::CudaDevice;
use crate::driver::DriverError;
use crate::plan::CudaPlan;

/// Pattern behind each activation of a checked run, whatever its capacity. A multiple of 256, as the smallest buffer
/// is.
pub(crate) const GUARD_BYTES: usize = 256;

/// Fills every activation with [`UNWRITTEN`] and says which part of each must still hold it afterwards.
pub(crate) fn fill(
    plan: &CudaPlan,
    arena: &Arena,
    captures: &Captures,
    batch: &Batch,
) -> Result<Vec<(String, Span)>, DriverError> {
    let program = &plan.program;
    let mut guards = Vec::new();
    for (index, (name, buffer)) in program.buffers().iter().enumerate() {
        let id = BufferId(index);
        let target = arena.activation(id).or_else(|| captures.get(id));
        let (Some(_), Some(target)) = (buffer.written(), target) else { continue };
        plan.device.driver().fill(target.at, target.bytes / 4, UNWRITTEN)?;
        // What is stored as f16 has rows of whole vectors of four, so the pattern stays aligned.
        let written = plan.storage.dtype(id).size_bytes() * program.len_elems(id, batch);
        let guard = Span { at: target.at + written as u64, bytes: target.bytes - written };
        guards.push((name.clone(), guard));
    }
    Ok(guards)
}

/// Fails if `values`, read back from behind the rows of activation `name`, are not the pattern.
pub(crate) fn verify(device: &CudaDevice, name: &str, values: &[f32]) -> Result<(), ExecutorError> {
    let Some(at) = values.iter().position(|v| v.to_bits() != UNWRITTEN) else { return Ok(()) };
    let what = format!("`{name}` was written {at} elements behind its end (value {})", values[at]);
    Err(device.faults().internal(what))
}
