//! One run: copy what comes with the batch, launch every step, copy the outputs back, wait once.

use std::rc::Rc;
use std::task::Poll;

use heatseek_ops::{Batch, ExecutorError, OutputId, RunControl, Step};
use heatseek_wgsl::RowClass;

use crate::arena::{Arena, Captures, Span};
use crate::checked;
use crate::device::CudaDevice;
use crate::driver::{DriverError, Launch, Mark};
use crate::memory::Staging;
use crate::plan::{CudaPlan, Stage};

/// A launch of a run.
struct Dispatch<'a> {
    step: (usize, &'a Step),
    class: RowClass,
    stage: &'a Stage,
    grid: [u32; 3],
}

/// A run that the device may be at. Whatever becomes of the future, its memory stays until the device is done.
struct Flight {
    device: CudaDevice,
    staging: Option<Staging>,
    _arena: Rc<Arena>,
    _captures: Captures,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(staging) = self.staging.take()
            && self.device.faults().check().is_ok()
        {
            let _ = staging.end().and_then(|()| staging.wait());
        }
    }
}

/// See [`heatseek_ops::Plan::run_with`]; `control` is not told of the end.
pub(crate) async fn run(
    plan: &CudaPlan,
    batch: &Batch,
    outputs: &[OutputId],
    control: Option<&dyn RunControl>,
) -> Result<Vec<Vec<f32>>, ExecutorError> {
    plan.device.faults().check()?;
    plan.program.accepts(batch, outputs)?;
    if batch.sequences().is_empty() {
        return Ok(vec![Vec::new(); outputs.len()]);
    }
    let dispatches = dispatches(plan, batch, outputs)?;
    let arena = plan.arena(batch)?;
    let captures = Captures::new(&plan.device, &plan.program, batch, outputs, plan.checked)?;
    let explain = |error: DriverError| plan.device.faults().explain(&error, "running a batch");

    let guards = match plan.checked {
        true => checked::fill(plan, &arena, &captures, batch).map_err(explain)?,
        false => Vec::new(),
    };
    let mut segments = Vec::with_capacity(outputs.len() + guards.len());
    for id in outputs {
        segments.push(segment(plan, batch, *id, &arena, &captures)?);
    }
    segments.extend(guards.iter().map(|(_, span)| *span));
    let back = arena.tables.staged_bytes(batch);
    let bytes = back + segments.iter().map(|segment| segment.bytes).sum::<usize>();
    let staging = plan.stagings.take(plan.device.driver(), bytes).map_err(explain)?;
    let mut flight = Flight {
        device: plan.device.clone(),
        staging: Some(staging),
        _arena: arena.clone(),
        _captures: captures,
    };
    let Flight { staging: Some(staging), _captures: captures, .. } = &mut flight else {
        return Err(plan.device.faults().internal("a run without staging".into()));
    };
    arena.tables.write(batch, staging).map_err(explain)?;
    // A checked run waits after each kernel, which is no time of the device's.
    let timed = control.filter(|control| control.wants_device_time());
    let timed = timed.filter(|_| !plan.checked && !dispatches.is_empty());
    let clock = timed.map(|_| staging.clock()).transpose().map_err(explain)?;
    let mark = |mark: Option<Mark>| mark.map_or(Ok(()), |mark| plan.device.driver().mark(mark));
    mark(clock.map(|[from, _]| from)).map_err(explain)?;
    launch(plan, &arena, captures, staging, &dispatches)?;
    mark(clock.map(|[_, to]| to)).map_err(explain)?;
    let mut offset = back;
    for segment in segments.iter().filter(|segment| segment.bytes > 0) {
        staging.download(offset, segment.at, segment.bytes).map_err(explain)?;
        offset += segment.bytes;
    }
    staging.end().map_err(explain)?;

    let_others_begin().await;
    plan.device.faults().check()?;
    staging.wait().map_err(explain)?;
    if let (Some(control), Some([from, to])) = (timed, clock) {
        control.device_time(plan.device.driver().seconds_between(from, to).map_err(explain)?);
    }
    let mut rest = &staging.bytes_mut()[back..];
    let mut values = Vec::with_capacity(segments.len());
    for segment in &segments {
        let (own, others) = rest.split_at(segment.bytes);
        let mut of_segment = vec![0.0f32; own.len() / 4];
        bytemuck::cast_slice_mut(&mut of_segment).copy_from_slice(own);
        values.push(of_segment);
        rest = others;
    }
    if let Some(staging) = flight.staging.take() {
        plan.stagings.give(staging);
    }
    for ((name, _), tail) in guards.iter().zip(&values[outputs.len()..]) {
        checked::verify(&plan.device, name, tail)?;
    }
    values.truncate(outputs.len());
    Ok(values)
}

/// Before this thread blocks for the results, the caller may start other runs, so that the device has work while they
/// are copied.
async fn let_others_begin() {
    let mut asked = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The launches that `outputs` need, compiled; those over no rows are left out.
fn dispatches<'a>(
    plan: &'a CudaPlan,
    batch: &Batch,
    outputs: &[OutputId],
) -> Result<Vec<Dispatch<'a>>, ExecutorError> {
    let steps = plan.program.steps().iter().enumerate();
    let needed: Vec<_> = steps
        .map(|(index, step)| (index, step, step.rows.count(batch)))
        .filter(|(_, step, rows)| *rows > 0 && plan.program.runs(step, outputs))
        .collect();
    let stages: Vec<_> =
        needed.iter().map(|(index, _, rows)| (*index, plan.target.row_class(*rows))).collect();
    plan.ready(&stages)?;
    let mut all = Vec::with_capacity(needed.len());
    for (index, step, rows) in needed {
        let class = plan.target.row_class(rows);
        let Some(stage) = plan.stage(index, class) else {
            return Err(plan.device.faults().internal(format!("{} is not ready", step.op.name())));
        };
        let grid = stage.selection.grid(rows, batch);
        if !grid.contains(&0) {
            all.push(Dispatch { step: (index, step), class, stage, grid });
        }
    }
    Ok(all)
}

/// Where an output lies; a switch has nothing.
fn segment(
    plan: &CudaPlan,
    batch: &Batch,
    output: OutputId,
    arena: &Arena,
    captures: &Captures,
) -> Result<Span, ExecutorError> {
    let Some(buffer) = plan.program.outputs()[output.0].1 else { return Ok(Span { at: 0, bytes: 0 }) };
    let whole = arena.activation(buffer).or_else(|| captures.get(buffer));
    let bytes = 4 * plan.program.len_elems(buffer, batch);
    let whole = whole.filter(|span| span.bytes >= bytes);
    let at = whole.ok_or_else(|| plan.device.faults().internal("an output is not an activation".into()))?.at;
    Ok(Span { at, bytes })
}

fn launch(
    plan: &CudaPlan,
    arena: &Arena,
    captures: &Captures,
    staging: &Staging,
    dispatches: &[Dispatch<'_>],
) -> Result<(), ExecutorError> {
    let device = &plan.device;
    let mut arguments = Vec::with_capacity(dispatches.len());
    for Dispatch { step, class, stage, .. } in dispatches {
        arguments.push(arena.arguments(plan, *step, *class, stage, captures)?);
    }
    let one = |dispatch: &Dispatch<'_>, arguments: &[u64]| {
        let loaded = &dispatch.stage.loaded;
        let launch =
            Launch { function: loaded.function, grid: dispatch.grid, block: loaded.block, arguments };
        device.driver().launch(&launch)
    };
    if plan.checked || !captures.is_empty() {
        for (dispatch, arguments) in dispatches.iter().zip(&arguments) {
            let name = dispatch.stage.selection.kernel.name;
            let explain = |error: DriverError| {
                device
                    .faults()
                    .explain(&error, &format!("running kernel `{name}` over {:?} blocks", dispatch.grid))
            };
            one(dispatch, arguments).map_err(explain)?;
            if plan.checked {
                // One by one, so that what a kernel does wrong is told of this kernel.
                staging.end().and_then(|()| staging.wait()).map_err(explain)?;
            }
        }
        return Ok(());
    }
    let shape = dispatches.iter().map(|d| (d.step.0, d.class.index(), d.grid)).collect();
    let mut all =
        || dispatches.iter().zip(&arguments).try_for_each(|(dispatch, arguments)| one(dispatch, arguments));
    arena
        .graphs
        .borrow_mut()
        .run(shape, &mut all)
        .map_err(|error| device.faults().explain(&error, "running a batch"))
}
