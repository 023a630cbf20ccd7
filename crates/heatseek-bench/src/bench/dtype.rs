//! What weights and activations are stored as.

use heatseek::LoadOptions;
use heatseek_ops::PlanOptions;
use serde::Serialize;

use crate::failure::Failure;

/// A storage type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    F32,
    F16,
}

impl Dtype {
    pub fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            _ => Err("expected f32 or f16".into()),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Bytes of an element.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// Below this cosine to the reference an answer is wrong: rounding of 12 layers stays well above it.
    pub fn least_cosine(self) -> f64 {
        match self {
            Self::F32 => 0.999_99,
            Self::F16 => 0.9999,
        }
    }

    /// `options` with this type.
    ///
    /// # Errors
    /// `unsupported` where devices cannot be asked for it.
    pub fn applied(self, options: LoadOptions) -> Result<LoadOptions, Failure> {
        match self {
            Self::F32 => Ok(options),
            Self::F16 => Err(Failure::Told {
                code: "unsupported",
                message: "no device of this build stores f16; ask for --dtype f32".into(),
            }),
        }
    }

    /// The same for plans that are made without a model.
    pub fn plan(self, expected_rows: usize) -> PlanOptions {
        PlanOptions { expected_rows, ..PlanOptions::default() }
    }
}
