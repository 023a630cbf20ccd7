use heatseek_ops::Dtype;

use crate::pack::COLUMN_TILE;

/// Bytes of workgroup memory that WebGPU guarantees: its default `maxComputeWorkgroupStorageSize`.
pub(crate) const GUARANTEED_WORKGROUP_BYTES: u32 = 16 << 10;

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
    /// Whether GEMMs and attention read their operands where they lie rather than stage them in workgroup memory, which
    /// on software is memory like any other. Used by what is stored as f32 only.
    pub direct: bool,
    /// Most bytes of workgroup memory of a kernel that there is a smaller one for.
    pub workgroup_bytes: u32,
    /// Rows up to which sums are split among the invocations of a workgroup; 0 for never.
    pub few_rows: usize,
    /// Rows up to which the smallest tiles are taken otherwise.
    pub small_rows: usize,
    /// Rows up to which tiles between the smallest and the largest are taken.
    pub medium_rows: usize,
}

impl Target {
    /// Kernels of `dtype` without matrix units and in the workgroup memory that WebGPU guarantees, with the tiles that
    /// suit `adapter`.
    ///
    /// Those for software are measured on SwiftShader in Chromium, on a MiniLM layer: without staging GEMMs take a third
    /// of the time and compile in a tenth, and attention takes a fifth. Four rows at a time are as fast as sixteen up to 8 rows. The
    /// limits for discrete GPUs are measured on an H200, on the GEMMs of a MiniLM layer, through CUDA and Vulkan: up to 128 rows it waits for memory
    /// most of the time, and splitting sums has it wait for more at once, which takes a fifth to four fifths of the
    /// small tile's time. Those for integrated ones follow from how many workgroups fill them.
    pub fn new(dtype: Dtype, adapter: AdapterClass) -> Self {
        let (few_rows, small_rows, medium_rows) = match adapter {
            AdapterClass::Software => (0, 8, 8),
            AdapterClass::Integrated => (32, 64, 512),
            AdapterClass::Discrete => (128, 256, 2048),
        };
        let workgroup_bytes = GUARANTEED_WORKGROUP_BYTES;
        let direct = adapter == AdapterClass::Software;
        Self { dtype, matrix_units: false, direct, workgroup_bytes, few_rows, small_rows, medium_rows }
    }

    /// The same without [`Target::direct`], for tests and comparisons: what software takes of the kernels for GPUs.
    #[must_use]
    pub fn staged(self) -> Self {
        // Three small tiles cost as much as one large one on SwiftShader, and a third more on lavapipe.
        match self.direct {
            true => Self { direct: false, small_rows: 32, medium_rows: 32, ..self },
            false => self,
        }
    }

    /// The class of a run over `rows` rows.
    pub fn row_class(&self, rows: usize) -> RowClass {
        let (few_rows, small_rows) = match self.dtype {
            // Their small tile keeps up from fewer rows on, and for more: measured as above.
            Dtype::F16 if self.matrix_units => (self.few_rows / 4, self.small_rows.saturating_mul(2)),
            Dtype::F16 | Dtype::Int8 if self.direct => return self.staged().row_class(rows),
            _ => (self.few_rows, self.small_rows),
        };
        match rows {
            rows if rows <= few_rows => RowClass::Few,
            rows if rows <= small_rows => RowClass::Small,
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
    /// So few rows that even small tiles leave a GPU waiting: sums are split.
    Few,
    /// Few rows: small row tiles, more workgroups.
    Small,
    /// Enough rows for more reuse, too few to fill a GPU with large tiles.
    Medium,
    /// Many rows: large row tiles, more reuse.
    Large,
}

impl RowClass {
    /// All of them, from few rows to many.
    pub const ALL: [Self; 4] = [Self::Few, Self::Small, Self::Medium, Self::Large];

    /// Its place in [`RowClass::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The tile of a GEMM whose weight is `stored` so, staged or `direct`: its part of the variant's name, its rows and
    /// its columns.
    pub(crate) fn gemm_tile(self, stored: Dtype, direct: bool) -> (&'static str, usize, usize) {
        match self {
            // In smaller tiles, more is quantised than multiplied.
            Self::Small if stored == Dtype::Int8 => Self::Medium.gemm_tile(stored, direct),
            Self::Few | Self::Small if direct => ("m4", 4, COLUMN_TILE),
            Self::Medium | Self::Large if direct => ("m16", 16, COLUMN_TILE),
            Self::Few => ("split", 16, COLUMN_TILE / 4),
            Self::Small => ("m16", 16, COLUMN_TILE),
            Self::Medium => ("m32", 32, COLUMN_TILE),
            Self::Large => ("m64", 64, COLUMN_TILE),
        }
    }
}

/// Rows of the narrowest band: the smallest tiles have no more than twice as many.
const LEAST_BAND: usize = 8;

/// Numbers of rows between two powers of two, for which a kernel is chosen by measuring: finer than [`RowClass`], which
/// is chosen for all adapters of a kind. The last has all that is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowBand(usize);

impl RowBand {
    /// How many there are: up to 8, 16 and so on to 8192 rows, and more.
    pub const COUNT: usize = 12;

    /// That of a run over `rows` rows.
    pub fn of(rows: usize) -> Self {
        let doublings = rows.max(1).div_ceil(LEAST_BAND).next_power_of_two().ilog2();
        Self((doublings as usize).min(Self::COUNT - 1))
    }

    /// All of them, from few rows to many.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Its place among [`RowBand::all`].
    pub fn index(self) -> usize {
        self.0
    }

    /// Its name: the most rows that it has, and of the last, which has no such limit, twice those of the last but one.
    pub fn rows(self) -> usize {
        LEAST_BAND << self.0
    }
}
