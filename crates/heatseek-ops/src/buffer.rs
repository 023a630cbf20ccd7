//! What an op binds: shapes by name, and weights that are made when they are needed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// One extent of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// The rows an op works on: tokens of the batch, or its sequences.
    Rows,
    /// Packed token rows of the batch, whatever the op's own rows are.
    Tokens,
    /// Sequences of the batch.
    Sequences,
    /// Attention tiles of the batch.
    Tiles,
    /// Each of the op's rows with every place of the batch's longest sequence.
    Pairs,
    /// Every packed token with every place of the batch's longest sequence, whatever the op's own rows are.
    TokenPairs,
    /// A size fixed by the model.
    Fixed(usize),
    /// A size taken from the tensor that is bound (vocabulary, positions): at least one.
    Any,
}

/// Element type of a buffer as the ops see it; executors may store f32 more narrowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 32-bit unsigned integer (tables).
    U32,
}

/// Whether an op reads or writes a buffer. No op reads what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Read only.
    Input,
    /// Written only, every element.
    Output,
}

/// One buffer an op binds, in the order inputs, outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name in the op's documentation, in the reference's arguments and in the shader.
    pub name: &'static str,
    /// Read or written.
    pub direction: Direction,
    /// Element type.
    pub element: Element,
    /// Extents, slowest first (row-major).
    pub shape: Vec<Dim>,
}

impl Binding {
    pub(crate) fn input(name: &'static str, shape: &[Dim]) -> Self {
        Self { name, direction: Direction::Input, element: Element::F32, shape: shape.to_vec() }
    }

    pub(crate) fn table(name: &'static str, rows: Dim, columns: usize) -> Self {
        let shape = vec![rows, Dim::Fixed(columns)];
        Self { name, direction: Direction::Input, element: Element::U32, shape }
    }

    pub(crate) fn output(name: &'static str, shape: &[Dim]) -> Self {
        Self { name, direction: Direction::Output, element: Element::F32, shape: shape.to_vec() }
    }
}

type Compute = dyn Fn() -> Vec<f32> + Send + Sync;

#[derive(Clone)]
enum Source {
    Shared(Arc<dyn AsRef<[f32]> + Send + Sync>),
    Computed(Arc<Compute>),
}

/// A constant of a Program, f32 row-major. It may be computed on demand (converted from f16, folded,
/// concatenated), so that a Program holds no second copy of a checkpoint: executors ask for the values
/// once, lay them out as they like, and drop them.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    source: Source,
}

impl Tensor {
    /// A tensor of given values; the shape's product must be their number.
    pub fn new(shape: &[usize], values: Vec<f32>) -> Self {
        Self::shared(shape, Arc::new(values))
    }

    /// A tensor whose values live elsewhere, e.g. in a memory-mapped file; nothing is copied.
    pub fn shared(shape: &[usize], values: Arc<dyn AsRef<[f32]> + Send + Sync>) -> Self {
        let len: usize = shape.iter().product();
        assert_eq!((*values).as_ref().len(), len, "a tensor has as many values as its shape {shape:?} says");
        Self { shape: shape.to_vec(), source: Source::Shared(values) }
    }

    /// A tensor whose values are computed each time they are asked for.
    pub fn computed(shape: &[usize], compute: impl Fn() -> Vec<f32> + Send + Sync + 'static) -> Self {
        Self { shape: shape.to_vec(), source: Source::Computed(Arc::new(compute)) }
    }

    /// Extents, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, `len()` of them. Costs a pass over the checkpoint when computed.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match &self.source {
            Source::Shared(values) => Cow::Borrowed((**values).as_ref()),
            Source::Computed(compute) => {
                let values = compute();
                assert_eq!(values.len(), self.len(), "a computed tensor has the size of its shape");
                Cow::Owned(values)
            }
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{:?}", self.shape)
    }
}
