//! One run: write the batch, encode every step into one pass, submit once, read the outputs back.

use std::rc::Rc;

use heatseek_ops::{Batch, BufferId, ExecutorError, OutputId, RunControl, Step};

use crate::arena::{Arena, Captures};
use crate::buffer::DeviceBuffer;
use crate::checked;
use crate::device::GpuDevice;
use crate::faults::Scopes;
use crate::plan::{GpuPlan, Stage};
use crate::readback::{self, Segment, map};
use crate::stopwatch::Marks;

/// A dispatch of a run.
pub(crate) struct Dispatch<'a> {
    pub(crate) step: (usize, &'a Step),
    pub(crate) stage: Rc<Stage>,
    pub(crate) grid: [u32; 3],
}

impl Dispatch<'_> {
    pub(crate) fn encode(
        &self,
        plan: &GpuPlan,
        (arena, captures): (&Arena, &Captures),
        pass: &mut wgpu::ComputePass<'_>,
    ) -> Result<(), ExecutorError> {
        let group = arena.group(&plan.device, self.step, &self.stage, &plan.weights, captures)?;
        let [x, y, z] = self.grid;
        pass.set_pipeline(&self.stage.pipeline.raw);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }
}

/// See [`heatseek_ops::Plan::run_with`].
pub(crate) async fn run(
    plan: &GpuPlan,
    batch: &Batch,
    outputs: &[OutputId],
    control: Option<&dyn RunControl>,
) -> Result<Vec<Vec<f32>>, ExecutorError> {
    plan.device.faults().check()?;
    plan.program.accepts(batch, outputs)?;
    if batch.sequences().is_empty() {
        return Ok(vec![Vec::new(); outputs.len()]);
    }
    let _under_way = plan.tuner.begin_run(batch);
    let dispatches = dispatches(plan, batch, outputs).await?;
    let arena = plan.arena(batch).await?;
    finish(plan, batch, outputs, (&arena, &dispatches), control).await
}

/// The dispatches that `outputs` need, compiled; those over no rows are left out.
async fn dispatches<'a>(
    plan: &'a GpuPlan,
    batch: &Batch,
    outputs: &[OutputId],
) -> Result<Vec<Dispatch<'a>>, ExecutorError> {
    let mut all = Vec::with_capacity(plan.program.steps().len());
    for (index, step) in plan.program.steps().iter().enumerate() {
        let rows = step.rows.count(batch);
        if rows == 0 || !plan.program.runs(step, outputs) {
            continue;
        }
        let stage = plan.stage(index, rows)?;
        stage.pipeline.ready(&plan.device).await?;
        let grid = stage.selection.grid(rows, batch);
        let most = plan.device.limits().max_compute_workgroups_per_dimension;
        if let Some(needed) = grid.into_iter().find(|n| *n > most) {
            let why =
                format!("it takes {needed} workgroups and the device runs at most {most}; split the batch");
            return Err(plan
                .device
                .faults()
                .unsupported(format!("{} over {rows} rows", step.op.name()), why));
        }
        if !grid.contains(&0) {
            all.push(Dispatch { step: (index, step), stage, grid });
        }
    }
    Ok(all)
}

async fn finish(
    plan: &GpuPlan,
    batch: &Batch,
    outputs: &[OutputId],
    (arena, dispatches): (&Arena, &[Dispatch<'_>]),
    control: Option<&dyn RunControl>,
) -> Result<Vec<Vec<f32>>, ExecutorError> {
    let device = &plan.device;
    // From here to the submit nothing is awaited: what is written belongs to this run.
    let scopes = Scopes::open(device.raw());
    let captures = Captures::new(device, &plan.program, batch, outputs, plan.checked)?;
    let guards = match plan.checked {
        true => checked::fill(plan, arena, &captures, batch),
        false => Vec::new(),
    };
    let segments = segments(plan, batch, outputs, guards.iter().map(|(_, segment)| *segment));
    let marks = control.and_then(|control| marks(device, control)).filter(|_| !dispatches.is_empty());
    let results: u64 = segments.iter().map(|s| s.bytes).sum();
    let marks_at = results.next_multiple_of(wgpu::MAP_ALIGNMENT);
    let bytes = marks.map_or(results, |_| marks_at + Marks::BYTES);
    let readback = plan.readbacks.take(device, bytes);
    arena.write_batch(device.queue(), &plan.program, batch);
    let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encode(plan, (arena, &captures), (dispatches, marks), &segments, (&readback, &mut encoder))?;
    if let Some(marks) = marks {
        marks.copy(&mut encoder, &readback, marks_at);
    }
    let submission = device.queue().submit([encoder.finish()]);
    let caught = scopes.close();
    if let Some(control) = control.filter(|control| control.wants_computed()) {
        // The copy into a buffer that can be mapped is part of the submission; reading begins behind it.
        readback::done(device, submission.clone()).await;
        control.computed();
    }
    let mapped = (bytes > 0).then(|| map(device, &readback, bytes, submission));

    device.faults().explain(caught.await, "running a batch")?;
    let mut values: Vec<Vec<f32>> = vec![Vec::new(); segments.len()];
    if let Some(mapped) = mapped {
        mapped.await?;
        read(plan, &readback, &segments, &mut values)?;
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(control) = control.filter(|_| marks.is_some())
            && let Ok(copied) = readback.0.get_mapped_range(marks_at..bytes)
            && let Some(seconds) = Marks::seconds(device, &copied)
        {
            control.device_time(seconds);
        }
        readback.0.unmap();
    }
    plan.readbacks.give(readback);
    device.faults().check()?;
    for ((name, _), tail) in guards.iter().zip(&values[outputs.len()..]) {
        checked::verify(device, name, tail)?;
    }
    values.truncate(outputs.len());
    Ok(values)
}

/// Where the device is to write when this run's pass began and ended, if `control` wants to know and it can.
#[cfg(not(target_arch = "wasm32"))]
fn marks<'a>(device: &'a GpuDevice, control: &dyn RunControl) -> Option<&'a Marks> {
    control.wants_device_time().then(|| device.marks()).flatten()
}

/// Pages do not ask: it is for measuring natively, and would be downloaded by everyone.
#[cfg(target_arch = "wasm32")]
fn marks<'a>(_: &'a GpuDevice, _: &dyn RunControl) -> Option<&'a Marks> {
    None
}

/// What is read back: the outputs in order, then the guards.
fn segments(
    plan: &GpuPlan,
    batch: &Batch,
    outputs: &[OutputId],
    guards: impl Iterator<Item = Segment>,
) -> Vec<Segment> {
    let of_output = |id: &OutputId| match plan.program.outputs()[id.0].1 {
        Some(buffer) => {
            Segment { buffer, offset: 0, bytes: 4 * plan.program.len_elems(buffer, batch) as u64 }
        }
        // A switch: there is nothing to read.
        None => Segment { buffer: BufferId(0), offset: 0, bytes: 0 },
    };
    outputs.iter().map(of_output).chain(guards).collect()
}

fn encode(
    plan: &GpuPlan,
    (arena, captures): (&Arena, &Captures),
    (dispatches, marks): (&[Dispatch<'_>], Option<&Marks>),
    segments: &[Segment],
    (readback, encoder): (&DeviceBuffer, &mut wgpu::CommandEncoder),
) -> Result<(), ExecutorError> {
    let device = &plan.device;
    if !dispatches.is_empty() {
        let timestamp_writes = marks.map(Marks::writes);
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        for dispatch in dispatches {
            dispatch.encode(plan, (arena, captures), &mut pass)?;
        }
    }
    let mut offset = 0;
    for segment in segments.iter().filter(|s| s.bytes > 0) {
        let source = arena
            .buffer(segment.buffer)
            .or_else(|| captures.get(segment.buffer))
            .ok_or_else(|| device.faults().internal("an output is not an activation".into()))?;
        encoder.copy_buffer_to_buffer(source, segment.offset, &readback.0, offset, segment.bytes);
        offset += segment.bytes;
    }
    Ok(())
}

fn read(
    plan: &GpuPlan,
    readback: &DeviceBuffer,
    segments: &[Segment],
    values: &mut [Vec<f32>],
) -> Result<(), ExecutorError> {
    let bytes = segments.iter().map(|s| s.bytes).sum();
    let view = readback.0.get_mapped_range(0..bytes);
    let view =
        view.map_err(|error| plan.device.faults().internal(format!("reading the results: {error}")))?;
    let mut rest = &view[..];
    for (segment, values) in segments.iter().zip(values) {
        let (own, others) = rest.split_at(segment.bytes as usize);
        // Where the view is a copy it need not be aligned for f32.
        *values = bytemuck::pod_collect_to_vec(own);
        rest = others;
    }
    Ok(())
}
