//! What a loaded model says about itself.

use std::collections::BTreeMap;

use heatseek_model::Norm;
use heatseek_ops::{DeviceInfo, DeviceKind};
use serde::Serialize;

/// The device in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceReport {
    /// `gpu`, `cpu` or `reference`.
    pub kind: &'static str,
    /// The device's own name.
    pub name: String,
    /// The API it is driven through.
    pub backend: String,
    /// Storage precision.
    pub dtype: &'static str,
    /// The kernel set, with how LayerNorm is done.
    pub kernels: String,
    /// Why this is not the device that would have been first choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

impl DeviceReport {
    pub(crate) fn new(device: DeviceInfo, norm: Norm, fallback: Option<String>) -> Self {
        let kind = match device.kind {
            DeviceKind::Reference => "reference",
            DeviceKind::Cpu => "cpu",
            DeviceKind::Gpu => "gpu",
        };
        let norm = match norm {
            Norm::Folded => "folded layer norm",
            Norm::Plain => "plain layer norm",
        };
        let kernels = format!("{}, {norm}", device.kernels);
        Self { kind, name: device.name, backend: device.backend, dtype: device.dtype, kernels, fallback }
    }
}

/// What a model is and how it is run. Sizes are elements; lengths are tokens, special ones included.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// `model_type` of config.json.
    pub architecture: String,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads of a layer.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Tokens of the vocabulary.
    pub vocab_size: usize,
    /// Width of an embedding.
    pub embedding_dim: usize,
    /// The model's own limit.
    pub max_length: usize,
    /// The longest text its position embeddings allow.
    pub max_position_embeddings: usize,
    /// The model's own pooling.
    pub pooling: &'static str,
    /// Whether the model's own vectors have unit length.
    pub normalize: bool,
    /// Prompts by name.
    pub prompts: BTreeMap<String, String>,
    /// The prompt used when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_prompt_name: Option<String>,
    /// The device in use.
    pub device: DeviceReport,
}
