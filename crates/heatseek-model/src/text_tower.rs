//! The text halves of CLIP and SigLIP: their configuration, the names of their weights and their Program.

use heatseek_ops::{Activation, Pooling, ProgramError, Tensor};
use serde_json::Value;

use crate::builder::{Builder, Encoded, Norm};
use crate::json::Object;
use crate::modules::{DenseConfig, Pipeline, PipelineStep};
use crate::prenorm::PreNormLayer;
use crate::reader::Reader;
use crate::tower::{Half, Tower, projects};
use crate::weights::{Linear, NormWeights, zeros};
use crate::{Checkpoint, Config, ModelError};

/// The tensor both have, by which the prefix is found.
const TOKENS: &str = "embeddings.token_embedding.weight";

/// `eos_token_id` of CLIP's first configurations, which was wrong: the text ends with its highest id.
const WRONG_END: u32 = 2;

/// Where a text ends for CLIP, which takes its vector from there (`CLIPTextModel.forward`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEnd {
    /// At the first token of this id.
    Token(u32),
    /// At the first token of the highest id of the text.
    HighestId,
}

impl TextEnd {
    /// Tokens of a text up to its end, which is one of them.
    pub(crate) fn length(self, ids: &[u32]) -> Option<usize> {
        let end = match self {
            Self::Token(end) => Some(end),
            Self::HighestId => ids.iter().copied().max(),
        };
        Some(1 + ids.iter().position(|&id| Some(id) == end)?)
    }
}

/// Reads the text half of a `config.json`.
pub(crate) fn read_config(json: &Object<'_>, tower: Tower, model_type: &str) -> Result<Config, ModelError> {
    let (vocab_size, positions) = match tower {
        Tower::Clip => (49_408, 77),
        Tower::Siglip => (32_000, 64),
    };
    let mut config = Half::Text.read(json, |half| {
        let sizes = tower.sizes(half, Half::Text)?;
        Ok(Config {
            file: json.file.to_owned(),
            model_type: model_type.to_owned(),
            vocab_size: half.size_or("vocab_size", vocab_size)?,
            hidden_size: sizes.hidden_size,
            num_hidden_layers: sizes.num_hidden_layers,
            num_attention_heads: sizes.num_attention_heads,
            intermediate_size: sizes.intermediate_size,
            hidden_act: sizes.hidden_act,
            activation: sizes.activation,
            layer_norm_eps: sizes.layer_norm_eps,
            max_position_embeddings: half.size_or("max_position_embeddings", positions)?,
            type_vocab_size: 1,
            projection_dim: match tower {
                Tower::Clip => None,
                Tower::Siglip => Some(half.size_or("projection_size", sizes.hidden_size)?),
            },
            text_end: (tower == Tower::Clip).then(|| read_end(half)).transpose()?,
        })
    })?;
    if tower == Tower::Clip && projects(json, "CLIPTextModel") {
        // Of both halves, the width stands beside them, not in them.
        config.projection_dim = Some(json.size_or("projection_dim", 512)?);
    }
    Ok(config)
}

fn read_end(half: &Object<'_>) -> Result<TextEnd, ModelError> {
    match half.get("eos_token_id").map(Value::as_u64) {
        None => Ok(TextEnd::Token(49_407)),
        Some(id) => match id.and_then(|id| u32::try_from(id).ok()) {
            Some(WRONG_END) => Ok(TextEnd::HighestId),
            Some(id) => Ok(TextEnd::Token(id)),
            None => Err(half.unsupported("eos_token_id", "one token id")),
        },
    }
}

/// From tokens to vectors: the last row (CLIP's texts are cut at their end, SigLIP's are padded), projected, of
/// unit length to be compared with those of pictures by their cosine.
pub(crate) fn pipeline(config: &Config) -> Pipeline {
    let dense = config.projection_dim.map(|out_features| {
        PipelineStep::Dense(DenseConfig {
            folder: String::new(),
            in_features: config.hidden_size,
            out_features,
            bias: Tower::of(&config.model_type) == Some(Tower::Siglip),
            activation: Activation::Identity,
        })
    });
    let steps = dense.into_iter().chain([PipelineStep::Normalize]).collect();
    Pipeline { transformer: String::new(), pooling: Pooling::Last, include_prompt: true, steps }
}

/// The whole encoder.
#[derive(Clone, Debug)]
pub(crate) struct TowerWeights {
    token: Tensor,
    position: Tensor,
    pub(crate) layers: Vec<PreNormLayer>,
    norm: NormWeights,
    /// CLIP's `text_projection`, SigLIP's `head`.
    pub(crate) projection: Option<Linear>,
    pub(crate) parameters: usize,
}

impl TowerWeights {
    /// Weights of the right shapes and no values.
    pub(crate) fn outline(config: &Config) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        Self {
            token: zeros(&[config.vocab_size, width]),
            position: zeros(&[config.max_position_embeddings, width]),
            layers: (0..config.num_hidden_layers).map(|_| PreNormLayer::outline(width, inner)).collect(),
            norm: NormWeights::outline(width),
            projection: config.projection_dim.map(|n| Linear::outline(n, width)),
            parameters: 0,
        }
    }

    /// Finds all weights in `checkpoint`.
    pub(crate) fn read(checkpoint: &Checkpoint, config: &Config, tower: Tower) -> Result<Self, ModelError> {
        let Config { file, model_type, hidden_size, intermediate_size, num_hidden_layers, .. } = config;
        let (width, inner) = (*hidden_size, *intermediate_size);
        let mut reader = Reader::behind(checkpoint, file, model_type, Half::Text.prefixes(), TOKENS)?;
        let positions = [config.max_position_embeddings, width];
        let mut weights = Self {
            token: reader.tensor(&[TOKENS], &[config.vocab_size, width], "vocab_size, hidden_size")?,
            position: reader.tensor(
                &["embeddings.position_embedding.weight"],
                &positions,
                "max_position_embeddings, hidden_size",
            )?,
            layers: (0..*num_hidden_layers)
                .map(|index| PreNormLayer::read(&mut reader, index, width, inner))
                .collect::<Result<_, _>>()?,
            norm: reader.norm("final_layer_norm", width)?,
            projection: None,
            parameters: 0,
        };
        weights.projection = match (config.projection_dim, tower) {
            (None, _) => None,
            (Some(n), Tower::Clip) => {
                let weight =
                    reader.beside("text_projection.weight", &[n, width], "projection_dim, hidden_size")?;
                Some(Linear { weight, bias: zeros(&[n]) })
            }
            (Some(n), Tower::Siglip) => {
                Some(reader.linear("head", n, width, "projection_size, hidden_size")?)
            }
        };
        weights.parameters = reader.parameters();
        let model = format!("the text half of `{file}` describes, with {num_hidden_layers} layers");
        reader.reject_unused(&model, Half::may_leave)?;
        Ok(weights)
    }
}

impl Builder {
    pub(crate) fn encode_tower(
        &mut self,
        weights: &TowerWeights,
        norm: Norm,
    ) -> Result<Encoded, ProgramError> {
        self.embed_tower(weights)?;
        let before = self.norm_before(norm);
        self.pre_norm(&weights.layers, before)?;
        let norm = self.affine("final_layer_norm", &weights.norm);
        Ok(Encoded { rows: self.z, norm: Some(norm), hidden_before_norm: false, head: None })
    }

    pub(crate) fn embed_tower(&mut self, weights: &TowerWeights) -> Result<(), ProgramError> {
        let no_types = zeros(&[1, self.sizes.hidden_size]);
        self.embed([&weights.token, &weights.position, &no_types])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_where_transformers_says() {
        assert_eq!(TextEnd::Token(9).length(&[8, 3, 9, 4, 9]), Some(3));
        assert_eq!(TextEnd::HighestId.length(&[8, 3, 9, 4, 9]), Some(3));
        assert_eq!(TextEnd::HighestId.length(&[8, 3, 7]), Some(1));
        assert_eq!(TextEnd::Token(9).length(&[8, 3]), None);
        assert_eq!(TextEnd::HighestId.length(&[]), None);
    }
}
