//! `config.json` of models of texts.

use heatseek_ops::Activation;

use crate::builder::Sizes;
use crate::json::{Object, is_of_type, parse};
use crate::tower::Tower;
use crate::{ModelError, TextEnd, quantized, text_tower};

/// The `model_type`s that [`Config::parse`] reads, or the text half of.
pub const SUPPORTED_MODEL_TYPES: [&str; 7] =
    ["bert", "clip", "clip_text_model", "siglip", "siglip_text_model", "siglip2", "siglip2_text_model"];

/// `hidden_act` names, as in transformers' `activations.py` (`ACT2FN`).
const ACTIVATIONS: [(&str, Activation); 7] = [
    ("gelu", Activation::GeluErf),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("quick_gelu", Activation::QuickGelu),
];

/// The sizes and settings of an encoder of texts. Fields are named as in `config.json`; absent ones have the
/// defaults of the model's class in transformers, except a BERT's sizes, which must be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file, as errors name it.
    pub file: String,
    /// One of [`SUPPORTED_MODEL_TYPES`].
    pub model_type: String,
    /// Tokens.
    pub vocab_size: usize,
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
    /// Positions.
    pub max_position_embeddings: usize,
    /// Token types; 1 where the model knows none.
    pub type_vocab_size: usize,
    /// Width of a vector behind the linear layer that CLIP (`projection_dim`) and SigLIP (`projection_size`) end
    /// with; `None` if there is none.
    pub projection_dim: Option<usize>,
    /// Where CLIP takes a text's vector from.
    pub text_end: Option<TextEnd>,
}

impl Config {
    /// Whether a `config.json` is of a model of texts that is read here, or has such a half.
    pub fn is_text(bytes: &[u8]) -> bool {
        is_of_type(bytes, &SUPPORTED_MODEL_TYPES)
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
        if !SUPPORTED_MODEL_TYPES.contains(&model_type) {
            return Err(ModelError::UnsupportedArchitecture {
                file: file.to_owned(),
                model_type: model_type.to_owned(),
                supported: SUPPORTED_MODEL_TYPES.join(", "),
            });
        }
        if let Some(tower) = Tower::of(model_type) {
            return text_tower::read_config(&json, tower, model_type);
        }
        reject_variants(&json)?;
        let (hidden_size, num_attention_heads) = read_heads(&json)?;
        let (hidden_act, activation) = read_activation(&json, "gelu")?;
        Ok(Self {
            file: file.to_owned(),
            model_type: model_type.to_owned(),
            vocab_size: json.size("vocab_size")?,
            hidden_size,
            num_hidden_layers: json.layers()?,
            num_attention_heads,
            intermediate_size: json.size("intermediate_size")?,
            hidden_act: hidden_act.to_owned(),
            activation,
            layer_norm_eps: read_eps(&json, 1e-12)?,
            max_position_embeddings: json.size("max_position_embeddings")?,
            type_vocab_size: json.size_or("type_vocab_size", 2)?,
            projection_dim: None,
            text_end: None,
        })
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            hidden_size: self.hidden_size,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            activation: self.activation,
            layer_norm_eps: self.layer_norm_eps,
            causal: Tower::of(&self.model_type) == Some(Tower::Clip),
        }
    }
}

/// `hidden_size` and `num_attention_heads`.
pub(crate) fn read_heads(json: &Object<'_>) -> Result<(usize, usize), ModelError> {
    let hidden_size = json.size("hidden_size")?;
    let num_attention_heads = json.size("num_attention_heads")?;
    divided(json, hidden_size, num_attention_heads)?;
    Ok((hidden_size, num_attention_heads))
}

/// Fails unless every head has the same width.
pub(crate) fn divided(
    json: &Object<'_>,
    hidden_size: usize,
    num_attention_heads: usize,
) -> Result<(), ModelError> {
    match hidden_size.is_multiple_of(num_attention_heads) {
        true => Ok(()),
        false => Err(json.wrong("num_attention_heads", &format!("a divisor of `hidden_size` {hidden_size}"))),
    }
}

/// `hidden_act` as written and as computed.
pub(crate) fn read_activation<'a>(
    json: &Object<'a>,
    default: &'a str,
) -> Result<(&'a str, Activation), ModelError> {
    let name = json.optional_str("hidden_act")?.unwrap_or(default);
    match ACTIVATIONS.iter().find(|(known, _)| *known == name) {
        Some(&(_, activation)) => Ok((name, activation)),
        None => Err(json.unsupported("hidden_act", &ACTIVATIONS.map(|(known, _)| known).join(", "))),
    }
}

/// `layer_norm_eps`.
pub(crate) fn read_eps(json: &Object<'_>, default: f64) -> Result<f32, ModelError> {
    let eps = json.optional_number("layer_norm_eps")?.unwrap_or(default);
    if !(0.0..1.0).contains(&eps) {
        return Err(json.wrong("layer_norm_eps", "a number from 0 to 1"));
    }
    Ok(eps as f32)
}

/// Settings that change what a BERT computes.
fn reject_variants(json: &Object<'_>) -> Result<(), ModelError> {
    match json.optional_str("position_embedding_type")? {
        None | Some("absolute") => {}
        Some(_) => return Err(json.unsupported("position_embedding_type", "absolute")),
    }
    for flag in ["is_decoder", "add_cross_attention"] {
        if json.bool_or(flag, false)? {
            return Err(json.unsupported(flag, "false"));
        }
    }
    Ok(())
}
