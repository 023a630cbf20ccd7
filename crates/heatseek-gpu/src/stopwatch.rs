//! How long the device works on a pass.

use heatseek_ops::ExecutorError;

use crate::buffer::DeviceBuffer;
use crate::device::GpuDevice;
use crate::faults::Scopes;
use crate::readback::{self, map};

/// Bytes of a timestamp.
const TIMESTAMP_BYTES: u64 = size_of::<u64>() as u64;

/// Times passes: by the device's own clock where it has one, otherwise from handing a pass over to hearing that it is done.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    marks: Option<Marks>,
}

/// Where the device writes when a pass began and ended.
#[derive(Debug)]
struct Marks {
    set: wgpu::QuerySet,
    resolved: DeviceBuffer,
    readback: DeviceBuffer,
}

impl Stopwatch {
    pub(crate) fn new(device: &GpuDevice) -> Self {
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let mappable = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let marks = device.has_timestamps().then(|| Marks {
            set: device.raw().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("stopwatch"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: DeviceBuffer::new(device.raw(), "timestamps", 2 * TIMESTAMP_BYTES, usage),
            readback: DeviceBuffer::new(device.raw(), "timestamps read back", 2 * TIMESTAMP_BYTES, mappable),
        });
        Self { marks }
    }

    /// Seconds that a pass takes, with what `encode` puts into it.
    pub(crate) async fn time(
        &self,
        device: &GpuDevice,
        encode: impl FnOnce(&mut wgpu::ComputePass<'_>) -> Result<(), ExecutorError>,
    ) -> Result<f64, ExecutorError> {
        let scopes = Scopes::open(device.raw());
        let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let timestamp_writes = self.marks.as_ref().map(|marks| wgpu::ComputePassTimestampWrites {
            query_set: &marks.set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        encode(
            &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }),
        )?;
        if let Some(Marks { set, resolved, readback }) = &self.marks {
            encoder.resolve_query_set(set, 0..2, &resolved.0, 0);
            encoder.copy_buffer_to_buffer(&resolved.0, 0, &readback.0, 0, 2 * TIMESTAMP_BYTES);
        }
        let began = now();
        let submission = device.queue().submit([encoder.finish()]);
        let caught = scopes.close();
        let mut marked = None;
        match &self.marks {
            None => readback::done(device, submission).await,
            Some(Marks { readback, .. }) => {
                map(device, readback, 2 * TIMESTAMP_BYTES, submission).await?;
                marked = read(device, readback);
                readback.0.unmap();
            }
        }
        let passed = now() - began;
        device.faults().explain(caught.await, "timing a kernel")?;
        device.faults().check()?;
        // Some drivers write no timestamps though they say so, and browsers coarsen them.
        Ok(marked.filter(|seconds| *seconds > 0.0).unwrap_or(passed))
    }
}

fn read(device: &GpuDevice, readback: &DeviceBuffer) -> Option<f64> {
    let view = readback.0.get_mapped_range(0..2 * TIMESTAMP_BYTES).ok()?;
    let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&view);
    let passed = ticks[1].saturating_sub(ticks[0]);
    Some(passed as f64 * f64::from(device.queue().get_timestamp_period()) * 1e-9)
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
