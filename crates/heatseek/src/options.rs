//! What a caller can choose.

use std::rc::Rc;

use heatseek_ops::Pooling;
use heatseek_wgsl::Kernel;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A hardware GPU where there is one that passes the self-check, the CPU otherwise.
    #[default]
    Auto,
    /// The scalar f64-accumulating reference: slow, and what everything else is compared with.
    Reference,
    /// The CPU kernels.
    Cpu,
    /// A GPU, software adapters included; an error if there is none.
    Gpu,
}

impl DeviceChoice {
    /// The choice of this name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the valid ones.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "auto" => Self::Auto,
            "reference" => Self::Reference,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            other => {
                return Err(Error::InvalidInput {
                    what: "device".into(),
                    got: format!("`{other}`"),
                    expected: "auto, cpu, gpu or reference".into(),
                });
            }
        })
    }
}

/// For tests: rewrites the source of a kernel before it is compiled.
pub type SourceTransform = Rc<dyn Fn(&Kernel, &str) -> String>;

/// How to load a model.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Where to compute.
    pub device: DeviceChoice,
    /// Which GPU: part of its name, case-insensitive. `None` takes the most powerful.
    pub adapter: Option<String>,
    /// For tests: checked runs (see [`heatseek_ops::PlanOptions::checked`]).
    pub checked: bool,
    /// For tests: plants faults in GPU kernels.
    pub source_transform: Option<SourceTransform>,
}

/// How to embed.
#[derive(Clone, Debug, Default)]
pub struct EmbedOptions {
    /// How tokens become one vector; `None` is the model's own.
    pub pooling: Option<Pooling>,
    /// Whether vectors have unit length; `None` is the model's own.
    pub normalize: Option<bool>,
    /// A prompt of the model's `config_sentence_transformers.json`, put before every text.
    pub prompt_name: Option<String>,
    /// A prompt given literally; not together with `prompt_name`.
    pub prompt: Option<String>,
    /// The most tokens of a text, special ones included; `None` is the model's own limit. Longer texts are
    /// cut at the end.
    pub max_length: Option<usize>,
    /// Whether the last hidden state comes too.
    pub hidden: bool,
}

/// The pooling of this name, `None` for `auto`.
///
/// # Errors
/// [`Error::InvalidInput`] naming the valid ones.
pub fn pooling_from_name(name: &str) -> Result<Option<Pooling>, Error> {
    if name == "auto" {
        return Ok(None);
    }
    Pooling::from_name(name).map(Some).ok_or_else(|| Error::InvalidInput {
        what: "pooling".into(),
        got: format!("`{name}`"),
        expected: format!("auto, {}", Pooling::OF_MODELS.map(Pooling::name).join(", ")),
    })
}
