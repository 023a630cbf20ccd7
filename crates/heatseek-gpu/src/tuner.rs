//! The tuner: times the kernels that run an op on this adapter, and takes what is clearly faster than what the tables
//! say, if its answers are the same.
//!
//! One trial decides about one shape of op at one number of rows: that of the last run in its [`RowBand`], on the plan's
//! own weights and activations, whose values runs write anew anyway. So it takes no more activations than runs had; what
//! it takes besides is read-back of [`CHECKED_ROWS`] rows of two answers at most, and the pipelines of what lost. A trial
//! goes on by steps of one submission each, between which runs are submitted as ever.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use half::f16;
use heatseek_ops::{Batch, Buffer, Direction, Dtype, ExecutorError, Rows, Step, Tuning};
use heatseek_wgsl::{RowBand, Selection, candidates, shape};

use crate::arena::{Arena, Captures};
use crate::buffer::DeviceBuffer;
use crate::faults::Scopes;
use crate::plan::{GpuPlan, Stage};
use crate::readback::map;
use crate::run::Dispatch;
use crate::stopwatch::Stopwatch;
use crate::tuned::Choice;

/// Rounds of a trial, in each of which every kernel is timed once.
const ROUNDS: usize = 9;
/// Rounds that a kernel may lose to the tables' and still win: a fair coin loses no more than two of nine in 9 % of cases.
const LOSSES: usize = 2;
/// Most of the tables' kernel's time that the winner may take, by the median over rounds.
const CLEARLY_FASTER: f64 = 0.95;
/// Seconds that one timing should take: 40 times what Chrome rounds timestamps to, and too few to be felt by a run that
/// waits behind it.
const TIMING_SECONDS: f64 = 4e-3;
/// Most dispatches of one timing.
const MOST_REPEATS: usize = 256;
/// Rows of answers that are compared: the last ones, where tiles end.
const CHECKED_ROWS: usize = 1024;
/// Rows that sequences have where none are known.
const USUAL_LENGTH: usize = 128;
/// Most that answers may differ, relative to the largest value: the self-check's bar for f32, and a rounding of halves;
/// it is also as much as another order of sums moves the integers of int8.
const F32_ERROR: f32 = 2e-5;
const NARROW_ERROR: f32 = 2e-3;

/// What a plan needs to tune itself.
#[derive(Default)]
pub(crate) struct Tuner {
    runs: Cell<usize>,
    /// Rows and sequences of the last run of each band.
    seen: [Cell<Option<(usize, usize)>>; RowBand::COUNT],
    trial: RefCell<Option<Trial>>,
}

/// A run that is under way, until it is dropped.
pub(crate) struct UnderWay<'a>(&'a Cell<usize>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Tuner {
    /// Notes that a run of `batch` begins.
    pub(crate) fn begin_run(&self, batch: &Batch) -> UnderWay<'_> {
        self.seen[RowBand::of(batch.rows()).index()].set(Some((batch.rows(), batch.sequences().len())));
        self.runs.set(self.runs.get() + 1);
        UnderWay(&self.runs)
    }
}

/// See [`heatseek_ops::Plan::tune`].
pub(crate) async fn tune(plan: &GpuPlan, also: &[usize]) -> Result<Tuning, ExecutorError> {
    plan.device.faults().check()?;
    if plan.tuner.runs.get() > 0 {
        return Ok(Tuning::Waiting);
    }
    // If this future is dropped, the trial is, too, and begins again.
    let trial = plan.tuner.trial.take();
    let Some(mut trial) = trial.or_else(|| Trial::next(plan, also)) else { return Ok(Tuning::Done) };
    match trial.step(plan).await {
        Ok(None) => {
            plan.tuner.trial.replace(Some(trial));
            Ok(Tuning::More)
        }
        Ok(Some(choice)) => {
            plan.device.choose([choice]);
            Ok(Tuning::Chosen)
        }
        Err(lost @ ExecutorError::Lost { .. }) => Err(lost),
        // What cannot be measured is left as it is, and not tried again.
        Err(_) => {
            plan.device.choose([trial.choice(0, 1.0)]);
            Ok(Tuning::Chosen)
        }
    }
}

/// The kernels that run one shape of op at one number of rows, while they are compared.
struct Trial {
    shape: String,
    band: RowBand,
    batch: Batch,
    /// Places of the steps that are the same but for their weights.
    steps: Vec<usize>,
    /// The first is what the tables say.
    selections: Vec<Selection>,
    stages: Vec<Option<Rc<Stage>>>,
    contest: Contest,
    /// Dispatches of one timing, when that is known.
    repeats: Option<usize>,
    stopwatch: Stopwatch,
}

impl Trial {
    /// The next that is worth while; none if all is decided for the rows that runs had and for `also`.
    fn next(plan: &GpuPlan, also: &[usize]) -> Option<Self> {
        let mut wanted: Vec<_> = plan.tuner.seen.iter().map(Cell::get).collect();
        for &rows in also.iter().filter(|rows| **rows > 0) {
            wanted[RowBand::of(rows).index()].get_or_insert((rows, rows.div_ceil(USUAL_LENGTH)));
        }
        let sizes = RowBand::all().zip(wanted).filter_map(|(band, size)| Some((band, size?)));
        sizes.filter(|(_, (rows, _))| *rows > 0).find_map(|(band, size)| {
            let mut steps = plan.eager().filter(|(_, step)| step.rows == Rows::Tokens);
            steps.find_map(|(_, step)| Self::new(plan, step, band, size))
        })
    }

    /// None if there is one kernel, or one was chosen already.
    fn new(plan: &GpuPlan, step: &Step, band: RowBand, (rows, sequences): (usize, usize)) -> Option<Self> {
        let narrow = plan.storage.narrow(step);
        let shape = shape(&step.op, &narrow)?;
        let class = plan.target.row_class(rows);
        let selections = candidates(&step.op, class, &plan.target, &narrow).ok()?;
        let choices = plan.device.choices_now();
        let known = choices.get(&shape, band);
        let decided = known.is_some_and(|choice| selections.iter().any(|s| s.kernel.name == choice.kernel));
        if decided || selections.len() < 2 {
            return None;
        }
        let same = |other: &Step| {
            other.rows == step.rows && other.op == step.op && plan.storage.narrow(other) == narrow
        };
        let steps = plan.eager().filter(|(_, other)| same(other)).map(|(index, _)| index).collect();
        let lengths: Vec<usize> = (0..sequences).map(|s| (rows + s) / sequences).collect();
        Some(Self {
            batch: Batch::of_lengths(&lengths),
            steps,
            stages: Vec::new(),
            contest: Contest::new(selections.len()),
            repeats: None,
            stopwatch: Stopwatch::new(&plan.device),
            shape,
            band,
            selections,
        })
    }

    /// Does what is to be done next, with one submission at most; the choice, once it is made.
    async fn step(&mut self, plan: &GpuPlan) -> Result<Option<Choice>, ExecutorError> {
        let at = self.stages.len();
        if let Some(selection) = self.selections.get(at) {
            let stage = compiled(plan, selection).await;
            self.stages.push(stage.as_ref().ok().cloned());
            match stage {
                Err(error) if at == 0 || matches!(error, ExecutorError::Lost { .. }) => return Err(error),
                Err(_) => self.contest.refuse(at),
                Ok(_) if at > 0 && !self.agrees(plan, at).await? => self.contest.refuse(at),
                Ok(_) => {}
            }
            return Ok(None);
        }
        let Some(repeats) = self.repeats else {
            let once = self.time(plan, 0, 1).await?;
            let repeats = (TIMING_SECONDS / once).ceil() as usize;
            self.repeats = Some(repeats.clamp(1, MOST_REPEATS));
            return Ok(None);
        };
        let Some(turn) = self.contest.turn() else {
            let (winner, share) = self.contest.verdict();
            return Ok(Some(self.choice(winner, share)));
        };
        let seconds = self.time(plan, turn, repeats).await?;
        self.contest.record(turn, plan.device.believed(self.selections[turn].kernel, seconds));
        Ok(None)
    }

    fn choice(&self, winner: usize, share: f64) -> Choice {
        Choice {
            shape: self.shape.clone(),
            rows: self.band.rows(),
            kernel: self.selections[winner].kernel.name.to_owned(),
            percent: (100.0 * share).round() as u32,
            cached: false,
        }
    }

    /// Seconds that kernel `which` takes for `repeats` dispatches, of one step after another.
    async fn time(&self, plan: &GpuPlan, which: usize, repeats: usize) -> Result<f64, ExecutorError> {
        let arena = plan.arena(&self.batch).await?;
        arena.write_batch(plan.device.queue(), &plan.program, &self.batch);
        let steps = self.steps.iter().cycle().take(repeats);
        let dispatches =
            steps.map(|&index| self.dispatch(plan, index, which)).collect::<Result<Vec<_>, _>>()?;
        let captures = Captures::default();
        let encode = |pass: &mut wgpu::ComputePass<'_>| {
            dispatches.iter().try_for_each(|dispatch| dispatch.encode(plan, (&arena, &captures), pass))
        };
        self.stopwatch.time(&plan.device, encode).await
    }

    fn dispatch<'a>(
        &self,
        plan: &'a GpuPlan,
        index: usize,
        which: usize,
    ) -> Result<Dispatch<'a>, ExecutorError> {
        let stage = self.stages.get(which).cloned().flatten();
        let stage =
            stage.ok_or_else(|| plan.device.faults().internal("a kernel is tried too soon".into()))?;
        let grid = stage.selection.grid(self.batch.rows(), &self.batch);
        let most = plan.device.limits().max_compute_workgroups_per_dimension;
        if grid.into_iter().any(|count| count > most) {
            let what = format!("{} over {} rows", self.shape, self.batch.rows());
            return Err(plan.device.faults().unsupported(what, format!("it takes {grid:?} workgroups")));
        }
        Ok(Dispatch { step: (index, &plan.program.steps()[index]), stage, grid })
    }

    /// Whether kernel `which` answers as the first one does, of noise.
    async fn agrees(&self, plan: &GpuPlan, which: usize) -> Result<bool, ExecutorError> {
        let device = &plan.device;
        let arena = plan.arena(&self.batch).await?;
        let step = &plan.program.steps()[self.steps[0]];
        let answers = self.answers(plan, step);
        let bytes: u64 = answers.iter().map(|part| part.bytes).sum();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;

        let scopes = Scopes::open(device.raw());
        let readback = DeviceBuffer::new(device.raw(), "answers of two kernels", 2 * bytes, usage);
        arena.write_batch(device.queue(), &plan.program, &self.batch);
        self.write_noise(plan, &arena, step);
        let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut offset = 0;
        for which in [0, which] {
            let dispatch = self.dispatch(plan, self.steps[0], which)?;
            // What one kernel leaves must not pass for the answer of the next.
            let buffers = answers.iter().filter_map(|part| Some((arena.buffer(part.buffer)?, part)));
            for (buffer, part) in buffers.clone() {
                encoder.clear_buffer(buffer, part.offset, Some(part.bytes));
            }
            dispatch.encode(
                plan,
                (&arena, &Captures::default()),
                &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()),
            )?;
            for (buffer, part) in buffers {
                encoder.copy_buffer_to_buffer(buffer, part.offset, &readback.0, offset, part.bytes);
                offset += part.bytes;
            }
        }
        let submission = device.queue().submit([encoder.finish()]);
        let caught = scopes.close();
        let mapped = map(device, &readback, 2 * bytes, submission);
        device.faults().explain(caught.await, "comparing kernels")?;
        mapped.await?;
        let view = readback.0.get_mapped_range(0..2 * bytes);
        let view = view.map_err(|error| device.faults().internal(format!("reading two answers: {error}")))?;
        let (mut expected, mut actual) = view.split_at(bytes as usize);
        Ok(answers.iter().all(|part| {
            let (of_first, of_other) = (part.take(&mut expected), part.take(&mut actual));
            let most = if plan.target.dtype == Dtype::F32 { F32_ERROR } else { NARROW_ERROR };
            are_alike(&of_first, &of_other, most)
        }))
    }

    /// The ends of what `step` writes.
    fn answers(&self, plan: &GpuPlan, step: &Step) -> Vec<Part> {
        let bindings = step.op.bindings();
        let written = bindings.iter().zip(&step.buffers).filter(|(b, _)| b.direction == Direction::Output);
        written.filter_map(|(_, id)| self.end(plan, *id)).collect()
    }

    /// The last rows of an activation.
    fn end(&self, plan: &GpuPlan, buffer: heatseek_ops::BufferId) -> Option<Part> {
        let width = match plan.program.buffers()[buffer.0].1 {
            Buffer::Activation { width, .. } | Buffer::Input { width, .. } => width,
            _ => return None,
        };
        let dtype = plan.storage.dtype(buffer);
        let rows = self.batch.rows();
        let row_bytes = (width * dtype.size_bytes()) as u64;
        let checked = rows.min(CHECKED_ROWS);
        let (offset, bytes) = ((rows - checked) as u64 * row_bytes, checked as u64 * row_bytes);
        Some(Part { buffer, dtype, offset, bytes })
    }

    /// Writes noise into the last rows of what `step` reads.
    fn write_noise(&self, plan: &GpuPlan, arena: &Arena, step: &Step) {
        let bindings = step.op.bindings();
        let read = bindings.iter().zip(&step.buffers).filter(|(b, _)| b.direction == Direction::Input);
        for part in read.filter_map(|(_, id)| self.end(plan, *id)) {
            let Some(target) = arena.buffer(part.buffer) else { continue };
            // Knuth's multiplicative hash as noise, of −1 to 1.
            let value = |i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let values = (1..).map(value).take(part.bytes as usize / part.dtype.size_bytes());
            let bytes: Vec<u8> = match part.dtype {
                Dtype::F16 => values.flat_map(|v| f16::from_f32(v).to_le_bytes()).collect(),
                Dtype::F32 | Dtype::Bf16 | Dtype::Int8 => values.flat_map(f32::to_le_bytes).collect(),
            };
            plan.device.queue().write_buffer(target, part.offset, &bytes);
        }
    }
}

/// The kernel of `selection`, compiled. Browsers do that beside everything else.
async fn compiled(plan: &GpuPlan, selection: &Selection) -> Result<Rc<Stage>, ExecutorError> {
    let started = {
        let mut pipelines = plan.device.pipelines().borrow_mut();
        pipelines.start(&plan.device, selection, plan.checked)?;
        pipelines.take_started()
    };
    started.settle().await;
    let stage = plan.made(selection.clone())?;
    stage.pipeline.ready(&plan.device).await?;
    Ok(Rc::new(stage))
}

/// Rows of an activation.
struct Part {
    buffer: heatseek_ops::BufferId,
    dtype: Dtype,
    offset: u64,
    bytes: u64,
}

impl Part {
    /// Its values, from the front of `rest`.
    fn take(&self, rest: &mut &[u8]) -> Vec<f32> {
        let (own, others) = rest.split_at(self.bytes as usize);
        *rest = others;
        match self.dtype {
            Dtype::F16 => own.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::F32 | Dtype::Bf16 | Dtype::Int8 => bytemuck::pod_collect_to_vec(own),
        }
    }
}

/// Whether no value is further from its counterpart than `most` of the largest. Written so that NaN never is alike.
fn are_alike(expected: &[f32], actual: &[f32], most: f32) -> bool {
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    expected.iter().zip(actual).all(|(e, a)| (e - a).abs() <= most * largest)
}

/// Times of kernels that are tried in rounds, and who wins. The first has to be beaten.
struct Contest {
    /// Of each kernel, one a round.
    times: Vec<Vec<f64>>,
    refused: Vec<bool>,
}

impl Contest {
    fn new(kernels: usize) -> Self {
        Self { times: vec![Vec::new(); kernels], refused: vec![false; kernels] }
    }

    /// Whose answers are wrong, or who cannot run, does not take part.
    fn refuse(&mut self, kernel: usize) {
        self.refused[kernel] = true;
    }

    fn record(&mut self, kernel: usize, seconds: f64) {
        self.times[kernel].push(seconds);
    }

    /// Who is timed next; none when it is decided. Each round begins with another kernel, so that none is always the first
    /// behind the same one.
    fn turn(&self) -> Option<usize> {
        let (count, round) = (self.times.len(), self.rounds());
        if round >= ROUNDS || !(1..count).any(|kernel| self.takes_part(kernel)) {
            return None;
        }
        let mut turns = (0..count).map(|turn| (turn + round) % count);
        turns.find(|&kernel| self.takes_part(kernel) && self.times[kernel].len() == round)
    }

    /// Rounds that are complete.
    fn rounds(&self) -> usize {
        let taking_part = (0..self.times.len()).filter(|&kernel| self.takes_part(kernel));
        taking_part.map(|kernel| self.times[kernel].len()).min().unwrap_or(ROUNDS)
    }

    /// Whether a kernel can still win. The first one always takes part.
    fn takes_part(&self, kernel: usize) -> bool {
        let losses = self.shares(kernel).filter(|share| !(*share < 1.0)).count();
        kernel == 0 || (!self.refused[kernel] && losses <= LOSSES)
    }

    /// Its times as shares of the first one's in the same rounds.
    fn shares(&self, kernel: usize) -> impl Iterator<Item = f64> {
        self.times[kernel].iter().zip(&self.times[0]).map(|(own, first)| own / first)
    }

    /// Who won, and the median of its shares.
    fn verdict(&self) -> (usize, f64) {
        let mut best = (0, 1.0);
        for kernel in (1..self.times.len()).filter(|&kernel| self.takes_part(kernel)) {
            let mut shares: Vec<f64> = self.shares(kernel).collect();
            shares.sort_by(f64::total_cmp);
            let median = shares.get(shares.len() / 2).copied().unwrap_or(1.0);
            if shares.len() == ROUNDS && median <= CLEARLY_FASTER && median < best.1 {
                best = (kernel, median);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a contest in which kernel `k` takes `seconds(k, round)`; the winner, its share, and the turns.
    fn play(kernels: usize, seconds: impl Fn(usize, usize) -> f64) -> ((usize, f64), Vec<usize>) {
        let mut contest = Contest::new(kernels);
        let mut turns = Vec::new();
        while let Some(turn) = contest.turn() {
            contest.record(turn, seconds(turn, contest.times[turn].len()));
            turns.push(turn);
            assert!(turns.len() <= kernels * ROUNDS, "it ends");
        }
        (contest.verdict(), turns)
    }

    #[test]
    fn what_is_clearly_faster_in_nearly_all_rounds_wins_and_the_fastest_of_those() {
        let (verdict, turns) = play(4, |kernel, _| [1.0, 0.9, 0.7, 0.8][kernel]);
        assert_eq!(verdict, (2, 0.7));
        assert_eq!(turns.len(), 4 * ROUNDS);
        assert_eq!(turns[..8], [0, 1, 2, 3, 1, 2, 3, 0], "another one begins each round");
        // A noisy machine: all get slower together, and twice another program comes in between.
        let noisy = |kernel: usize, round: usize| {
            let interrupted = kernel == 1 && [2, 5].contains(&round);
            (1.0 + round as f64) * if interrupted { 9.0 } else { [1.0, 0.9][kernel] }
        };
        assert_eq!(play(2, noisy).0.0, 1);
    }

    #[test]
    fn what_is_hardly_faster_or_not_reliably_so_does_not_win() {
        assert_eq!(play(2, |kernel, _| [1.0, 0.96][kernel]).0, (0, 1.0));
        // The median alone would be 0.5.
        let unreliable =
            |kernel: usize, round: usize| if kernel == 1 && !round.is_multiple_of(3) { 0.5 } else { 1.0 };
        let (verdict, turns) = play(2, unreliable);
        assert_eq!(verdict, (0, 1.0));
        assert!(turns.len() < 2 * ROUNDS, "it ends with the third loss");
        for nonsense in [f64::NAN, f64::INFINITY, 1.0] {
            assert_eq!(play(2, |kernel, _| if kernel == 1 { nonsense } else { 1.0 }).0, (0, 1.0));
        }
        let (verdict, turns) = play(3, |kernel, _| [1.0, 2.0, 0.5][kernel]);
        assert_eq!(verdict, (2, 0.5));
        assert_eq!(turns.iter().filter(|turn| **turn == 1).count(), LOSSES + 1, "losers are not timed again");
    }

    #[test]
    fn who_is_refused_takes_no_part_and_one_alone_is_not_timed() {
        let mut contest = Contest::new(3);
        contest.refuse(2);
        let mut turns = Vec::new();
        while let Some(turn) = contest.turn() {
            contest.record(turn, [1.0, 0.9, 0.1][turn]);
            turns.push(turn);
        }
        assert!(!turns.contains(&2));
        assert_eq!(contest.verdict(), (1, 0.9));
        let mut alone = Contest::new(2);
        alone.refuse(1);
        assert_eq!((alone.turn(), alone.verdict()), (None, (0, 1.0)));
    }

    #[test]
    fn answers_are_alike_up_to_rounding_of_the_largest_and_nan_never_is() {
        let expected = [4.0, -0.5, 0.0];
        assert!(are_alike(&expected, &[4.0, -0.5, 7e-5], F32_ERROR));
        assert!(!are_alike(&expected, &[4.0, -0.5, 9e-5], F32_ERROR));
        assert!(!are_alike(&expected, &[4.0, -0.5, f32::NAN], F32_ERROR));
        assert!(!are_alike(&[f32::NAN], &[f32::NAN], F32_ERROR));
        assert!(!are_alike(&expected, &[0.0; 3], NARROW_ERROR));
    }
}
