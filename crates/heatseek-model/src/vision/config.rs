//! `config.json` of vision transformers.

use heatseek_ops::Activation;

use crate::builder::Sizes;
use crate::config::{read_activation, read_eps, read_heads};
use crate::json::{Object, is_of_type, parse};
use crate::tower::Tower;
use crate::vision::positions::Interpolation;
use crate::vision::towers;
use crate::{ModelError, quantized};

/// The `model_type`s that [`VisionConfig::parse`] reads.
pub const VISION_MODEL_TYPES: [&str; 8] = [
    "vit",
    "deit",
    "dinov2",
    "dinov2_with_registers",
    "clip",
    "clip_vision_model",
    "siglip",
    "siglip_vision_model",
];

/// SigLIP 2 for pictures of any shape. Its fixed-resolution form is saved as `siglip`.
const NAFLEX: [&str; 2] = ["siglip2", "siglip2_vision_model"];

/// The sizes and settings of a vision transformer. Fields are named as in `config.json`; absent ones have the
/// defaults of the model's class in transformers 5, except sizes, which must be there.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    /// The file, as errors name it.
    pub file: String,
    /// One of [`VISION_MODEL_TYPES`].
    pub model_type: String,
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// `hidden_act` as written.
    pub hidden_act: String,
    /// `hidden_act` as computed.
    pub activation: Activation,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f32,
    /// Side, in pixels, of the pictures the position embeddings were made for.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Learned tokens without a position (`num_register_tokens`), between the class token and the patches.
    pub num_register_tokens: usize,
    /// Whether query, key and value have a bias.
    pub qkv_bias: bool,
    /// Width of a vector behind CLIP's projection; `None` if there is none.
    pub projection_dim: Option<usize>,
}

impl VisionConfig {
    /// Whether a `config.json` is of a model with a vision half. What is wrong with it is found by
    /// [`VisionConfig::parse`].
    pub fn is_vision(bytes: &[u8]) -> bool {
        is_of_type(bytes, &VISION_MODEL_TYPES) || is_of_type(bytes, &NAFLEX)
    }

    /// Reads a `config.json`; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ModelError::UnsupportedArchitecture`], [`ModelError::UnsupportedSetting`] for models and settings
    /// that are not implemented, [`ModelError::Json`], [`ModelError::Field`] for nonsense.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        let value = parse(file, bytes)?;
        let json = Object::new(file, "(the whole file)", &value)?;
        quantized::reject_other_methods(&json)?;
        let model_type =
            json.optional_str("model_type")?.ok_or_else(|| json.wrong("model_type", "a string"))?;
        if NAFLEX.contains(&model_type) {
            let known =
                "siglip, which fixed-resolution SigLIP 2 is saved as; the NaFlex form is not implemented";
            return Err(json.unsupported("model_type", known));
        }
        if !VISION_MODEL_TYPES.contains(&model_type) {
            return Err(ModelError::UnsupportedArchitecture {
                file: file.to_owned(),
                model_type: model_type.to_owned(),
                supported: VISION_MODEL_TYPES.join(", "),
            });
        }
        let config = match Tower::of(model_type) {
            Some(tower) => towers::read_config(&json, tower, model_type)?,
            None => Self::parse_vit(&json, model_type)?,
        };
        if config.grid() == 0 {
            return Err(json.wrong("patch_size", &format!("at most `image_size` {}", config.image_size)));
        }
        Ok(config)
    }

    fn parse_vit(json: &Object<'_>, model_type: &str) -> Result<Self, ModelError> {
        let dino = model_type.starts_with("dinov2");
        if json.bool_or("use_swiglu_ffn", false)? {
            return Err(json.unsupported("use_swiglu_ffn", "false"));
        }
        if json.optional_size("num_channels")?.is_some_and(|n| n != 3) {
            return Err(json.unsupported("num_channels", "3"));
        }
        let (hidden_size, num_attention_heads) = read_heads(json)?;
        let (hidden_act, activation) = read_activation(json, "gelu")?;
        let intermediate_size = match dino {
            true => hidden_size * json.optional_size("mlp_ratio")?.unwrap_or(4),
            false => json.size("intermediate_size")?,
        };
        let num_register_tokens = match model_type {
            "dinov2_with_registers" => json.optional_size("num_register_tokens")?.unwrap_or(4),
            _ => 0,
        };
        Ok(Self {
            file: json.file.to_owned(),
            model_type: model_type.to_owned(),
            hidden_size,
            num_hidden_layers: json.layers()?,
            num_attention_heads,
            intermediate_size,
            hidden_act: hidden_act.to_owned(),
            activation,
            layer_norm_eps: read_eps(json, if dino { 1e-6 } else { 1e-12 })?,
            image_size: json.size("image_size")?,
            patch_size: json.size("patch_size")?,
            num_register_tokens,
            qkv_bias: json.bool_or("qkv_bias", true)?,
            projection_dim: None,
        })
    }

    /// Patches a side of the pictures the position embeddings were made for.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// The tokens before the patches, in order: `cls`, `distillation`, `register`.
    pub fn prefix_tokens(&self) -> Vec<&'static str> {
        if self.tower() == Some(Tower::Siglip) {
            return Vec::new();
        }
        let mut tokens = vec!["cls"];
        tokens.extend((self.model_type == "deit").then_some("distillation"));
        tokens.extend(std::iter::repeat_n("register", self.num_register_tokens));
        tokens
    }

    /// Values of a patch: three channels.
    pub(crate) fn patch_width(&self) -> usize {
        3 * self.patch_size * self.patch_size
    }

    /// Prefix tokens that have a position embedding.
    pub(crate) fn positioned_prefix(&self) -> usize {
        self.prefix_tokens().len() - self.num_register_tokens
    }

    pub(crate) fn tower(&self) -> Option<Tower> {
        Tower::of(&self.model_type)
    }

    pub(crate) fn layer_scale(&self) -> bool {
        self.model_type.starts_with("dinov2")
    }

    pub(crate) fn interpolation(&self) -> Interpolation {
        match self.model_type.as_str() {
            "dinov2_with_registers" => Interpolation::BicubicAntialias,
            _ => Interpolation::Bicubic,
        }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            hidden_size: self.hidden_size,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            activation: self.activation,
            layer_norm_eps: self.layer_norm_eps,
            causal: false,
        }
    }
}
