//! The weights of encoders of texts, and those of BERT, found by name and checked against the configuration.

use heatseek_ops::Tensor;

use crate::reader::Reader;
use crate::text_tower::TowerWeights;
use crate::tower::Tower;
use crate::{Checkpoint, Config, DenseConfig, ModelError};

/// A linear layer: weight `[n, k]`, bias `[n]`.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
}

/// A LayerNorm: gamma and beta `[hidden_size]`.
#[derive(Clone, Debug)]
pub(crate) struct NormWeights {
    pub(crate) gamma: Tensor,
    pub(crate) beta: Tensor,
}

/// One encoder layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerWeights {
    /// Query, key, value.
    pub(crate) qkv: [Linear; 3],
    pub(crate) attention_output: Linear,
    pub(crate) attention_norm: NormWeights,
    pub(crate) intermediate: Linear,
    pub(crate) output: Linear,
    pub(crate) output_norm: NormWeights,
}

/// The whole encoder.
#[derive(Clone, Debug)]
pub(crate) struct BertWeights {
    pub(crate) word: Tensor,
    pub(crate) position: Tensor,
    pub(crate) token_type: Tensor,
    pub(crate) norm: NormWeights,
    pub(crate) layers: Vec<LayerWeights>,
    /// Elements of all tensors that were read.
    pub(crate) parameters: usize,
}

/// The weights of any encoder of texts.
#[derive(Clone, Debug)]
pub(crate) enum TextWeights {
    Bert(BertWeights),
    Tower(TowerWeights),
}

impl TextWeights {
    /// Weights of the right shapes and no values, to find out which ops a model needs before its
    /// checkpoint is there.
    pub(crate) fn outline(config: &Config) -> Self {
        match Tower::of(&config.model_type) {
            None => Self::Bert(BertWeights::outline(config)),
            Some(_) => Self::Tower(TowerWeights::outline(config)),
        }
    }

    /// Finds all weights in `checkpoint`.
    pub(crate) fn read(checkpoint: &Checkpoint, config: &Config) -> Result<Self, ModelError> {
        Ok(match Tower::of(&config.model_type) {
            None => Self::Bert(BertWeights::read(checkpoint, config)?),
            Some(tower) => Self::Tower(TowerWeights::read(checkpoint, config, tower)?),
        })
    }

    /// Elements of all tensors that were read.
    pub(crate) fn parameters(&self) -> usize {
        match self {
            Self::Bert(weights) => weights.parameters,
            Self::Tower(weights) => weights.parameters,
        }
    }

    /// The linear layer behind the encoder whose weights are in the same file.
    pub(crate) fn projection(&self) -> Option<&Linear> {
        match self {
            Self::Bert(_) => None,
            Self::Tower(weights) => weights.projection.as_ref(),
        }
    }
}

/// The tensor every BERT has, by which the prefix is found.
const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// What may stand before the encoder's names: nothing (`BertModel`), `bert.` (`BertFor…`), and what
/// wrappers that saved themselves whole leave behind.
const PREFIXES: [&str; 6] = ["", "bert.", "0.auto_model.", "0.model.", "auto_model.", "model."];

/// Parts of other tasks that a bare encoder's checkpoint may carry along.
const HEADS: [&str; 5] = ["pooler.", "cls.", "classifier.", "qa_outputs.", "lm_head."];

/// Buffers that old versions of transformers saved; they only count up.
const BUFFERS: [&str; 2] = ["embeddings.position_ids", "embeddings.token_type_ids"];

impl BertWeights {
    fn outline(config: &Config) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let norm = || NormWeights::outline(width);
        let linear = Linear::outline;
        let layer = || LayerWeights {
            qkv: [linear(width, width), linear(width, width), linear(width, width)],
            attention_output: linear(width, width),
            attention_norm: norm(),
            intermediate: linear(inner, width),
            output: linear(width, inner),
            output_norm: norm(),
        };
        Self {
            word: zeros(&[config.vocab_size, width]),
            position: zeros(&[config.max_position_embeddings, width]),
            token_type: zeros(&[config.type_vocab_size, width]),
            norm: norm(),
            layers: (0..config.num_hidden_layers).map(|_| layer()).collect(),
            parameters: 0,
        }
    }

    fn read(checkpoint: &Checkpoint, config: &Config) -> Result<Self, ModelError> {
        let Config { file, model_type, num_hidden_layers, .. } = config;
        let mut reader = Reader::behind(checkpoint, file, model_type, &PREFIXES, WORD_EMBEDDINGS)?;
        let width = config.hidden_size;
        let table = |rows: usize| [rows, width];
        let mut weights = Self {
            word: reader.tensor(&[WORD_EMBEDDINGS], &table(config.vocab_size), "vocab_size, hidden_size")?,
            position: reader.tensor(
                &["embeddings.position_embeddings.weight"],
                &table(config.max_position_embeddings),
                "max_position_embeddings, hidden_size",
            )?,
            token_type: reader.tensor(
                &["embeddings.token_type_embeddings.weight"],
                &table(config.type_vocab_size),
                "type_vocab_size, hidden_size",
            )?,
            norm: reader.norm("embeddings.LayerNorm", width)?,
            layers: (0..*num_hidden_layers)
                .map(|i| read_layer(&mut reader, i, config))
                .collect::<Result<_, _>>()?,
            parameters: 0,
        };
        weights.parameters = reader.parameters();
        let model = format!("`{file}` describes, with {num_hidden_layers} layers");
        reader.reject_unused(&model, |name, inside| match inside {
            true => BUFFERS.contains(&name) || HEADS.iter().any(|head| name.starts_with(head)),
            // Beside the encoder stand the heads of `BertFor…`.
            false => !name.starts_with("encoder.") && !name.starts_with("embeddings."),
        })?;
        Ok(weights)
    }
}

/// A tensor of zeros, of which there is none until somebody asks for its values.
pub(crate) fn zeros(shape: &[usize]) -> Tensor {
    let len = shape.iter().product();
    Tensor::computed(shape, move || vec![0.0; len])
}

impl Linear {
    /// One of the right shape and no values.
    pub(crate) fn outline(n: usize, k: usize) -> Self {
        Self { weight: zeros(&[n, k]), bias: zeros(&[n]) }
    }
}

impl NormWeights {
    /// One of the right shape and no values.
    pub(crate) fn outline(width: usize) -> Self {
        Self { gamma: zeros(&[width]), beta: zeros(&[width]) }
    }
}

/// Reads the linear layer of a `Dense` module, and how many elements it has.
pub(crate) fn read_dense(
    checkpoint: &Checkpoint,
    dense: &DenseConfig,
) -> Result<(Linear, usize), ModelError> {
    let (n, k) = (dense.out_features, dense.in_features);
    let config = format!("{}config.json", dense.folder);
    let mut reader = Reader::new(checkpoint, &config);
    let weight = reader.tensor(&["linear.weight"], &[n, k], "out_features, in_features")?;
    let bias = match dense.bias {
        true => reader.tensor(&["linear.bias"], &[n], "bias, out_features")?,
        false => Tensor::new(&[n], vec![0.0; n]),
    };
    reader.reject_unused(&format!("`{config}` describes"), |_, _| false)?;
    Ok((Linear { weight, bias }, reader.parameters()))
}

fn read_layer(reader: &mut Reader<'_>, index: usize, config: &Config) -> Result<LayerWeights, ModelError> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let at = |part: &str| format!("encoder.layer.{index}.{part}");
    let square = "num_hidden_layers, hidden_size";
    let wide = "num_hidden_layers, intermediate_size, hidden_size";
    let mut attend = |part: &str| reader.linear(&at(&format!("attention.{part}")), width, width, square);
    Ok(LayerWeights {
        qkv: [attend("self.query")?, attend("self.key")?, attend("self.value")?],
        attention_output: attend("output.dense")?,
        attention_norm: reader.norm(&at("attention.output.LayerNorm"), width)?,
        intermediate: reader.linear(&at("intermediate.dense"), inner, width, wide)?,
        output: reader.linear(&at("output.dense"), width, inner, wide)?,
        output_norm: reader.norm(&at("output.LayerNorm"), width)?,
    })
}
