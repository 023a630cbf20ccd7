//! The weights of a BERT encoder, found by name and checked against the configuration.

use std::collections::BTreeSet;

use heatseek_ops::Tensor;

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
    /// Weights of the right shapes and no values, to find out which ops a model needs before its
    /// checkpoint is there.
    pub(crate) fn outline(config: &Config) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let zeros = |shape: &[usize]| {
            let len = shape.iter().product();
            Tensor::computed(shape, move || vec![0.0; len])
        };
        let norm = || NormWeights { gamma: zeros(&[width]), beta: zeros(&[width]) };
        let linear = |n: usize, k: usize| Linear { weight: zeros(&[n, k]), bias: zeros(&[n]) };
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
        }
    }

    /// Finds all weights in `checkpoint`.
    pub(crate) fn read(checkpoint: &Checkpoint, config: &Config) -> Result<Self, ModelError> {
        let mut reader = Reader::new(checkpoint, config)?;
        let width = config.hidden_size;
        let table = |rows: usize| [rows, width];
        let weights = Self {
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
            norm: reader.norm("embeddings.LayerNorm")?,
            layers: (0..config.num_hidden_layers).map(|i| reader.layer(i)).collect::<Result<_, _>>()?,
        };
        reader.reject_unused()?;
        Ok(weights)
    }
}

/// A Dense layer of the right shape and no values.
pub(crate) fn outline_dense(dense: &DenseConfig) -> Linear {
    let (n, k) = (dense.out_features, dense.in_features);
    let weight = Tensor::computed(&[n, k], move || vec![0.0; n * k]);
    Linear { weight, bias: Tensor::new(&[n], vec![0.0; n]) }
}

/// Reads the linear layer of a `Dense` module.
pub(crate) fn read_dense(checkpoint: &Checkpoint, dense: &DenseConfig) -> Result<Linear, ModelError> {
    let (n, k) = (dense.out_features, dense.in_features);
    let config = format!("{}config.json", dense.folder);
    let mut reader = Reader { checkpoint, config: &config, prefix: "", used: BTreeSet::new(), sizes: None };
    let weight = reader.tensor(&["linear.weight"], &[n, k], "out_features, in_features")?;
    let bias = match dense.bias {
        true => reader.tensor(&["linear.bias"], &[n], "bias, out_features")?,
        false => Tensor::new(&[n], vec![0.0; n]),
    };
    match checkpoint.names().find(|name| !reader.used.contains(*name)) {
        Some(name) => Err(reader.unexpected(name, format!("`{config}` describes"))),
        None => Ok(Linear { weight, bias }),
    }
}

struct Reader<'a> {
    checkpoint: &'a Checkpoint,
    /// The configuration's file.
    config: &'a str,
    prefix: &'static str,
    used: BTreeSet<String>,
    /// Sizes of an encoder; a Dense layer has none.
    sizes: Option<&'a Config>,
}

impl<'a> Reader<'a> {
    fn new(checkpoint: &'a Checkpoint, config: &'a Config) -> Result<Self, ModelError> {
        let has = |prefix: &&&str| checkpoint.shape(&format!("{prefix}{WORD_EMBEDDINGS}")).is_some();
        let Some(prefix) = PREFIXES.iter().find(has) else {
            let tried: Vec<String> = PREFIXES.iter().map(|p| format!("`{p}{WORD_EMBEDDINGS}`")).collect();
            return Err(ModelError::MissingTensor {
                file: checkpoint.file().to_owned(),
                tensor: WORD_EMBEDDINGS.to_owned(),
                tried: tried.join(", "),
                field: format!("`model_type` \"{}\" of `{}`", config.model_type, config.file),
            });
        };
        Ok(Self { checkpoint, config: &config.file, prefix, used: BTreeSet::new(), sizes: Some(config) })
    }

    /// The tensor under the first of `names` that is there, of exactly this shape; `field` names the
    /// configuration that gives the shape.
    fn tensor(&mut self, names: &[&str], shape: &[usize], field: &str) -> Result<Tensor, ModelError> {
        let full: Vec<String> = names.iter().map(|n| format!("{}{n}", self.prefix)).collect();
        let checkpoint = self.checkpoint;
        let found = full.iter().find_map(|name| Some((name, checkpoint.shape(name)?)));
        let Some((name, got)) = found else {
            let tried: Vec<String> = full.iter().map(|n| format!("`{n}`")).collect();
            return Err(ModelError::MissingTensor {
                file: checkpoint.file().to_owned(),
                tensor: names.first().copied().unwrap_or_default().to_owned(),
                tried: tried.join(", "),
                field: format!("`{field}` of `{}`", self.config),
            });
        };
        let file = checkpoint.file_of(name).unwrap_or_default();
        if got != shape {
            return Err(ModelError::Shape {
                file: file.to_owned(),
                tensor: name.clone(),
                expected: shape.to_vec(),
                got: got.to_vec(),
                field: format!("`{field}` of `{}`", self.config),
            });
        }
        let tensor = checkpoint.tensor(name)?;
        self.used.insert(name.clone());
        // Found above, so it is there.
        Ok(tensor.unwrap_or_else(|| Tensor::new(&[0], Vec::new())))
    }

    fn linear(&mut self, name: &str, n: usize, k: usize, field: &str) -> Result<Linear, ModelError> {
        Ok(Linear {
            weight: self.tensor(&[&format!("{name}.weight")], &[n, k], field)?,
            bias: self.tensor(&[&format!("{name}.bias")], &[n], field)?,
        })
    }

    /// `gamma` and `beta` are the names of the TensorFlow original, kept by old conversions.
    fn norm(&mut self, name: &str) -> Result<NormWeights, ModelError> {
        let shape = [self.sizes.map_or(0, |c| c.hidden_size)];
        let gamma = [&format!("{name}.weight")[..], &format!("{name}.gamma")];
        let beta = [&format!("{name}.bias")[..], &format!("{name}.beta")];
        Ok(NormWeights {
            gamma: self.tensor(&gamma, &shape, "hidden_size")?,
            beta: self.tensor(&beta, &shape, "hidden_size")?,
        })
    }

    fn layer(&mut self, index: usize) -> Result<LayerWeights, ModelError> {
        let (width, inner) = self.sizes.map_or((0, 0), |c| (c.hidden_size, c.intermediate_size));
        let at = |part: &str| format!("encoder.layer.{index}.{part}");
        let square = "num_hidden_layers, hidden_size";
        let wide = "num_hidden_layers, intermediate_size, hidden_size";
        let mut attend = |part: &str| self.linear(&at(&format!("attention.{part}")), width, width, square);
        Ok(LayerWeights {
            qkv: [attend("self.query")?, attend("self.key")?, attend("self.value")?],
            attention_output: attend("output.dense")?,
            attention_norm: self.norm(&at("attention.output.LayerNorm"))?,
            intermediate: self.linear(&at("intermediate.dense"), inner, width, wide)?,
            output: self.linear(&at("output.dense"), width, inner, wide)?,
            output_norm: self.norm(&at("output.LayerNorm"))?,
        })
    }

    /// A weight left over means that the model is not what its configuration says (a layer more, an
    /// adapter, relative positions): running it regardless would give wrong numbers.
    fn reject_unused(&self) -> Result<(), ModelError> {
        let layers = self.sizes.map_or(0, |c| c.num_hidden_layers);
        for name in self.checkpoint.names().filter(|name| !self.used.contains(*name)) {
            let inner = name.strip_prefix(self.prefix);
            let harmless = match inner {
                Some(inner) => BUFFERS.contains(&inner) || HEADS.iter().any(|head| inner.starts_with(head)),
                // Beside the encoder stand the heads of `BertFor…`.
                None => !name.starts_with("encoder.") && !name.starts_with("embeddings."),
            };
            if !harmless {
                let model = format!("`{}` describes, with {layers} layers", self.config);
                return Err(self.unexpected(name, model));
            }
        }
        Ok(())
    }

    fn unexpected(&self, tensor: &str, expected: String) -> ModelError {
        let file = self.checkpoint.file_of(tensor).unwrap_or(self.checkpoint.file());
        ModelError::UnexpectedTensor { file: file.to_owned(), tensor: tensor.to_owned(), expected }
    }
}
