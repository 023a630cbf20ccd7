//! What both halves of CLIP and SigLIP have in common: where their configuration stands and what it says.

use heatseek_ops::Activation;
use serde_json::{Map, Value};

use crate::ModelError;
use crate::config::{divided, read_activation, read_eps};
use crate::json::Object;

/// Which of the two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tower {
    Clip,
    /// Also SigLIP 2, whose text half is the same.
    Siglip,
}

/// Which half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Text,
    Vision,
}

/// The sizes of one half.
pub(crate) struct TowerSizes {
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) hidden_act: String,
    pub(crate) activation: Activation,
    pub(crate) layer_norm_eps: f32,
}

impl Tower {
    /// The model that a supported `model_type` is of, if it is one of the two.
    pub(crate) fn of(model_type: &str) -> Option<Self> {
        match model_type {
            _ if model_type.starts_with("clip") => Some(Self::Clip),
            _ if model_type.starts_with("siglip") => Some(Self::Siglip),
            _ => None,
        }
    }

    /// The sizes in `json`, the configuration of one half; what is absent is as in transformers'
    /// `configuration_clip.py` and `configuration_siglip.py`.
    pub(crate) fn sizes(self, json: &Object<'_>, half: Half) -> Result<TowerSizes, ModelError> {
        let (width, heads) = match (self, half) {
            (Self::Clip, Half::Text) => (512, 8),
            _ => (768, 12),
        };
        let (act, eps) = match self {
            Self::Clip => ("quick_gelu", 1e-5),
            Self::Siglip => ("gelu_pytorch_tanh", 1e-6),
        };
        let hidden_size = json.size_or("hidden_size", width)?;
        let num_attention_heads = json.size_or("num_attention_heads", heads)?;
        divided(json, hidden_size, num_attention_heads)?;
        let (hidden_act, activation) = read_activation(json, act)?;
        Ok(TowerSizes {
            hidden_size,
            intermediate_size: json.size_or("intermediate_size", 4 * width)?,
            num_hidden_layers: json.size_or("num_hidden_layers", 12)?,
            num_attention_heads,
            hidden_act: hidden_act.to_owned(),
            activation,
            layer_norm_eps: read_eps(json, eps)?,
        })
    }
}

impl Half {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Vision => "vision",
        }
    }

    /// Calls `read` with the part of a `config.json` that describes this half: all of it, if it is of a half
    /// alone.
    pub(crate) fn read<T>(
        self,
        json: &Object<'_>,
        read: impl FnOnce(&Object<'_>) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let model_type = json.optional_str("model_type")?.unwrap_or_default();
        if model_type.contains('_') {
            return read(json);
        }
        let name = self.name();
        // transformers lets the older field win over the newer, defaults and all (`CLIPConfig.__post_init__`).
        let fields = [format!("{name}_config_dict"), format!("{name}_config")];
        let empty = Value::Object(Map::new());
        let found = fields.iter().find_map(|field| Some((field, json.get(field)?)));
        let (field, value) = found.unwrap_or((&fields[1], &empty));
        let file = format!("{} ({field})", json.file);
        let half = Object::new(&file, "(the whole field)", value)?;
        match half.optional_str("model_type")? {
            Some(kind) if Tower::of(kind) != Tower::of(model_type) => {
                Err(half.unsupported("model_type", &format!("{model_type}_{name}_model")))
            }
            _ => read(&half),
        }
    }

    /// What may stand before the names of this half's weights.
    pub(crate) fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["text_model.", ""],
            Self::Vision => &["vision_model.", ""],
        }
    }

    /// Whether a weight that this half did not read is of no concern to it: a buffer that old versions of
    /// transformers saved, or part of the other half or of the loss. `inside` tells whether it has the prefix.
    pub(crate) fn may_leave(name: &str, inside: bool) -> bool {
        let rest = [
            "text_model.",
            "vision_model.",
            "text_projection.",
            "visual_projection.",
            "logit_scale",
            "logit_bias",
        ];
        match inside {
            true => name == "embeddings.position_ids" || name.starts_with("logit_"),
            false => rest.iter().any(|part| name.starts_with(part)),
        }
    }
}

/// Whether the model of this configuration ends with CLIP's projection: `class` is the one that does not.
pub(crate) fn projects(json: &Object<'_>, class: &str) -> bool {
    let classes = json.get("architectures").and_then(Value::as_array);
    !classes.is_some_and(|classes| classes.iter().any(|name| name.as_str() == Some(class)))
}
