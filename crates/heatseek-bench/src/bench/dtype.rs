//! What weights and activations are stored as.

use heatseek::{DtypeChoice, LoadOptions};
use heatseek_ops::PlanOptions;
use serde::Serialize;

/// A storage type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    F32,
    F16,
    Bf16,
    Int8,
}

impl Dtype {
    pub fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            "int8" => Ok(Self::Int8),
            _ => Err("expected f32, f16, bf16 or int8".into()),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Bytes of an element of a weight and of a large activation.
    pub fn bytes(self) -> [u64; 2] {
        match self {
            Self::F32 => [4, 4],
            Self::F16 => [2, 2],
            Self::Bf16 => [2, 4],
            Self::Int8 => [1, 4],
        }
    }

    /// Below this cosine to the reference an answer is wrong: rounding of 12 layers stays well above it.
    pub fn least_cosine(self) -> f64 {
        match self {
            Self::F32 => 0.999_99,
            Self::F16 | Self::Bf16 => 0.9999,
            Self::Int8 => 0.99,
        }
    }

    /// The same of a peer, whose arithmetic is its own affair as long as it computes this model: the usual graphs in int8,
    /// with one scale for a matrix, turn vectors of MiniLM to cosines of 0.87. The report says what each has.
    pub fn least_cosine_of_peers(self) -> f64 {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 0.999,
            Self::Int8 => 0.8,
        }
    }

    /// `options` with this type.
    pub fn applied(self, options: LoadOptions) -> LoadOptions {
        let dtype = match self {
            Self::F32 => DtypeChoice::F32,
            Self::F16 => DtypeChoice::F16,
            Self::Bf16 => DtypeChoice::Bf16,
            Self::Int8 => DtypeChoice::Int8,
        };
        LoadOptions { dtype, ..options }
    }

    /// The same for plans that are made without a model.
    pub fn plan(self, expected_rows: usize) -> PlanOptions {
        let dtype = match self {
            Self::F32 => heatseek_ops::Dtype::F32,
            Self::F16 => heatseek_ops::Dtype::F16,
            Self::Bf16 => heatseek_ops::Dtype::Bf16,
            Self::Int8 => heatseek_ops::Dtype::Int8,
        };
        PlanOptions { expected_rows, dtype, ..PlanOptions::default() }
    }
}
