//! `pool`: one vector per sequence.

use crate::{Batch, Binding, Dim};

/// How the rows of a sequence become one vector. No rows give zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// The mean of all rows.
    #[default]
    Mean,
    /// The first row.
    Cls,
    /// The maximum of each column.
    Max,
    /// The last row.
    Last,
    /// The mean weighted by position: row `i` (from 0) weighs `i + 1` (sentence-transformers `weightedmean`).
    WeightedMean,
    /// The sum over `√len` (sentence-transformers `mean_sqrt_len_tokens`).
    MeanSqrtLen,
    /// The minimum of each column.
    Min,
    /// The standard deviation of each column, of the rows as they are (over `len`).
    Std,
    /// The generalised mean `(mean max(x, 1e-6)^p)^(1/p)`, with an exponent for each column.
    Gem,
    /// The same with signs kept: of the mean of `sgn(x) |x|^p`, the root that has its sign.
    SignedGem,
    /// `a · max + (1 − a) · mean`, with a share for each column.
    Mixed,
}

impl Pooling {
    /// Those that the files of a model may ask for, which its Program has ready.
    pub const OF_MODELS: [Pooling; 6] =
        [Self::Mean, Self::Cls, Self::Max, Self::Last, Self::WeightedMean, Self::MeanSqrtLen];

    /// All others.
    pub const OTHERS: [Pooling; 5] = [Self::Min, Self::Std, Self::Gem, Self::SignedGem, Self::Mixed];

    /// Whether it has a parameter for each column.
    pub fn has_parameters(self) -> bool {
        matches!(self, Self::Gem | Self::SignedGem | Self::Mixed)
    }

    /// Our own name, as the command line and JavaScript spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::Last => "last",
            Self::WeightedMean => "weightedmean",
            Self::MeanSqrtLen => "mean_sqrt_len",
            Self::Min => "min",
            Self::Std => "std",
            Self::Gem => "gem",
            Self::SignedGem => "signed_gem",
            Self::Mixed => "mixed",
        }
    }

    /// The pooling of a model of this name in our spelling, transformers.js' or sentence-transformers'.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "mean" => Self::Mean,
            "cls" | "first_token" => Self::Cls,
            "max" => Self::Max,
            "last" | "last_token" | "lasttoken" | "eos" => Self::Last,
            "weightedmean" | "weighted_mean" => Self::WeightedMean,
            "mean_sqrt_len" | "mean_sqrt_len_tokens" => Self::MeanSqrtLen,
            _ => return None,
        })
    }
}

/// Pools the rows of each sequence, optionally after the model's last LayerNorm and before an L2
/// normalisation (`v / max(‖v‖, 1e-12)`, as PyTorch's `functional.normalize`).
///
/// The sequence table says how many rows of a sequence are skipped: they do not count. Even so `cls` is the first
/// row of the sequence and `last` the last, and `weightedmean` weighs row `i` of the sequence with `i + 1`.
///
/// | binding | shape | when |
/// | --- | --- | --- |
/// | `x` | `[tokens, width]` | always |
/// | `affine` | `[2, width]`: gamma, beta | `norm_in` |
/// | `parameters` | `[width]`: exponents or shares of the maximum | [`Pooling::has_parameters`] |
/// | `sequences` | the sequence table, `[sequences, 3]` u32 | always |
/// | out `y` | `[sequences, width]` | always |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// Width of a row.
    pub width: usize,
    /// How.
    pub pooling: Pooling,
    /// Epsilon of a LayerNorm applied to each row first.
    pub norm_in: Option<f32>,
    /// Whether the vector is L2-normalised.
    pub normalize: bool,
}

impl Pool {
    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let width = Dim::Fixed(self.width);
        let mut all = vec![Binding::input("x", &[Dim::Tokens, width])];
        if self.norm_in.is_some() {
            all.push(Binding::input("affine", &[Dim::Fixed(2), width]));
        }
        if self.pooling.has_parameters() {
            all.push(Binding::input("parameters", &[width]));
        }
        all.push(Binding::table("sequences", Dim::Sequences, 3));
        all.push(Binding::output("y", &[Dim::Sequences, width]));
        all
    }

    pub(crate) fn flops(&self, _: usize, batch: &Batch) -> u64 {
        let norm = if self.norm_in.is_some() { 8 } else { 0 };
        ((norm + 1) * batch.rows() * self.width) as u64
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let of_op = |name: &str, op: Pool, lengths: &[usize]| {
        let case = Case::new(name, op, Rows::Sequences, lengths);
        match op.pooling {
            // Exponents of 2 to 4; shares of 0 to 1.
            Pooling::Gem | Pooling::SignedGem => case.with_values("parameters", 1.0, 3.0),
            Pooling::Mixed => case.with_values("parameters", 0.5, 0.5),
            _ => case,
        }
    };
    let mut all = Vec::new();
    // Both sides of the 32 rows that are taken at a time.
    let mixed: &[usize] = &[3, 0, 1, 70, 2, 32, 33];
    for pooling in Pooling::OF_MODELS.into_iter().chain(Pooling::OTHERS) {
        for (norm_in, normalize) in [(None, false), (Some(1e-12), true)] {
            for skip in [0, 2] {
                let op = Pool { width: 36, pooling, norm_in, normalize };
                let name =
                    format!("{}_{}_skip_{skip}", pooling.name(), if normalize { "norm" } else { "raw" });
                all.push(of_op(&name, op, mixed).with_skip(skip));
            }
        }
    }
    // 256 invocations of four columns each: 1024 columns, what is beyond, and the most there may be.
    for width in [4, 252, 384, 1020, 1024, 1028, 2048] {
        let op = Pool { width, pooling: Pooling::Mean, norm_in: Some(1e-5), normalize: true };
        all.push(of_op(&format!("width_{width}"), op, &[5, 2]));
        let op = Pool { pooling: Pooling::Mixed, norm_in: None, ..op };
        all.push(of_op(&format!("mixed_width_{width}"), op, &[5, 2]));
    }
    // A deviation of 0.5 about 300, of which a running mean is only good to 1.5e-5; the difference of sums and
    // squares would have no digit of it.
    let op = Pool { width: 36, pooling: Pooling::Std, norm_in: None, normalize: false };
    let far = of_op("std_far_from_zero", op, mixed).with_values("x", 1.0, 300.0);
    all.push(far.with_tolerance(heatseek_testkit::Tolerance::RelAbs { rel: 1e-4, abs: 2e-5 }));
    // Powers far beyond f32, and of less than 1e-6.
    let op = Pool { pooling: Pooling::Gem, ..op };
    for (name, offset) in [("gem_large", 40.0), ("gem_negative", -40.0)] {
        all.push(Case::new(name, op, Rows::Sequences, mixed).with_values("parameters", 1.0, offset));
    }
    all.push(of_op("gem_below_its_bound", op, mixed).with_values("x", 1.0, -5.0));
    all
}
