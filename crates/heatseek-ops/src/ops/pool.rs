//! `pool`: one vector per sequence.

use crate::{Batch, Binding, Dim};

/// How the rows of a sequence become one vector. An empty sequence gives zeros.
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
}

impl Pooling {
    /// All of them.
    pub const ALL: [Pooling; 6] =
        [Self::Mean, Self::Cls, Self::Max, Self::Last, Self::WeightedMean, Self::MeanSqrtLen];

    /// Our own name, as the command line and JavaScript spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::Last => "last",
            Self::WeightedMean => "weightedmean",
            Self::MeanSqrtLen => "mean_sqrt_len",
        }
    }

    /// The pooling of this name in our spelling, transformers.js' or sentence-transformers'.
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
/// | binding | shape | when |
/// | --- | --- | --- |
/// | `x` | `[tokens, width]` | always |
/// | `affine` | `[2, width]`: gamma, beta | `norm_in` |
/// | `sequences` | the sequence table, `[sequences, 2]` u32 | always |
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
        all.push(Binding::table("sequences", Dim::Sequences, 2));
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
    let mut all = Vec::new();
    let mixed: &[usize] = &[3, 0, 1, 70, 2];
    for pooling in Pooling::ALL {
        for (norm_in, normalize) in [(None, false), (Some(1e-12), true)] {
            let op = Pool { width: 36, pooling, norm_in, normalize };
            let name = format!("{}_{}", pooling.name(), if normalize { "norm" } else { "raw" });
            all.push(Case::new(&name, op, Rows::Sequences, mixed));
        }
    }
    // 64 invocations of four columns each: 256 columns a pass, and one beyond.
    for width in [4, 252, 256, 260, 384, 1024] {
        let op = Pool { width, pooling: Pooling::Mean, norm_in: Some(1e-5), normalize: true };
        all.push(Case::new(&format!("width_{width}"), op, Rows::Sequences, &[5, 2]));
    }
    all
}
