use heatseek_ops::Dtype;

/// What kind of adapter runs the kernels, as far as their choice goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AdapterClass {
    /// It computes on the CPU: few workgroups at once.
    #[default]
    Software,
    /// A GPU beside the CPU, with its memory.
    Integrated,
    /// A GPU of its own: hundreds of workgroups at once.
    Discrete,
}

/// What a device offers and what is wanted of it: what kernels are chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// What weights and large activations are stored as.
    pub dtype: Dtype,
    /// Whether subgroups of 32 multiply f16 matrices of 16 by 16 into f32 ones. Used with [`Dtype::F16`] only.
    pub matrix_units: bool,
    /// Rows up to which the smallest tiles are taken.
    pub small_rows: usize,
    /// Rows up to which tiles between the smallest and the largest are taken.
    pub medium_rows: usize,
}

impl Target {
    /// Kernels of `dtype` without matrix units, with the tiles that suit `adapter`.
    ///
    /// The limits for software are measured, on a MiniLM layer: three small tiles cost as much as one large tile on
    /// SwiftShader, and a third more on lavapipe; a tile between them gained nothing. Those for GPUs follow from how
    /// many workgroups fill one: a layer 384 wide has 6 column tiles, so that 16 rows a tile make 96 workgroups of 256
    /// rows, and 32 rows 384 of 2048.
    pub fn new(dtype: Dtype, adapter: AdapterClass) -> Self {
        let (small_rows, medium_rows) = match adapter {
            AdapterClass::Software => (32, 32),
            AdapterClass::Integrated => (64, 512),
            AdapterClass::Discrete => (256, 2048),
        };
        Self { dtype, matrix_units: false, small_rows, medium_rows }
    }

    /// The class of a run over `rows` rows.
    pub fn row_class(&self, rows: usize) -> RowClass {
        match rows {
            rows if rows <= self.small_rows => RowClass::Small,
            rows if rows <= self.medium_rows => RowClass::Medium,
            _ => RowClass::Large,
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::new(Dtype::F32, AdapterClass::default())
    }
}

/// How many rows a run has, as far as the choice of kernels goes. Packed weights serve all classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowClass {
    /// Few rows: small row tiles, more workgroups.
    Small,
    /// Enough rows for more reuse, too few to fill a GPU with large tiles.
    Medium,
    /// Many rows: large row tiles, more reuse.
    Large,
}

impl RowClass {
    /// All of them, from few rows to many.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Its place in [`RowClass::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn tile_rows(self) -> usize {
        match self {
            Self::Small => 16,
            Self::Medium => 32,
            Self::Large => 64,
        }
    }
}
