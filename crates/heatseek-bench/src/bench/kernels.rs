//! Times of single ops through the executor that runs models: the device's ceilings, and where a run's time goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heatseek::{Error, block_on};
use heatseek_ops::{
    Batch, Buffer, BufferId, CopyRows, Direction, Executor, Gemm, L2Normalize, OutputId, Program,
    ProgramError, Rows, Step, Tensor,
};
use serde::Serialize;

use super::cost::{label, of_run};
use super::dtype::Dtype;
use super::measure::min;
use crate::failure::Failure;

/// Width of the output that is read back to know that everything before it is done.
const SENTINEL: usize = 4;
/// How long one op is timed for.
const BUDGET: Duration = Duration::from_millis(400);
/// Timings of an op at least and at most.
const REPEATS: (usize, usize) = (3, 15);
/// The largest square GEMM that is tried: 4096³ is 137 GFLOP, milliseconds for the fastest devices there are.
const LARGEST_GEMM: usize = 4096;
/// A GEMM that takes longer is large enough.
const LONG_ENOUGH: Duration = Duration::from_millis(20);
/// An op that is so short is repeated more often, as clocks and submits take microseconds.
const SHORT: Duration = Duration::from_millis(2);
/// What is copied: larger than the caches of most devices.
const COPY_ROWS: usize = 1 << 15;
const COPY_WIDTH: usize = 1024;

/// What ops are timed on.
#[derive(Clone, Copy)]
pub struct On<'a> {
    pub executor: &'a dyn Executor,
    pub dtype: Dtype,
}

/// What a device does at best, by our own kernels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ceilings {
    /// With so many threads; `None` where threads are not ours.
    pub threads: Option<usize>,
    /// Of a large square GEMM.
    pub gemm_gflops: f64,
    /// Rows, columns and depth of that.
    pub gemm_size: usize,
    /// Bytes read and written by a large copy.
    pub copy_gb_per_s: f64,
}

impl Ceilings {
    /// What was reached of either.
    pub fn best(self, other: Self) -> Self {
        let larger = if other.gemm_gflops > self.gemm_gflops { other } else { self };
        Self { copy_gb_per_s: self.copy_gb_per_s.max(other.copy_gb_per_s), ..larger }
    }
}

/// The steps of a run that cost the same, together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpRow {
    pub op: String,
    pub count: usize,
    pub flops: u64,
    pub bytes: u64,
    pub share_of_flops: f64,
    /// Of all of them; `None` if they were not timed.
    pub ms: Option<f64>,
    pub share_of_time: Option<f64>,
    pub gflops: Option<f64>,
}

/// The ceilings of the CPU: of one thread, and last of all `threads`, as neither products nor copies need grow with them.
pub fn ceilings_of_cpu(dtype: Dtype, threads: usize, small: bool) -> Result<Vec<Ceilings>, Failure> {
    let mut counts = vec![1, threads];
    counts.dedup();
    let of = |threads| {
        heatseek_cpu::set_threads(threads);
        let measured = ceilings(On { executor: &heatseek_cpu::executor(), dtype }, small)?;
        Ok(Ceilings { threads: Some(heatseek_cpu::threads()), ..measured })
    };
    let measured = counts.into_iter().map(of).collect();
    heatseek_cpu::set_threads(threads);
    measured
}

/// Measures the ceilings; `small` is for devices that take long.
pub fn ceilings(on: On<'_>, small: bool) -> Result<Ceilings, Error> {
    let mut size = if small { 256 } else { 1024 };
    let mut took = gemm_time(on, size)?;
    while !small && took < LONG_ENOUGH && size < LARGEST_GEMM {
        size *= 2;
        took = gemm_time(on, size)?;
    }
    let rows = if small { COPY_ROWS / 16 } else { COPY_ROWS };
    let x = move |program: &mut Program| vec![program.weight("x", noise(&[rows, COPY_WIDTH]))];
    let copy = Repeated::new(CopyRows::of_width(COPY_WIDTH).into(), Rows::Tokens, Box::new(x));
    // In f32 always: which kernels have a copy in f16 is the device's business, what memory can do is not.
    let copied = copy.time(On { dtype: Dtype::F32, ..on }, &Batch::of_lengths(&[rows]))?;
    let bytes = (2 * size_of::<f32>() * rows * COPY_WIDTH) as u64;
    Ok(Ceilings {
        threads: None,
        gemm_gflops: 2.0 * (size as f64).powi(3) / took.as_secs_f64() / 1e9,
        gemm_size: size,
        copy_gb_per_s: bytes as f64 / copied.as_secs_f64() / 1e9,
    })
}

fn gemm_time(on: On<'_>, size: usize) -> Result<Duration, Error> {
    let inputs = move |program: &mut Program| {
        let x = program.weight("x", noise(&[size, size]));
        let weight = program.weight("weight", noise(&[size, size]));
        vec![x, weight, program.weight("bias", noise(&[size]))]
    };
    let gemm = Repeated::new(Gemm::linear(size, size).into(), Rows::Tokens, Box::new(inputs));
    gemm.time(on, &Batch::of_lengths(&[size]))
}

/// What the steps of a run of `batch` cost, those of one kind together, the most expensive first. They are timed if
/// there is something to time them on.
pub fn breakdown(
    program: &Program,
    batch: &Batch,
    dtype: Dtype,
    on: Option<On<'_>>,
) -> Result<Vec<OpRow>, Error> {
    let mut rows: Vec<OpRow> = Vec::new();
    for cost in of_run(program, batch, dtype.bytes())? {
        let name = label(&cost.step.op);
        match rows.iter_mut().find(|row| row.op == name) {
            Some(row) => {
                row.count += 1;
                row.flops += cost.flops;
                row.bytes += cost.bytes;
                // One of a kind is timed.
                row.ms = row.ms.map(|ms| ms * row.count as f64 / (row.count - 1) as f64);
            }
            None => {
                let time = |on| Repeated::of(program, cost.step, batch).time(on, batch);
                let ms = on.map(time).transpose()?.map(|time| 1e3 * time.as_secs_f64());
                let (flops, bytes) = (cost.flops, cost.bytes);
                rows.push(OpRow {
                    op: name,
                    count: 1,
                    flops,
                    bytes,
                    share_of_flops: 0.0,
                    ms,
                    share_of_time: None,
                    gflops: None,
                });
            }
        }
    }
    let flops: u64 = rows.iter().map(|row| row.flops).sum();
    let ms: Option<f64> = rows.iter().map(|row| row.ms).sum();
    for row in &mut rows {
        row.share_of_flops = row.flops as f64 / flops.max(1) as f64;
        row.share_of_time = row.ms.zip(ms).map(|(own, all)| own / all);
        row.gflops = row.ms.map(|ms| row.flops as f64 / ms / 1e6);
    }
    let weight = |row: &OpRow| row.ms.unwrap_or(row.flops as f64);
    rows.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    Ok(rows)
}

type Inputs<'a> = Box<dyn Fn(&mut Program) -> Vec<BufferId> + 'a>;

/// A step with inputs of its own, to be run any number of times.
struct Repeated<'a> {
    step: Step,
    outputs: Vec<(Rows, usize)>,
    inputs: Inputs<'a>,
}

impl<'a> Repeated<'a> {
    fn new(op: heatseek_ops::Op, rows: Rows, inputs: Inputs<'a>) -> Self {
        let width = |binding: &heatseek_ops::Binding| match binding.shape.last() {
            Some(heatseek_ops::Dim::Fixed(width)) => *width,
            _ => 1,
        };
        let bindings = op.bindings();
        let outputs = bindings.iter().filter(|b| b.direction == Direction::Output);
        let outputs = outputs.map(|binding| (rows, width(binding))).collect();
        let step = Step { op, rows, buffers: Vec::new(), only_for: None };
        Self { step, outputs, inputs }
    }

    /// `step` of `program`: its weights and tables, and noise for what other steps have written.
    fn of(program: &'a Program, step: &'a Step, batch: &'a Batch) -> Self {
        let outputs = step.buffers.iter().zip(step.op.bindings());
        let outputs = outputs.filter(|(_, binding)| binding.direction == Direction::Output);
        let written = outputs.filter_map(|(id, _)| program.buffers()[id.0].1.written()).collect();
        let inputs = move |own: &mut Program| {
            let mut ids = Vec::new();
            for (id, binding) in step.buffers.iter().zip(step.op.bindings()) {
                if binding.direction == Direction::Output {
                    continue;
                }
                let (name, buffer) = &program.buffers()[id.0];
                ids.push(match buffer {
                    Buffer::Weight(tensor) => own.weight(name, tensor.clone()),
                    Buffer::Table(table) => own.table(*table),
                    Buffer::Input { width, .. } => own.weight(name, noise(&[batch.rows(), *width])),
                    Buffer::Activation { rows, width } | Buffer::Capture { rows, width } => {
                        own.weight(name, noise(&[rows.count(batch), *width]))
                    }
                });
            }
            ids
        };
        Self { step: step.clone(), outputs: written, inputs: Box::new(inputs) }
    }

    /// The step `times` times, and a small output behind it, of `sequences` rows.
    fn program(&self, times: usize, sequences: usize) -> Result<(Program, OutputId), ProgramError> {
        let mut program = Program::new();
        let mut ids = (self.inputs)(&mut program);
        for (at, (rows, width)) in self.outputs.iter().enumerate() {
            ids.push(program.activation(format!("y{at}"), *rows, *width));
        }
        for _ in 0..times {
            program.push(self.step.op.clone(), self.step.rows, &ids)?;
        }
        let seed = program.weight("sentinel.in", noise(&[sequences, SENTINEL]));
        let done = program.activation("sentinel.out", Rows::Sequences, SENTINEL);
        program.push(L2Normalize { width: SENTINEL }, Rows::Sequences, &[seed, done])?;
        let done = program.output("sentinel", done);
        Ok((program, done))
    }

    /// One execution: what several more of them add, so that the cost of a run itself falls away.
    fn time(&self, on: On<'_>, batch: &Batch) -> Result<Duration, Error> {
        let once = self.time_of(on, batch, 1)?;
        let more = match once {
            once if once > LONG_ENOUGH => 1,
            once if once > SHORT => 8,
            _ => 32,
        };
        let several = self.time_of(on, batch, 1 + more)?;
        // Noise may make several faster than one.
        let added = several.checked_sub(once).filter(|added| !added.is_zero());
        Ok(added.map_or(several / (1 + more as u32), |added| added / more as u32))
    }

    fn time_of(&self, on: On<'_>, batch: &Batch, times: usize) -> Result<Duration, Error> {
        let (program, done) = self.program(times, batch.sequences().len())?;
        let plan = block_on(on.executor.prepare(Arc::new(program), on.dtype.plan(batch.rows())))?;
        let run = || -> Result<f64, Error> {
            let began = Instant::now();
            block_on(plan.run(batch, &[done]))?;
            Ok(began.elapsed().as_secs_f64())
        };
        // The first run makes buffers.
        run()?;
        let (began, mut all) = (Instant::now(), Vec::new());
        while all.len() < REPEATS.0 || (all.len() < REPEATS.1 && began.elapsed() < BUDGET) {
            all.push(run()?);
        }
        // Ceilings are what is reached at best, and others on the machine only ever add.
        Ok(Duration::from_secs_f64(min(&all)))
    }
}

/// Values of −1 to 1.
fn noise(shape: &[usize]) -> Tensor {
    let mut state = 11;
    let value = |random: u64| (random >> 40) as f32 / (1 << 23) as f32 - 1.0;
    let values = (0..shape.iter().product()).map(|_| value(super::synthetic::random(&mut state))).collect();
    Tensor::new(shape, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_has_ceilings_for_one_thread_and_for_all() {
        let threads = |all: usize| -> Vec<_> {
            let measured = ceilings_of_cpu(Dtype::F32, all, true).unwrap();
            assert!(measured.iter().all(|one| one.gemm_gflops > 0.0 && one.copy_gb_per_s > 0.0));
            measured.iter().map(|one| one.threads).collect()
        };
        assert_eq!(threads(2), [Some(1), Some(2)]);
        assert_eq!(threads(1), [Some(1)]);
    }

    #[test]
    fn the_better_of_two_measurements_is_kept_of_each_ceiling() {
        let one = Ceilings { threads: Some(2), gemm_gflops: 3.0, gemm_size: 1024, copy_gb_per_s: 5.0 };
        let other = Ceilings { gemm_gflops: 4.0, gemm_size: 2048, copy_gb_per_s: 2.0, ..one };
        let best = Ceilings { copy_gb_per_s: 5.0, ..other };
        assert_eq!((one.best(other), other.best(one)), (best, best));
    }
}
