//! The vision halves of CLIP and SigLIP: their configuration and the names of their weights.

use crate::json::Object;
use crate::prenorm::PreNormLayer;
use crate::reader::Reader;
use crate::tower::{Half, Tower, projects};
use crate::vision::VisionConfig;
use crate::vision::head::PoolingHead;
use crate::vision::weights::{VisionWeights, reshaped};
use crate::weights::{Linear, zeros};
use crate::{Checkpoint, ModelError};

/// The tensor both have, by which the prefix is found.
const PROJECTION: &str = "embeddings.patch_embedding";

/// Reads the vision half of a `config.json`.
pub(crate) fn read_config(
    json: &Object<'_>,
    tower: Tower,
    model_type: &str,
) -> Result<VisionConfig, ModelError> {
    let default_width = 512;
    let mut config = Half::Vision.read(json, |half| {
        if half.optional_size("num_channels")?.is_some_and(|n| n != 3) {
            return Err(half.unsupported("num_channels", "3"));
        }
        if !half.bool_or("vision_use_head", true)? {
            return Err(half.unsupported("vision_use_head", "true: without the head there is no vector"));
        }
        let sizes = tower.sizes(half, Half::Vision)?;
        let patch_size = if tower == Tower::Clip { 32 } else { 16 };
        Ok(VisionConfig {
            file: json.file.to_owned(),
            model_type: model_type.to_owned(),
            hidden_size: sizes.hidden_size,
            num_hidden_layers: sizes.num_hidden_layers,
            num_attention_heads: sizes.num_attention_heads,
            intermediate_size: sizes.intermediate_size,
            hidden_act: sizes.hidden_act,
            activation: sizes.activation,
            layer_norm_eps: sizes.layer_norm_eps,
            image_size: half.size_or("image_size", 224)?,
            patch_size: half.size_or("patch_size", patch_size)?,
            num_register_tokens: 0,
            qkv_bias: true,
            projection_dim: None,
        })
    })?;
    if tower == Tower::Clip && projects(json, "CLIPVisionModel") {
        // Of both halves, the width stands beside them, not in them.
        config.projection_dim = Some(json.size_or("projection_dim", default_width)?);
    }
    Ok(config)
}

/// Finds all weights of the vision half in `checkpoint`.
pub(crate) fn read_weights(
    checkpoint: &Checkpoint,
    config: &VisionConfig,
    tower: Tower,
) -> Result<VisionWeights, ModelError> {
    let VisionConfig { file, model_type, hidden_size: width, intermediate_size: inner, .. } = config;
    let (width, inner) = (*width, *inner);
    let anchor = format!("{PROJECTION}.weight");
    let mut reader = Reader::behind(checkpoint, file, model_type, Half::Vision.prefixes(), &anchor)?;
    let positions = config.positioned_prefix() + config.grid() * config.grid();
    let position = ["embeddings.position_embedding.weight"];
    let p = config.patch_size;
    let weight = reader.tensor(&[&anchor], &[width, 3, p, p], "hidden_size, num_channels, patch_size")?;
    let clip = tower == Tower::Clip;
    let bias = match clip {
        true => zeros(&[width]),
        false => reader.tensor(&[&format!("{PROJECTION}.bias")], &[width], "hidden_size")?,
    };
    let mut prefix = Vec::new();
    if clip {
        prefix.push(reader.tensor(&["embeddings.class_embedding"], &[width], "hidden_size")?);
    }
    let mut weights = VisionWeights {
        patches: Linear { weight: reshaped(&weight, &[width, config.patch_width()]), bias },
        prefix,
        position: reader.tensor(&position, &[positions, width], "image_size, patch_size, hidden_size")?,
        // Its name in every checkpoint of CLIP.
        first_norm: clip.then(|| reader.norm("pre_layrnorm", width)).transpose()?,
        layers: (0..config.num_hidden_layers)
            .map(|index| PreNormLayer::read(&mut reader, index, width, inner))
            .collect::<Result<_, _>>()?,
        norm: reader.norm("post_layernorm", width)?,
        head: (!clip).then(|| PoolingHead::read(&mut reader, config)).transpose()?,
        projection: None,
        parameters: 0,
    };
    if let Some(n) = config.projection_dim {
        let weight = reader.beside("visual_projection.weight", &[n, width], "projection_dim, hidden_size")?;
        weights.projection = Some(Linear { weight, bias: zeros(&[n]) });
    }
    weights.parameters = reader.parameters();
    let model = format!("the vision half of `{file}` describes, with {} layers", config.num_hidden_layers);
    reader.reject_unused(&model, Half::may_leave)?;
    Ok(weights)
}
