//! Where the activations of a run are: one block of memory that is kept from run to run, in which what is never needed
//! at the same time lies at the same place.

use std::ops::Range;
use std::sync::{Arc, Weak};

use crate::{Batch, Buffer, BufferId, Direction, OutputId, Program, Rows, UNWRITTEN};

/// Elements of pattern behind each activation of a checked run.
const GUARD_ELEMS: usize = 64;
/// Activations begin on cache lines, of so many elements.
const LINE_ELEMS: usize = 16;
/// After so many runs in a row that need less than a quarter of the memory, it is given back.
const SMALL_RUNS: usize = 16;

/// The most a step may write.
pub(crate) const MAX_OUTPUTS: usize = 2;

/// What a step's binding is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// No activation, or one that this run does not write.
    #[default]
    None,
    /// These elements of the block.
    Block(Range<usize>),
    /// A capture: it has memory of its own, as other runs do without.
    Capture(BufferId),
}

/// The places of everything that a run writes.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Of each step's bindings.
    pub(crate) steps: Vec<Vec<Place>>,
    /// Of what each buffer holds in the end.
    last: Vec<Place>,
    /// Elements of the block.
    len: usize,
}

/// Something a step writes and later ones read. A buffer that is written again holds another value.
struct Value {
    len: usize,
    /// The step that writes it.
    first: usize,
    /// The last that reads it; of an output no step.
    last: usize,
    start: usize,
    bindings: Vec<(usize, usize)>,
}

impl Layout {
    /// Lays out a run of `batch` for `outputs`, with `guard` elements behind each activation. The largest are placed
    /// first, each as far in front as those that are needed at the same time leave it.
    pub(crate) fn new(program: &Program, batch: &Batch, outputs: &[OutputId], checked: bool) -> Self {
        let guard = if checked { GUARD_ELEMS } else { 0 };
        let mut steps: Vec<Vec<Place>> = vec![Vec::new(); program.steps().len()];
        let mut last = vec![Place::None; program.buffers().len()];
        let mut values: Vec<Value> = Vec::new();
        let mut held: Vec<Option<usize>> = vec![None; program.buffers().len()];
        for (index, step) in program.steps().iter().enumerate().filter(|(_, s)| program.runs(s, outputs)) {
            steps[index] = vec![Place::None; step.buffers.len()];
            let bindings = step.op.bindings();
            let is_output = |at: &usize| bindings[*at].direction == Direction::Output;
            let inputs = (0..bindings.len()).filter(|at| !is_output(at));
            for at in inputs.chain((0..bindings.len()).filter(is_output)) {
                let id = step.buffers[at];
                match &program.buffers()[id.0].1 {
                    Buffer::Capture { .. } => {
                        last[id.0] = Place::Capture(id);
                        steps[index][at] = Place::Capture(id);
                    }
                    Buffer::Activation { .. } => {
                        if is_output(&at) {
                            let len = program.len_elems(id, batch);
                            held[id.0] = Some(values.len());
                            values.push(Value {
                                len,
                                first: index,
                                last: index,
                                start: 0,
                                bindings: Vec::new(),
                            });
                        }
                        if let Some(value) = held[id.0] {
                            values[value].last = index;
                            values[value].bindings.push((index, at));
                        }
                    }
                    _ => {}
                }
            }
        }
        for id in outputs.iter().filter_map(|id| program.outputs()[id.0].1) {
            if let Some(value) = held[id.0] {
                values[value].last = usize::MAX;
            }
        }
        let len = place(&mut values, guard);
        for value in &values {
            for &(step, at) in &value.bindings {
                steps[step][at] = Place::Block(value.start..value.start + value.len);
            }
        }
        for (place, value) in last.iter_mut().zip(&held) {
            if let Some(value) = value.map(|index| &values[index]) {
                *place = Place::Block(value.start..value.start + value.len);
            }
        }
        Self { steps, last, len }
    }
}

/// Gives each value its start, and returns how long the block has to be.
fn place(values: &mut [Value], guard: usize) -> usize {
    let reserved = |value: &Value| (value.len + guard).next_multiple_of(LINE_ELEMS);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(values[index].len));
    let mut len = 0;
    for (placed, &index) in order.iter().enumerate() {
        let value = &values[index];
        let taken: Vec<Range<usize>> = order[..placed]
            .iter()
            .map(|&other| &values[other])
            .filter(|other| other.first <= value.last && value.first <= other.last)
            .map(|other| other.start..other.start + reserved(other))
            .collect();
        let (mut start, needed) = (0, reserved(value));
        // Whatever is in the way is so for every start before its end.
        while let Some(range) = taken.iter().find(|r| r.start < start + needed && start < r.end) {
            start = range.end;
        }
        values[index].start = start;
        len = len.max(start + needed);
    }
    len
}

/// What decides where things lie.
#[derive(Default)]
struct Key {
    /// Weak, so that nothing is kept for it but its address, which no other Program can have as long.
    program: Weak<Program>,
    outputs: Vec<OutputId>,
    /// Of tokens, sequences and queries.
    rows: [usize; 3],
    checked: bool,
}

/// The memory of a plan's activations and the layout of its last run.
#[derive(Default)]
pub(crate) struct Activations {
    key: Key,
    layout: Layout,
    /// The block, and a line more than it needs, to begin on one.
    memory: Vec<f32>,
    captures: Vec<Option<Vec<f32>>>,
    small_runs: usize,
}

/// What a step of a run writes and what it can read.
pub(crate) struct Step<'a> {
    /// By binding.
    pub(crate) places: &'a [Place],
    written: [Option<(usize, &'a mut [f32])>; MAX_OUTPUTS],
    /// The rest of the block, with where it begins.
    pieces: [(usize, &'a [f32]); MAX_OUTPUTS + 1],
    /// The last of the pieces.
    last: usize,
    captures: &'a [Option<Vec<f32>>],
}

impl Activations {
    /// Lays out a run, unless it is like the last one, and has the memory for it.
    pub(crate) fn begin(
        &mut self,
        program: &Arc<Program>,
        batch: &Batch,
        outputs: &[OutputId],
        checked: bool,
    ) {
        let rows = [Rows::Tokens, Rows::Sequences, Rows::Queries].map(|rows| rows.count(batch));
        let key = &self.key;
        let is_same = std::ptr::eq(key.program.as_ptr(), Arc::as_ptr(program))
            && (key.rows, key.checked) == (rows, checked)
            && key.outputs == outputs;
        if !is_same {
            self.layout = Layout::new(program, batch, outputs, checked);
            self.key = Key { program: Arc::downgrade(program), outputs: outputs.to_vec(), rows, checked };
        }
        self.captures.clear();
        self.captures.resize_with(program.buffers().len(), || None);
        let needed = self.layout.len + LINE_ELEMS;
        self.small_runs = if needed < self.memory.len() / 4 { self.small_runs + 1 } else { 0 };
        if needed > self.memory.len() || self.small_runs > SMALL_RUNS {
            // Not `resize`, which would hold the old block and the new one at the same time.
            self.memory = Vec::new();
            self.memory = vec![0.0; needed];
            self.small_runs = 0;
        }
    }

    fn block(memory: &mut [f32]) -> &mut [f32] {
        // In elements; never more than the line there is for it.
        let at = memory.as_ptr().align_offset(4 * LINE_ELEMS).min(LINE_ELEMS);
        &mut memory[at..]
    }

    /// Bytes that are kept for the next run.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.memory[..])
    }

    /// Hands `body` what step `index` writes and reads. In a checked run everything that it writes is first filled
    /// with [`UNWRITTEN`], and so is what lies behind; the binding whose end was overrun is returned.
    pub(crate) fn step<E>(
        &mut self,
        index: usize,
        outputs: &[(usize, BufferId, usize)],
        body: impl FnOnce(&mut Step<'_>) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let guard = if self.key.checked { GUARD_ELEMS } else { 0 };
        let places = &self.layout.steps[index];
        let block = Self::block(&mut self.memory);
        let mut new: [Option<(usize, BufferId, Vec<f32>)>; MAX_OUTPUTS] = [None, None];
        let mut ranges = [(0, 0..0), (0, 0..0)];
        let mut count = 0;
        for (slot, &(at, id, len)) in new.iter_mut().zip(outputs) {
            match &places[at] {
                Place::Block(range) => {
                    ranges[count] = (at, range.start..range.end + guard);
                    count += 1;
                }
                _ => {
                    let fill = if guard > 0 { f32::from_bits(UNWRITTEN) } else { 0.0 };
                    *slot = Some((at, id, vec![fill; len + guard]));
                }
            }
        }
        // There are two at most.
        if count == 2 && ranges[1].1.start < ranges[0].1.start {
            ranges.swap(0, 1);
        }
        let ranges = &ranges[..count];
        if guard > 0 {
            for (_, range) in ranges.iter() {
                block[range.clone()].fill(f32::from_bits(UNWRITTEN));
            }
        }
        {
            let mut step = Step {
                places,
                written: [None, None],
                pieces: [(0, &[]), (0, &[]), (0, &[])],
                last: count,
                captures: &self.captures,
            };
            let (mut rest, mut begins) = (&mut *block, 0);
            let mut slots = step.written.iter_mut();
            for (piece, (at, range)) in step.pieces.iter_mut().zip(ranges.iter()) {
                let (before, from) = rest.split_at_mut(range.start - begins);
                let (out, behind) = from.split_at_mut(range.len());
                *piece = (begins, before);
                if let Some(slot) = slots.next() {
                    *slot = Some((*at, &mut out[..range.len() - guard]));
                }
                (rest, begins) = (behind, range.end);
            }
            step.pieces[count] = (begins, rest);
            for (at, _, values) in new.iter_mut().flatten() {
                let len = values.len() - guard;
                if let Some(slot) = slots.next() {
                    *slot = Some((*at, &mut values[..len]));
                }
            }
            body(&mut step)?;
        }
        let is_whole = |tail: &[f32]| tail.iter().all(|v| v.to_bits() == UNWRITTEN);
        let mut overrun = None;
        for (at, range) in ranges.iter() {
            if !is_whole(&block[range.end - guard..range.end]) {
                overrun = Some(*at);
            }
        }
        for (at, id, values) in new.into_iter().flatten() {
            if !is_whole(&values[values.len() - guard..]) {
                overrun = Some(at);
            }
            self.captures[id.0] = Some(values);
        }
        Ok(overrun)
    }

    /// What `buffer` holds after a run; a capture is handed out as it is, and gone,
    /// unless it is wanted `again`.
    pub(crate) fn take(&mut self, buffer: BufferId, len: usize, again: bool) -> Vec<f32> {
        match &self.layout.last[buffer.0] {
            Place::Block(range) => Self::block(&mut self.memory)[range.clone()].to_vec(),
            Place::Capture(_) if again => {
                self.captures[buffer.0].as_ref().map_or_else(Vec::new, |values| values[..len].to_vec())
            }
            Place::Capture(_) => {
                let mut values = self.captures[buffer.0].take().unwrap_or_default();
                values.truncate(len);
                values
            }
            Place::None => Vec::new(),
        }
    }

    /// Frees what only this run needed.
    pub(crate) fn end(&mut self) {
        self.captures.clear();
    }
}

impl<'a> Step<'a> {
    /// What binding `at` writes, to be taken once.
    pub(crate) fn output(&mut self, at: usize) -> Option<&'a mut [f32]> {
        let found = self.written.iter_mut().find(|slot| slot.as_ref().is_some_and(|(of, _)| *of == at));
        found.and_then(Option::take).map(|(_, values)| values)
    }

    /// What binding `at` reads, `len` elements; nothing if nothing was written there.
    pub(crate) fn input(&self, at: usize, len: usize) -> &'a [f32] {
        match &self.places[at] {
            Place::None => &[],
            Place::Capture(id) => self.captures[id.0].as_ref().map_or(&[], |values| &values[..len]),
            Place::Block(range) => {
                let piece = self.pieces[..=self.last].iter().rev().find(|(begins, _)| *begins <= range.start);
                piece.map_or(&[], |(begins, values)| &values[range.start - begins..range.end - begins])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        CopyRows, DeviceInfo, Dtype, ExecutorError, HostExecutor, HostKernels, LayerNorm, Op, Operands,
    };
    use crate::{PackedOperand, PlanOptions, ReferenceExecutor, Tensor};
    use std::sync::Arc;

    /// A chain of copies, each of the last but one and of the last, so that three are needed at a time.
    fn chain(steps: usize, widths: impl Fn(usize) -> usize) -> Program {
        let mut program = Program::new();
        let mut ids = vec![program.input("x", widths(0))];
        let mut width = widths(0);
        for step in 1..=steps {
            width = widths(step);
            let id = program.activation(format!("copy {step}"), Rows::Tokens, width);
            let x = ids[step - 1];
            let op = CopyRows::of_width(width);
            program.push(op, Rows::Tokens, &[x, id]).unwrap();
            ids.push(id);
        }
        assert_eq!(width, widths(0));
        program.output("y", ids[steps]);
        program
    }

    fn batch(rows: usize, width: usize) -> Batch {
        let mut batch = Batch::new();
        let values: Vec<f32> = (0..rows * width).map(|i| i as f32 - 9.0).collect();
        batch.push_rows(rows, &[&values]).unwrap();
        batch
    }

    #[test]
    fn what_is_needed_at_the_same_time_lies_apart() {
        let mut program = Program::new();
        let x = program.input("x", 6);
        let affine = program.weight("affine", Tensor::new(&[2, 6], vec![1.0; 12]));
        let mut ids = vec![x];
        for step in 0..12 {
            // Some are read once, some until the end, and two are written again.
            let id = match step {
                7 => ids[2],
                10 => ids[4],
                _ => program.activation(format!("a {step}"), Rows::Tokens, 6),
            };
            let from = ids[step * 5 % ids.len()];
            let from = if from == id { x } else { from };
            let op = LayerNorm { width: 6, eps: 1e-5 };
            program.push(op, Rows::Tokens, &[from, affine, id]).unwrap();
            ids.push(id);
        }
        let outputs = [program.output("early", ids[3]), program.output("late", ids[12])];
        for checked in [false, true] {
            let layout = Layout::new(&program, &batch(5, 6), &outputs, checked);
            // Run it in symbols: every place remembers which step wrote it last.
            let mut wrote = vec![usize::MAX; layout.len];
            let mut last = vec![usize::MAX; program.buffers().len()];
            for (index, step) in program.steps().iter().enumerate() {
                let holds = |at: usize, by: usize, wrote: &[usize]| match &layout.steps[index][at] {
                    Place::Block(range) => wrote[range.clone()].iter().all(|&step| step == by),
                    _ => true,
                };
                assert!(holds(0, last[step.buffers[0].0], &wrote), "step {index} reads what is gone");
                let Place::Block(range) = &layout.steps[index][2] else { panic!("an output has a place") };
                assert_eq!(range.start % LINE_ELEMS, 0);
                let guard = if checked { GUARD_ELEMS } else { 0 };
                wrote[range.start..range.end + guard].fill(index);
                last[step.buffers[2].0] = index;
            }
            for id in outputs {
                let buffer = program.outputs()[id.0].1.unwrap();
                let Place::Block(range) = &layout.last[buffer.0] else { panic!("an output has a place") };
                assert!(wrote[range.clone()].iter().all(|&step| step == last[buffer.0]));
            }
        }
    }

    #[test]
    fn a_chain_takes_as_much_as_its_two_largest_neighbours() {
        let program = chain(9, |_| 16);
        let layout = Layout::new(&program, &batch(3, 16), &[OutputId(0)], false);
        assert_eq!(layout.len, 2 * 3 * 16);
        // What no step needs is not there.
        assert_eq!(Layout::new(&program, &Batch::of_lengths(&[]), &[], false).len, 0);
    }

    #[test]
    fn memory_is_kept_and_after_many_small_runs_given_back() {
        let program = Arc::new(chain(4, |_| 8));
        let plan = HostExecutor::new(ReferenceExecutor).plan(program, PlanOptions::default()).unwrap();
        let run = |rows: usize| {
            let batch = batch(rows, 8);
            assert_eq!(plan.run_now(&batch, &[OutputId(0)]).unwrap()[0], batch.input(0));
            plan.activation_bytes()
        };
        let large = run(1000);
        assert!(large < 4 * 2 * 1000 * 8 + 128, "{large}");
        assert_eq!((run(10), run(1000)), (large, large));
        for _ in 0..SMALL_RUNS {
            run(10);
        }
        let last = run(10);
        assert!(last < large / 4, "{last} of {large}");
    }

    #[test]
    fn plans_that_extend_the_same_one_do_not_run_by_each_others_layout() {
        let base = chain(1, |_| 8);
        let plan = HostExecutor::new(ReferenceExecutor).plan(Arc::new(base.clone()), PlanOptions::default());
        let (plan, batch) = (plan.unwrap(), batch(40, 8));
        // They differ in nothing but what the step between reads.
        let extended = |from: usize| {
            let mut program = base.clone();
            let (between, y) =
                (program.activation("between", Rows::Tokens, 8), program.activation("z", Rows::Tokens, 8));
            let from = [BufferId(1), between][from];
            program.push(CopyRows::of_width(8), Rows::Tokens, &[BufferId(0), between]).unwrap();
            program.push(CopyRows::of_width(8), Rows::Tokens, &[from, y]).unwrap();
            program.output("z", y);
            plan.extended_now(Arc::new(program)).unwrap()
        };
        let plans = [extended(0), extended(1)];
        for plan in plans.iter().chain(&plans) {
            assert_eq!(plan.run_now(&batch, &[OutputId(1)]).unwrap()[0], batch.input(0));
        }
    }

    /// A copy that is wrong.
    #[derive(Clone, Copy)]
    enum Faulty {
        Short,
        Long,
    }

    impl HostKernels for Faulty {
        type Packed = ();

        fn device(&self) -> DeviceInfo {
            ReferenceExecutor.device()
        }

        fn pack(&self, _: &Op, _: &'static str, _: &Tensor, _: Dtype) -> Option<()> {
            None
        }

        fn packed_bytes(&self, (): &()) -> usize {
            0
        }

        fn run(
            &self,
            _: &Op,
            _: usize,
            _: &[PackedOperand<()>],
            operands: &mut Operands<'_>,
        ) -> Result<(), ExecutorError> {
            let (x, y) = (operands.input("x"), operands.output("y"));
            let len = y.len();
            match self {
                Self::Short => y[..len - 1].copy_from_slice(&x[..len - 1]),
                Self::Long => {
                    y.copy_from_slice(x);
                    // SAFETY: the guard, which is what this tests, lies behind in the same block.
                    unsafe { y.as_mut_ptr().add(len + 3).write(1.0) };
                }
            }
            Ok(())
        }

        fn preferred_rows(&self) -> usize {
            1
        }
    }

    #[test]
    fn checked_runs_find_what_is_not_written_and_what_is_written_behind() {
        let program = Arc::new(chain(2, |_| 8));
        let options = PlanOptions { checked: true, ..PlanOptions::default() };
        let short = HostExecutor::new(Faulty::Short).plan(program.clone(), options).unwrap();
        for _ in 0..2 {
            // Also where an earlier run has left numbers.
            let values = short.run_now(&batch(3, 8), &[OutputId(0)]).unwrap().remove(0);
            assert_eq!((values[0], values[23].to_bits()), (-9.0, UNWRITTEN));
        }
        let long = HostExecutor::new(Faulty::Long).plan(program, options).unwrap();
        let error = long.run_now(&batch(3, 8), &[OutputId(0)]).unwrap_err().to_string();
        assert!(error.contains("`y` was written behind its end"), "{error}");
    }
}
