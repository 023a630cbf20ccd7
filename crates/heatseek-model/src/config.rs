//! `config.json` of the BERT family.

use heatseek_ops::Activation;

use crate::ModelError;
use crate::builder::Sizes;
use crate::json::{Object, parse};

/// The `model_type`s that [`Config::parse`] reads.
pub const SUPPORTED_MODEL_TYPES: [&str; 1] = ["bert"];

/// `hidden_act` names, as in transformers' `activations.py` (`ACT2FN`).
const ACTIVATIONS: [(&str, Activation); 6] = [
    ("gelu", Activation::GeluErf),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
];

/// The sizes and settings of a BERT encoder. Fields are named as in `config.json`; absent ones have the
/// defaults of transformers' `BertConfig`, except sizes, which must be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file, as errors name it.
    pub file: String,
    /// `bert`.
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
    /// Token types.
    pub type_vocab_size: usize,
}

impl Config {
    /// Reads a `config.json`; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ModelError::UnsupportedArchitecture`], [`ModelError::UnsupportedSetting`] for models and settings
    /// that are not implemented, [`ModelError::Json`], [`ModelError::Field`] for nonsense.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        let value = parse(file, bytes)?;
        let json = Object::new(file, "(the whole file)", &value)?;
        let model_type =
            json.optional_str("model_type")?.ok_or_else(|| json.wrong("model_type", "a string"))?;
        if !SUPPORTED_MODEL_TYPES.contains(&model_type) {
            return Err(ModelError::UnsupportedArchitecture {
                file: file.to_owned(),
                model_type: model_type.to_owned(),
                supported: SUPPORTED_MODEL_TYPES.join(", "),
            });
        }
        reject_variants(&json)?;
        let (hidden_size, num_attention_heads) = read_heads(&json)?;
        let (hidden_act, activation) = read_activation(&json)?;
        Ok(Self {
            file: file.to_owned(),
            model_type: model_type.to_owned(),
            vocab_size: json.size("vocab_size")?,
            hidden_size,
            num_hidden_layers: json.size("num_hidden_layers")?,
            num_attention_heads,
            intermediate_size: json.size("intermediate_size")?,
            hidden_act: hidden_act.to_owned(),
            activation,
            layer_norm_eps: read_eps(&json, 1e-12)?,
            max_position_embeddings: json.size("max_position_embeddings")?,
            type_vocab_size: json.optional_size("type_vocab_size")?.unwrap_or(2),
        })
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            hidden_size: self.hidden_size,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            activation: self.activation,
            layer_norm_eps: self.layer_norm_eps,
        }
    }
}

/// `hidden_size` and `num_attention_heads`.
pub(crate) fn read_heads(json: &Object<'_>) -> Result<(usize, usize), ModelError> {
    let hidden_size = json.size("hidden_size")?;
    let num_attention_heads = json.size("num_attention_heads")?;
    if !hidden_size.is_multiple_of(num_attention_heads) {
        return Err(json.wrong("num_attention_heads", &format!("a divisor of `hidden_size` {hidden_size}")));
    }
    Ok((hidden_size, num_attention_heads))
}

/// `hidden_act` as written and as computed.
pub(crate) fn read_activation<'a>(json: &Object<'a>) -> Result<(&'a str, Activation), ModelError> {
    let name = json.optional_str("hidden_act")?.unwrap_or("gelu");
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
