//! A Program: fused ops over named buffers, checked once when it is built.

use thiserror::Error;

use crate::{Batch, Binding, Dim, Direction, Element, ExecutorError, Op, Tensor};

/// Name of the output that holds one vector per sequence.
pub const POOLED: &str = "pooled";
/// Name of the output that holds the last hidden state, one row per token.
pub const HIDDEN: &str = "hidden";

/// A buffer of a Program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub usize);

/// An output of a Program: an index into [`Program::outputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutputId(pub usize);

/// What the rows of a buffer or a step are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// One row per packed token.
    Tokens,
    /// One row per sequence.
    Sequences,
    /// One row per token that the batch asks about: [`Batch::queries`].
    Queries,
    /// One row per packed token and place of the batch's longest sequence. As these grow with the square of a
    /// length, only a [`Buffer::Capture`] may have them, and so with `QueryPairs`.
    TokenPairs,
    /// One row per query and place of the batch's longest sequence.
    QueryPairs,
}

impl Rows {
    /// How many rows `batch` has of this kind.
    pub fn count(self, batch: &Batch) -> usize {
        match self {
            Rows::Tokens => batch.rows(),
            Rows::Sequences => batch.sequences().len(),
            Rows::Queries => batch.queries(),
            Rows::TokenPairs => batch.rows() * batch.longest(),
            Rows::QueryPairs => batch.queries() * batch.longest(),
        }
    }

    /// Each of these rows with every place of the longest sequence.
    fn pairs(self) -> Option<Rows> {
        match self {
            Rows::Tokens => Some(Rows::TokenPairs),
            Rows::Queries => Some(Rows::QueryPairs),
            _ => None,
        }
    }
}

/// A table the executor fills from the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// `[tokens, 4]`: [`Batch::token_table`].
    Tokens,
    /// `[sequences, 3]`: [`Batch::sequence_table`].
    Sequences,
    /// `[tiles, 4]`: [`Batch::attention_tiles`].
    AttentionTiles,
    /// `[tokens, 3]`: [`Batch::token_spans`].
    TokenSpans,
    /// `[queries, 3]`: [`Batch::query_spans`].
    QuerySpans,
}

impl Table {
    /// Its elements in a run of `batch`.
    pub fn len_elems(self, batch: &Batch) -> usize {
        match self {
            Table::Tokens => batch.rows() * 4,
            Table::Sequences => batch.sequences().len() * 3,
            Table::AttentionTiles => batch.attention_tiles().len() * 4,
            Table::TokenSpans => batch.rows() * 3,
            Table::QuerySpans => batch.queries() * 3,
        }
    }

    /// Its elements, row-major.
    pub fn values(self, batch: &Batch) -> Vec<u32> {
        match self {
            Table::Tokens => batch.token_table().as_flattened().to_vec(),
            Table::Sequences => batch.sequence_table().into_flattened(),
            Table::AttentionTiles => batch.attention_tiles().into_flattened(),
            Table::TokenSpans => batch.token_spans().into_flattened(),
            Table::QuerySpans => batch.query_spans().into_flattened(),
        }
    }

    /// Whether only steps that fill captures read it, so that it need not be there for the other runs.
    pub fn is_for_captures(self) -> bool {
        matches!(self, Table::TokenSpans | Table::QuerySpans)
    }
}

/// What a buffer holds and for how long.
#[derive(Clone, Debug)]
pub enum Buffer {
    /// A constant of the model.
    Weight(Tensor),
    /// Filled from the batch before each run.
    Table(Table),
    /// `[tokens, width]` f32 that come with the batch: its [`Batch::input`] of this index.
    Input {
        /// Which.
        index: usize,
        /// Elements a row.
        width: usize,
    },
    /// `[rows, width]` f32, written by one step and read by later ones.
    Activation {
        /// What its rows are.
        rows: Rows,
        /// Elements a row.
        width: usize,
    },
    /// The same, for what few runs ask for: it exists for the runs whose steps bind it and costs others nothing.
    Capture {
        /// What its rows are.
        rows: Rows,
        /// Elements a row.
        width: usize,
    },
}

impl Buffer {
    /// Rows and width of what steps write.
    pub fn written(&self) -> Option<(Rows, usize)> {
        match self {
            Buffer::Activation { rows, width } | Buffer::Capture { rows, width } => Some((*rows, *width)),
            _ => None,
        }
    }

    /// Whether it exists only for the runs whose steps bind it.
    pub fn is_on_demand(&self) -> bool {
        match self {
            Buffer::Capture { .. } => true,
            Buffer::Table(table) => table.is_for_captures(),
            _ => false,
        }
    }
}

/// One op with the buffers it binds, in the order of [`Op::bindings`].
#[derive(Clone, Debug)]
pub struct Step {
    /// What is computed.
    pub op: Op,
    /// What its `rows` are.
    pub rows: Rows,
    /// Its buffers.
    pub buffers: Vec<BufferId>,
    /// The output this step exists for; `None` runs always.
    pub only_for: Option<OutputId>,
}

/// A Program. Build it with [`Program::weight`], [`Program::activation`] and [`Program::push`], which
/// checks every binding, so executors need not.
#[derive(Clone, Debug, Default)]
pub struct Program {
    buffers: Vec<(String, Buffer)>,
    steps: Vec<Step>,
    outputs: Vec<(String, Option<BufferId>)>,
    /// Outputs that need the steps of others.
    implied: Vec<(OutputId, OutputId)>,
}

/// A Program whose parts do not fit together: a bug of whoever builds it, or weights that disagree with
/// the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The number of buffers is not the number of bindings.
    #[error("{op} binds {expected} buffers but got {got}")]
    BindingCount {
        /// Op name.
        op: &'static str,
        /// Bindings it has.
        expected: usize,
        /// Buffers given.
        got: usize,
    },
    /// A buffer does not have the shape or kind its binding asks for.
    #[error("{op}: `{binding}` wants {expected} but buffer `{buffer}` is {got}")]
    BindingShape {
        /// Op name.
        op: &'static str,
        /// Binding name.
        binding: &'static str,
        /// Buffer name.
        buffer: String,
        /// Shape wanted.
        expected: String,
        /// Shape found.
        got: String,
    },
    /// One buffer is both read and written by one step, which GPUs forbid.
    #[error("{op}: buffer `{buffer}` is both an input and an output")]
    ReadWrite {
        /// Op name.
        op: &'static str,
        /// Buffer name.
        buffer: String,
    },
    /// An output of this name does not exist.
    #[error("this program has no output named `{name}`")]
    NoSuchOutput {
        /// The name asked for.
        name: String,
    },
}

impl Program {
    /// An empty Program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a constant.
    pub fn weight(&mut self, name: impl Into<String>, tensor: Tensor) -> BufferId {
        self.add(name.into(), Buffer::Weight(tensor))
    }

    /// Adds an activation `[rows, width]`.
    pub fn activation(&mut self, name: impl Into<String>, rows: Rows, width: usize) -> BufferId {
        self.add(name.into(), Buffer::Activation { rows, width })
    }

    /// Adds a capture `[rows, width]`.
    pub fn capture(&mut self, name: impl Into<String>, rows: Rows, width: usize) -> BufferId {
        self.add(name.into(), Buffer::Capture { rows, width })
    }

    /// Adds the next float input of the batch, `[tokens, width]`: the first is input 0.
    pub fn input(&mut self, name: impl Into<String>, width: usize) -> BufferId {
        let index = self.inputs().count();
        self.add(name.into(), Buffer::Input { index, width })
    }

    /// The buffer of a batch table; one per table however often it is asked for.
    pub fn table(&mut self, table: Table) -> BufferId {
        let found = self.buffers.iter().position(|(_, b)| matches!(b, Buffer::Table(t) if *t == table));
        match found {
            Some(index) => BufferId(index),
            None => self.add(format!("{table:?}"), Buffer::Table(table)),
        }
    }

    /// Names `buffer` as an output. Outputs keep the order in which they are declared.
    pub fn output(&mut self, name: impl Into<String>, buffer: BufferId) -> OutputId {
        self.outputs.push((name.into(), Some(buffer)));
        OutputId(self.outputs.len() - 1)
    }

    /// Names an output that holds nothing: who asks for it has its steps run, for what other outputs are then.
    pub fn switch(&mut self, name: impl Into<String>) -> OutputId {
        self.outputs.push((name.into(), None));
        OutputId(self.outputs.len() - 1)
    }

    /// Has the steps of output `needed` run for `output` too.
    pub fn imply(&mut self, output: OutputId, needed: OutputId) {
        self.implied.push((output, needed));
    }

    /// Appends a step that always runs.
    ///
    /// # Errors
    /// [`ProgramError`] if a buffer does not fit its binding.
    pub fn push(&mut self, op: impl Into<Op>, rows: Rows, buffers: &[BufferId]) -> Result<(), ProgramError> {
        self.push_step(Step { op: op.into(), rows, buffers: buffers.to_vec(), only_for: None })
    }

    /// Appends a step that runs only when `output` is asked for.
    ///
    /// # Errors
    /// [`ProgramError`] if a buffer does not fit its binding.
    pub fn push_for(
        &mut self,
        output: OutputId,
        op: impl Into<Op>,
        rows: Rows,
        buffers: &[BufferId],
    ) -> Result<(), ProgramError> {
        self.push_step(Step { op: op.into(), rows, buffers: buffers.to_vec(), only_for: Some(output) })
    }

    /// All buffers with their names; [`BufferId`] indexes them.
    pub fn buffers(&self) -> &[(String, Buffer)] {
        &self.buffers
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps that a run for `outputs` needs.
    pub fn steps_for<'a>(&'a self, outputs: &'a [OutputId]) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(|step| self.runs(step, outputs))
    }

    /// Whether a run for `outputs` needs `step`.
    pub fn runs(&self, step: &Step, outputs: &[OutputId]) -> bool {
        let implied = |o| self.implied.iter().any(|(by, needed)| *needed == o && outputs.contains(by));
        step.only_for.is_none_or(|o| outputs.contains(&o) || implied(o))
    }

    /// All outputs with their names and, but for switches, their buffers; [`OutputId`] indexes them.
    pub fn outputs(&self) -> &[(String, Option<BufferId>)] {
        &self.outputs
    }

    /// The on-demand buffers that a run for `outputs` needs, some more than once.
    pub fn captures_for<'a>(&'a self, outputs: &'a [OutputId]) -> impl Iterator<Item = BufferId> {
        let bound = self.steps_for(outputs).flat_map(|step| step.buffers.iter().copied());
        bound.filter(|id| self.buffers[id.0].1.is_on_demand())
    }

    /// The output of this name.
    ///
    /// # Errors
    /// [`ProgramError::NoSuchOutput`].
    pub fn output_named(&self, name: &str) -> Result<OutputId, ProgramError> {
        let found = self.outputs.iter().position(|(n, _)| n == name);
        found.map(OutputId).ok_or_else(|| ProgramError::NoSuchOutput { name: name.to_owned() })
    }

    /// Elements of `buffer` in a run of `batch`.
    pub fn len_elems(&self, buffer: BufferId, batch: &Batch) -> usize {
        match &self.buffers[buffer.0].1 {
            Buffer::Weight(tensor) => tensor.len(),
            Buffer::Activation { rows, width } | Buffer::Capture { rows, width } => rows.count(batch) * width,
            Buffer::Input { width, .. } => batch.rows() * width,
            Buffer::Table(table) => table.len_elems(batch),
        }
    }

    /// Fails unless this Program has `outputs`, and `batch` the float inputs that it reads, as long as its rows say.
    /// Executors call it before they run anything.
    ///
    /// # Errors
    /// [`ExecutorError::Invalid`].
    pub fn accepts(&self, batch: &Batch, outputs: &[OutputId]) -> Result<(), ExecutorError> {
        let known = self.outputs().len();
        if let Some(id) = outputs.iter().find(|id| id.0 >= known) {
            return Err(ExecutorError::Invalid {
                what: "an output was asked for that the program lacks".into(),
                expected: format!("an index below {known}"),
                got: id.0.to_string(),
            });
        }
        for (name, index, width) in self.inputs() {
            let (expected, got) = (batch.rows() * width, batch.input(index).len());
            if expected != got {
                return Err(ExecutorError::Invalid {
                    what: format!("the batch's input `{name}`"),
                    expected: format!("{expected} values, {width} a row"),
                    got: got.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Fails unless this Program is `earlier` with buffers, steps and outputs appended.
    ///
    /// # Errors
    /// [`ExecutorError::Invalid`].
    pub fn extends(&self, earlier: &Program) -> Result<(), ExecutorError> {
        let alike = |(a, b): (&(String, Buffer), &(String, Buffer))| {
            a.0 == b.0 && std::mem::discriminant(&a.1) == std::mem::discriminant(&b.1)
        };
        let same_step = |(a, b): (&Step, &Step)| {
            (&a.op, a.rows, &a.buffers, a.only_for) == (&b.op, b.rows, &b.buffers, b.only_for)
        };
        let begins = self.buffers.len() >= earlier.buffers.len()
            && self.buffers.iter().zip(&earlier.buffers).all(alike)
            && self.steps.len() >= earlier.steps.len()
            && self.steps.iter().zip(&earlier.steps).all(same_step)
            && self.outputs.starts_with(&earlier.outputs);
        match begins {
            true => Ok(()),
            false => Err(ExecutorError::Invalid {
                what: "the program that extends a plan".into(),
                expected: "the plan's own with more appended".into(),
                got: "one that begins otherwise".into(),
            }),
        }
    }

    fn inputs(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.buffers.iter().filter_map(|(name, buffer)| match buffer {
            Buffer::Input { index, width } => Some((name.as_str(), *index, *width)),
            _ => None,
        })
    }

    /// Floating-point operations of a run of `batch` (a multiply-add counts two).
    pub fn flops(&self, batch: &Batch) -> u64 {
        self.steps
            .iter()
            .filter(|s| s.only_for.is_none())
            .map(|s| s.op.flops(s.rows.count(batch), batch))
            .sum()
    }

    fn add(&mut self, name: String, buffer: Buffer) -> BufferId {
        self.buffers.push((name, buffer));
        BufferId(self.buffers.len() - 1)
    }

    fn push_step(&mut self, step: Step) -> Result<(), ProgramError> {
        let op = step.op.name();
        let bindings = step.op.bindings();
        if bindings.len() != step.buffers.len() {
            return Err(ProgramError::BindingCount { op, expected: bindings.len(), got: step.buffers.len() });
        }
        for (binding, id) in bindings.iter().zip(&step.buffers) {
            let (name, buffer) = &self.buffers[id.0];
            if !fits(binding, buffer, step.rows) {
                return Err(ProgramError::BindingShape {
                    op,
                    binding: binding.name,
                    buffer: name.clone(),
                    expected: format!("{:?} {:?}", binding.element, binding.shape),
                    got: describe(buffer),
                });
            }
            let clash = |other: &Binding| other.direction != binding.direction;
            if bindings.iter().zip(&step.buffers).any(|(other, other_id)| other_id == id && clash(other)) {
                return Err(ProgramError::ReadWrite { op, buffer: name.clone() });
            }
        }
        self.steps.push(step);
        Ok(())
    }
}

fn describe(buffer: &Buffer) -> String {
    match buffer {
        Buffer::Weight(tensor) => format!("a weight {:?}", tensor.shape()),
        Buffer::Table(table) => format!("the {table:?} table"),
        Buffer::Activation { rows, width } => format!("an activation [{rows:?}, {width}]"),
        Buffer::Capture { rows, width } => format!("a capture [{rows:?}, {width}]"),
        Buffer::Input { width, .. } => format!("an input [Tokens, {width}]"),
    }
}

/// Whether `buffer` can stand where `binding` is. A weight may stand for an activation of any row
/// count: that is how op cases feed inputs.
fn fits(binding: &Binding, buffer: &Buffer, step_rows: Rows) -> bool {
    match buffer {
        Buffer::Weight(tensor) => {
            binding.direction == Direction::Input
                && binding.element == Element::F32
                && tensor.shape().len() == binding.shape.len()
                && tensor.shape().iter().zip(&binding.shape).all(|(&have, want)| match want {
                    Dim::Fixed(n) => have == *n,
                    Dim::Any => have >= 1,
                    _ => true,
                })
        }
        Buffer::Table(table) => {
            let rows = match table {
                Table::Tokens => [Dim::Rows, Dim::Fixed(4)],
                Table::Sequences => [Dim::Sequences, Dim::Fixed(3)],
                Table::AttentionTiles => [Dim::Tiles, Dim::Fixed(4)],
                Table::TokenSpans if step_rows != Rows::Tokens => return false,
                Table::QuerySpans if step_rows != Rows::Queries => return false,
                Table::TokenSpans | Table::QuerySpans => [Dim::Rows, Dim::Fixed(3)],
            };
            binding.element == Element::U32 && binding.direction == Direction::Input && binding.shape == rows
        }
        Buffer::Input { .. } if binding.direction == Direction::Output => false,
        Buffer::Input { width, .. } => {
            fits(binding, &Buffer::Activation { rows: Rows::Tokens, width: *width }, step_rows)
        }
        Buffer::Activation { rows: Rows::TokenPairs | Rows::QueryPairs, .. } => false,
        Buffer::Activation { rows, width } | Buffer::Capture { rows, width } => {
            let rows_fit = |dim: &Dim| match dim {
                Dim::Rows => step_rows == *rows,
                Dim::Tokens => *rows == Rows::Tokens,
                Dim::Sequences => *rows == Rows::Sequences,
                Dim::Pairs => step_rows.pairs() == Some(*rows),
                Dim::TokenPairs => *rows == Rows::TokenPairs,
                _ => false,
            };
            binding.element == Element::F32
                && matches!(&binding.shape[..], [r, Dim::Fixed(n)] if rows_fit(r) && n == width)
        }
    }
}
