//! How long the device works on a pass.

use heatseek_ops::ExecutorError;

use crate::buffer::DeviceBuffer;
use crate::device::GpuDevice;
use crate::faults::Scopes;
use crate::readback::{self, map};

/// Where the device writes when a pass began and ended. One pair serves all passes of a device: each copies it away within
/// its own submission, and those come one after the other.
#[derive(Debug)]
pub(crate) struct Marks {
    set: wgpu::QuerySet,
    resolved: DeviceBuffer,
}

impl Marks {
    /// Bytes of both.
    pub(crate) const BYTES: u64 = 2 * size_of::<u64>() as u64;

    pub(crate) fn new(device: &wgpu::Device) -> Self {
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        Self {
            set: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("stopwatch"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: DeviceBuffer::new(device, "timestamps", Self::BYTES, usage),
        }
    }

    /// Has a pass write them.
    pub(crate) fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Copies what the pass before wrote to `offset` of `to`.
    pub(crate) fn copy(&self, encoder: &mut wgpu::CommandEncoder, to: &DeviceBuffer, offset: u64) {
        encoder.resolve_query_set(&self.set, 0..2, &self.resolved.0, 0);
        encoder.copy_buffer_to_buffer(&self.resolved.0, 0, &to.0, offset, Self::BYTES);
    }

    /// Seconds between them, from what was copied. `None` if the driver wrote none though it says so, which some do.
    pub(crate) fn seconds(device: &GpuDevice, copied: &[u8]) -> Option<f64> {
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(copied);
        let passed = ticks[1].saturating_sub(ticks[0]);
        let seconds = passed as f64 * f64::from(device.queue().get_timestamp_period()) * 1e-9;
        Some(seconds).filter(|seconds| *seconds > 0.0)
    }
}

/// Times passes: by the device's own clock where it has one, otherwise from handing a pass over to hearing that it is done.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    readback: Option<DeviceBuffer>,
}

impl Stopwatch {
    pub(crate) fn new(device: &GpuDevice) -> Self {
        let mappable = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let readback = |_| DeviceBuffer::new(device.raw(), "timestamps read back", Marks::BYTES, mappable);
        Self { readback: device.marks().map(readback) }
    }

    /// Seconds that a pass takes, with what `encode` puts into it.
    pub(crate) async fn time(
        &self,
        device: &GpuDevice,
        encode: impl FnOnce(&mut wgpu::ComputePass<'_>) -> Result<(), ExecutorError>,
    ) -> Result<f64, ExecutorError> {
        let scopes = Scopes::open(device.raw());
        let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let marks = device.marks().zip(self.readback.as_ref());
        let timestamp_writes = marks.map(|(marks, _)| marks.writes());
        encode(
            &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }),
        )?;
        if let Some((marks, readback)) = marks {
            marks.copy(&mut encoder, readback, 0);
        }
        let began = now();
        let submission = device.queue().submit([encoder.finish()]);
        let caught = scopes.close();
        let mut marked = None;
        match &self.readback {
            None => readback::done(device, submission).await,
            Some(readback) => {
                map(device, readback, Marks::BYTES, submission).await?;
                marked = read(device, readback);
                readback.0.unmap();
            }
        }
        let passed = now() - began;
        device.faults().explain(caught.await, "timing a kernel")?;
        device.faults().check()?;
        // Browsers coarsen timestamps.
        Ok(marked.unwrap_or(passed))
    }
}

fn read(device: &GpuDevice, readback: &DeviceBuffer) -> Option<f64> {
    Marks::seconds(device, &readback.0.get_mapped_range(0..Marks::BYTES).ok()?)
}

/// Seconds since some moment.
#[cfg(not(target_arch = "wasm32"))]
fn now() -> f64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64()
}

#[cfg(target_arch = "wasm32")]
fn now() -> f64 {
    crate::web::now_ms() * 1e-3
}
