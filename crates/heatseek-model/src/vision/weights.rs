//! The weights of a vision transformer, found by name and checked against the configuration.

use heatseek_ops::Tensor;

use crate::fold::scale_rows;
use crate::prenorm::PreNormLayer;
use crate::reader::Reader;
use crate::tower::Tower;
use crate::vision::head::PoolingHead;
use crate::vision::{VisionConfig, towers};
use crate::weights::{Linear, NormWeights, zeros};
use crate::{Checkpoint, ModelError};

/// The whole encoder.
#[derive(Clone, Debug)]
pub(crate) struct VisionWeights {
    /// Weight `[hidden_size, 3 · patch_size²]`, a patch's values in the order channel, row, column.
    pub(crate) patches: Linear,
    /// One `[hidden_size]` for each prefix token.
    pub(crate) prefix: Vec<Tensor>,
    /// `[prefix tokens with a position + grid², hidden_size]`.
    pub(crate) position: Tensor,
    /// CLIP's LayerNorm before the layers.
    pub(crate) first_norm: Option<NormWeights>,
    pub(crate) layers: Vec<PreNormLayer>,
    pub(crate) norm: NormWeights,
    /// SigLIP's pooling head.
    pub(crate) head: Option<PoolingHead>,
    /// CLIP's projection, of `hidden_size` to `projection_dim`.
    pub(crate) projection: Option<Linear>,
    /// Elements of all tensors that were read.
    pub(crate) parameters: usize,
}

/// The tensor every model of these has, by which the prefix is found.
const POSITIONS: &str = "embeddings.position_embeddings";
const PROJECTION: &str = "embeddings.patch_embeddings.projection";

/// What may stand before the encoder's names.
const PREFIXES: [&str; 5] = ["", "vit.", "deit.", "dinov2.", "dinov2_with_registers."];

/// Parts that are there for other tasks or for training only.
const HEADS: [&str; 6] =
    ["pooler.", "classifier.", "cls_classifier.", "distillation_classifier.", "decoder.", "lm_head."];
const TRAINING: [&str; 1] = ["embeddings.mask_token"];

/// Names of a layer's parts.
struct Names {
    attention_norm: &'static str,
    ffn_norm: &'static str,
    intermediate: &'static str,
    output: &'static str,
}

const VIT: Names = Names {
    attention_norm: "layernorm_before",
    ffn_norm: "layernorm_after",
    intermediate: "intermediate.dense",
    output: "output.dense",
};
const DINO: Names =
    Names { attention_norm: "norm1", ffn_norm: "norm2", intermediate: "mlp.fc1", output: "mlp.fc2" };

impl VisionWeights {
    /// Weights of the right shapes and no values, to find out which ops a model needs before its
    /// checkpoint is there.
    pub(crate) fn outline(config: &VisionConfig) -> Self {
        let (width, inner, tower) = (config.hidden_size, config.intermediate_size, config.tower());
        Self {
            patches: Linear::outline(width, config.patch_width()),
            prefix: config.prefix_tokens().iter().map(|_| zeros(&[width])).collect(),
            position: zeros(&[positions(config), width]),
            first_norm: (tower == Some(Tower::Clip)).then(|| NormWeights::outline(width)),
            layers: (0..config.num_hidden_layers).map(|_| PreNormLayer::outline(width, inner)).collect(),
            norm: NormWeights::outline(width),
            head: (tower == Some(Tower::Siglip)).then(|| PoolingHead::outline(width, inner)),
            projection: config.projection_dim.map(|n| Linear::outline(n, width)),
            parameters: 0,
        }
    }

    /// Finds all weights in `checkpoint`.
    pub(crate) fn read(checkpoint: &Checkpoint, config: &VisionConfig) -> Result<Self, ModelError> {
        if let Some(tower) = config.tower() {
            return towers::read_weights(checkpoint, config, tower);
        }
        let VisionConfig { file, model_type, num_hidden_layers, .. } = config;
        let mut reader = Reader::behind(checkpoint, file, model_type, &PREFIXES, POSITIONS)?;
        let width = config.hidden_size;
        let grid = "image_size, patch_size, hidden_size";
        let position = reader.tensor(&[POSITIONS], &[1, positions(config), width], grid)?;
        let p = config.patch_size;
        let weight = reader.tensor(
            &[&format!("{PROJECTION}.weight")],
            &[width, 3, p, p],
            "hidden_size, num_channels, patch_size",
        )?;
        let bias = reader.tensor(&[&format!("{PROJECTION}.bias")], &[width], "hidden_size")?;
        let mut weights = Self {
            patches: Linear { weight: reshaped(&weight, &[width, config.patch_width()]), bias },
            prefix: read_prefix(&mut reader, config)?,
            position: reshaped(&position, &[positions(config), width]),
            layers: (0..*num_hidden_layers)
                .map(|i| read_layer(&mut reader, i, config))
                .collect::<Result<_, _>>()?,
            norm: reader.norm("layernorm", width)?,
            first_norm: None,
            head: None,
            projection: None,
            parameters: 0,
        };
        weights.parameters = reader.parameters();
        let model = format!("`{file}` describes, with {num_hidden_layers} layers");
        reader.reject_unused(&model, |name, _| {
            TRAINING.contains(&name) || HEADS.iter().any(|head| name.starts_with(head))
        })?;
        Ok(weights)
    }
}

/// Rows of the position embeddings.
fn positions(config: &VisionConfig) -> usize {
    config.positioned_prefix() + config.grid() * config.grid()
}

fn read_prefix(reader: &mut Reader<'_>, config: &VisionConfig) -> Result<Vec<Tensor>, ModelError> {
    let width = config.hidden_size;
    let mut one = |name: &str| -> Result<Tensor, ModelError> {
        Ok(reshaped(&reader.tensor(&[name], &[1, 1, width], "hidden_size")?, &[width]))
    };
    let mut prefix = vec![one("embeddings.cls_token")?];
    if config.model_type == "deit" {
        prefix.push(one("embeddings.distillation_token")?);
    }
    let registers = config.num_register_tokens;
    if registers > 0 {
        let field = "num_register_tokens, hidden_size";
        let all = reader.tensor(&["embeddings.register_tokens"], &[1, registers, width], field)?;
        prefix.extend((0..registers).map(|index| {
            let all = all.clone();
            Tensor::computed(&[width], move || all.values()[index * width..][..width].to_vec())
        }));
    }
    Ok(prefix)
}

fn read_layer(
    reader: &mut Reader<'_>,
    index: usize,
    config: &VisionConfig,
) -> Result<PreNormLayer, ModelError> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let names = if config.layer_scale() { DINO } else { VIT };
    let at = |part: &str| format!("encoder.layer.{index}.{part}");
    let square = "num_hidden_layers, hidden_size";
    let wide = "num_hidden_layers, intermediate_size, hidden_size";
    let mut project = |part: &str| -> Result<Linear, ModelError> {
        let name = at(&format!("attention.attention.{part}"));
        match config.qkv_bias {
            true => reader.linear(&name, width, width, square),
            false => {
                let weight = reader.tensor(&[&format!("{name}.weight")], &[width, width], square)?;
                Ok(Linear { weight, bias: zeros(&[width]) })
            }
        }
    };
    let qkv = [project("query")?, project("key")?, project("value")?];
    let attention_output = reader.linear(&at("attention.output.dense"), width, width, square)?;
    let output = reader.linear(&at(names.output), width, inner, wide)?;
    let mut scaled = |linear: Linear, name: &str| -> Result<Linear, ModelError> {
        match config.layer_scale() {
            true => {
                let scale = reader.tensor(&[&at(&format!("{name}.lambda1"))], &[width], "hidden_size")?;
                Ok(scale_rows(&linear, &scale))
            }
            false => Ok(linear),
        }
    };
    Ok(PreNormLayer {
        attention_output: scaled(attention_output, "layer_scale1")?,
        output: scaled(output, "layer_scale2")?,
        qkv,
        attention_norm: reader.norm(&at(names.attention_norm), width)?,
        ffn_norm: reader.norm(&at(names.ffn_norm), width)?,
        intermediate: reader.linear(&at(names.intermediate), inner, width, wide)?,
    })
}

/// The same values in other extents.
pub(crate) fn reshaped(tensor: &Tensor, shape: &[usize]) -> Tensor {
    let tensor = tensor.clone();
    Tensor::computed(shape, move || tensor.values().into_owned())
}
