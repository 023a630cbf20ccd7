//! What a model is, for people.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything the files say about a model. Sizes are named as in `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSpec {
    /// `model_type`, e.g. `bert`.
    pub model_type: String,
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// The feed-forward block's activation.
    pub hidden_act: String,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f32,
    /// Tokens the vocabulary has.
    pub vocab_size: usize,
    /// Token types.
    pub type_vocab_size: usize,
    /// Positions: no sequence can be longer.
    pub max_position_embeddings: usize,
    /// Tokens of a text, special tokens included, beyond which it is truncated.
    pub max_length: usize,
    /// Whether texts are lower-cased before the tokenizer sees them.
    pub do_lower_case: bool,
    /// Width of a text's vector.
    pub embedding_dim: usize,
    /// How tokens become one vector.
    pub pooling: String,
    /// Whether the tokens of a prompt count when a text is pooled.
    pub include_prompt: bool,
    /// Whether vectors have unit length.
    pub normalize: bool,
    /// From encoder to vector, e.g. `["Transformer", "Pooling(mean)", "Dense(768 -> 256)", "Normalize"]`.
    pub modules: Vec<String>,
    /// What goes before a text, by name.
    pub prompts: BTreeMap<String, String>,
    /// The prompt used when none is named.
    pub default_prompt_name: Option<String>,
    /// How vectors are meant to be compared.
    pub similarity: Option<String>,
    /// Weights, counted one by one.
    pub parameters: usize,
    /// How the word embeddings are stored, e.g. `F32`.
    pub weights_dtype: String,
}
