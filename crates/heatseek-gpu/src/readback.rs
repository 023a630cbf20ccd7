//! Getting results out: mappable buffers that are used again, and the wait for them.

use std::cell::RefCell;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use heatseek_ops::{BufferId, ExecutorError};

use crate::buffer::DeviceBuffer;
use crate::device::GpuDevice;

/// Read-back buffers kept for the next run; runs of one plan rarely overlap more deeply.
const KEPT: usize = 3;

/// A part of an activation to read back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) buffer: BufferId,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// The read-back buffers of a plan that no run uses at the moment.
#[derive(Debug, Default)]
pub(crate) struct Readbacks {
    free: RefCell<Vec<DeviceBuffer>>,
}

impl Readbacks {
    /// A buffer of at least `bytes` bytes.
    pub(crate) fn take(&self, device: &GpuDevice, bytes: u64) -> DeviceBuffer {
        let mut free = self.free.borrow_mut();
        if let Some(at) = free.iter().position(|b| b.0.size() >= bytes) {
            return free.swap_remove(at);
        }
        // A size that was outgrown once will not be asked for again soon.
        free.pop();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        DeviceBuffer::new(device.raw(), "readback", bytes.next_power_of_two(), usage)
    }

    /// Takes back an unmapped buffer.
    pub(crate) fn give(&self, buffer: DeviceBuffer) {
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT {
            free.push(buffer);
        }
    }
}

/// What a map request came to, once it has.
#[derive(Default)]
struct Mapping {
    outcome: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// Maps the first `bytes` bytes of `buffer` for reading. The request is made now; the future is the wait.
///
/// # Errors
/// [`ExecutorError::Lost`] if the device went away, [`ExecutorError::Internal`] if nothing came of it.
pub(crate) fn map<'a>(
    device: &'a GpuDevice,
    buffer: &DeviceBuffer,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
) -> impl Future<Output = Result<(), ExecutorError>> + use<'a> {
    let mapping = Arc::new(Mutex::new(Mapping::default()));
    let told = mapping.clone();
    buffer.0.map_async(wgpu::MapMode::Read, 0..bytes, move |outcome| {
        let waker = {
            let mut mapping = told.lock().unwrap_or_else(PoisonError::into_inner);
            mapping.outcome = Some(outcome);
            mapping.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    async move {
        wait(device, submission).await;
        match outcome(device, &mapping).await {
            Some(Ok(())) => device.faults().still_there(),
            Some(Err(_)) => {
                // The caller looked at the error scopes first, so the request was valid. Browsers may
                // reject it before they tell that the device is lost.
                device.faults().lose("the results could not be mapped");
                device.faults().still_there()
            }
            None => {
                device.faults().still_there()?;
                Err(device.faults().internal("mapping the results never ended".into()))
            }
        }
    }
}

/// Waits until everything submitted so far is done. A device that is lost ends the wait too.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn done(device: &GpuDevice, _: wgpu::SubmissionIndex) {
    let mapping = Arc::new(Mutex::new(Mapping::default()));
    let told = mapping.clone();
    device.queue().on_submitted_work_done(move || {
        let mut mapping = told.lock().unwrap_or_else(PoisonError::into_inner);
        mapping.outcome = Some(Ok(()));
        if let Some(waker) = mapping.waker.take() {
            waker.wake();
        }
    });
    outcome(device, &mapping).await;
}

/// Waits until everything submitted so far is done. A device that is lost ends the wait too.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn done(device: &GpuDevice, submission: wgpu::SubmissionIndex) {
    wait(device, submission).await;
}

/// Natively somebody has to drive the device. Before this thread blocks for it, the caller may start other
/// runs, so that the device has work while the results of this one are copied.
#[cfg(not(target_arch = "wasm32"))]
async fn wait(device: &GpuDevice, submission: wgpu::SubmissionIndex) {
    let mut asked = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
    if device.faults().still_there().is_ok() {
        device.wait(submission);
    }
}

/// The browser drives its devices.
#[cfg(target_arch = "wasm32")]
async fn wait(_: &GpuDevice, _: wgpu::SubmissionIndex) {}

/// Natively the callback was called while we waited for the device, or never will be.
#[cfg(not(target_arch = "wasm32"))]
async fn outcome(_: &GpuDevice, mapping: &Mutex<Mapping>) -> Option<Result<(), wgpu::BufferAsyncError>> {
    mapping.lock().unwrap_or_else(PoisonError::into_inner).outcome.take()
}

/// In the browser the callback comes from the event loop; a loss ends the wait too.
#[cfg(target_arch = "wasm32")]
async fn outcome(device: &GpuDevice, mapping: &Mutex<Mapping>) -> Option<Result<(), wgpu::BufferAsyncError>> {
    use std::task::Poll;
    std::future::poll_fn(|context| {
        let mut mapping = mapping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = mapping.outcome.take() {
            return Poll::Ready(Some(outcome));
        }
        mapping.waker = Some(context.waker().clone());
        device.faults().wake_on_loss(context.waker());
        if device.faults().still_there().is_err() { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}
