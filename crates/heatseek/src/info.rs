//! What a loaded model says about itself.

use heatseek_gpu::Choice;
use heatseek_model::{ModelSpec, Norm};
use heatseek_ops::{DeviceInfo, DeviceKind};
use serde::Serialize;

/// The device in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceReport {
    /// `gpu`, `cuda`, `cpu` or `reference`.
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
    /// The kernels that were chosen by measuring, now or in an earlier session.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tuned: Vec<Choice>,
}

impl DeviceReport {
    pub(crate) fn new(device: DeviceInfo, norm: Norm, fallback: Option<String>) -> Self {
        let kind = match device.kind {
            DeviceKind::Reference => "reference",
            DeviceKind::Cpu => "cpu",
            DeviceKind::Gpu => "gpu",
            DeviceKind::Cuda => "cuda",
        };
        let norm = match norm {
            Norm::Folded => "folded layer norm",
            Norm::Plain => "plain layer norm",
        };
        let kernels = format!("{}, {norm}", device.kernels);
        let DeviceInfo { name, backend, dtype, .. } = device;
        Self { kind, name, backend, dtype, kernels, fallback, tuned: Vec::new() }
    }
}

/// What a model is and how it is run; as JSON, the fields of both side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelInfo<S = ModelSpec> {
    /// What its files say: a [`ModelSpec`], or a [`VisionSpec`](heatseek_model::VisionSpec).
    #[serde(flatten)]
    pub spec: S,
    /// The device in use.
    pub device: DeviceReport,
}
