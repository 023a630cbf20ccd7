//! Small random models as real files in memory: tests load them the way a user's model is loaded.

use heatseek_ops::Pooling;
use serde_json::{Value, json};

use crate::{ModelError, ModelFiles, TextModel};

/// A random BERT of given sizes. Gammas, betas and biases are random too, so that nothing that is
/// forgotten goes unnoticed. The same values always make the same files.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntheticBert {
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// Tokens; at least 5, the special ones.
    pub vocab_size: usize,
    /// Positions.
    pub max_position_embeddings: usize,
    /// Token types.
    pub type_vocab_size: usize,
    /// `hidden_act`.
    pub hidden_act: &'static str,
    /// `layer_norm_eps`.
    pub layer_norm_eps: f64,
    /// The Pooling module.
    pub pooling: Pooling,
    /// Output width of a Dense module with bias and Tanh, if there is one.
    pub dense: Option<usize>,
    /// Whether a Normalize module comes last.
    pub normalize: bool,
    /// Added to every channel of the attention outputs' biases: moves the mean of the rows away from
    /// zero, which is what a folded LayerNorm takes badly.
    pub offset: f32,
    /// Added to one channel of the attention outputs' biases, as trained models have it.
    pub outlier: f32,
    /// How weights are stored.
    pub dtype: StoredDtype,
    /// Another seed, another model.
    pub seed: u64,
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredDtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// bfloat16.
    Bf16,
}

impl Default for SyntheticBert {
    fn default() -> Self {
        Self {
            hidden_size: 24,
            num_attention_heads: 3,
            num_hidden_layers: 2,
            intermediate_size: 40,
            vocab_size: 64,
            max_position_embeddings: 32,
            type_vocab_size: 2,
            hidden_act: "gelu",
            layer_norm_eps: 1e-12,
            pooling: Pooling::Mean,
            dense: None,
            normalize: true,
            offset: 0.0,
            outlier: 0.0,
            dtype: StoredDtype::F32,
            seed: 1,
        }
    }
}

/// A tensor by name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// The name.
    pub name: String,
    /// The shape.
    pub shape: Vec<usize>,
    /// As many values as the shape says.
    pub values: Vec<f32>,
}

impl SyntheticBert {
    /// The model, through [`TextModel::load`].
    ///
    /// # Errors
    /// [`ModelError`] if the sizes do not go together.
    pub fn model(&self) -> Result<TextModel, ModelError> {
        TextModel::load(&self.files())
    }

    /// All its files.
    pub fn files(&self) -> ModelFiles {
        let mut files = ModelFiles::new();
        put(&mut files, "config.json", &self.config());
        files.insert("model.safetensors", write_safetensors(&self.tensors(), self.dtype));
        put(&mut files, "tokenizer.json", &self.tokenizer());
        put(&mut files, "tokenizer_config.json", &json!({"model_max_length": self.max_position_embeddings}));
        let mut modules = vec![("", "Transformer"), ("1_Pooling", "Pooling")];
        put(&mut files, "1_Pooling/config.json", &self.pooling_config());
        if let Some(out) = self.dense {
            modules.push(("2_Dense", "Dense"));
            let activation = "torch.nn.modules.activation.Tanh";
            let config = json!({"in_features": self.hidden_size, "out_features": out, "bias": true,
                "activation_function": activation});
            put(&mut files, "2_Dense/config.json", &config);
            let mut random = Random::new(self.seed + 1);
            let tensors = linear(&mut random, "linear", out, self.hidden_size);
            files.insert("2_Dense/model.safetensors", write_safetensors(&tensors, self.dtype));
        }
        if self.normalize {
            modules.push(("3_Normalize", "Normalize"));
        }
        let entry = |(index, (path, class)): (usize, &(&str, &str))| {
            json!({"idx": index, "name": index.to_string(), "path": path,
                "type": format!("sentence_transformers.models.{class}")})
        };
        put(&mut files, "modules.json", &modules.iter().enumerate().map(entry).collect());
        files
    }

    /// Its `config.json`.
    pub fn config(&self) -> Value {
        json!({
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": self.hidden_size,
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "intermediate_size": self.intermediate_size,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "type_vocab_size": self.type_vocab_size,
            "hidden_act": self.hidden_act,
            "layer_norm_eps": self.layer_norm_eps,
            "position_embedding_type": "absolute",
        })
    }

    fn pooling_config(&self) -> Value {
        let flag =
            |suffix: &str, pooling: Pooling| (format!("pooling_mode_{suffix}"), self.pooling == pooling);
        let flags = [
            flag("cls_token", Pooling::Cls),
            flag("mean_tokens", Pooling::Mean),
            flag("max_tokens", Pooling::Max),
            flag("mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
            flag("weightedmean_tokens", Pooling::WeightedMean),
            flag("lasttoken", Pooling::Last),
        ];
        let mut config = json!({"word_embedding_dimension": self.hidden_size});
        for (name, value) in flags {
            config[name] = value.into();
        }
        config
    }

    /// A WordPiece tokenizer: the special tokens, then letters at and after the start of a word, then
    /// numbered words, as many as fit.
    fn tokenizer(&self) -> Value {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).into_iter();
        let letters = ('a'..='z').map(String::from).chain(('a'..='z').map(|c| format!("##{c}")));
        let words = (0..).map(|i| format!("word{i}"));
        let vocab: serde_json::Map<String, Value> =
            special.chain(letters).chain(words).take(self.vocab_size).zip((0..).map(Value::from)).collect();
        let token = |id: usize, content: &str| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        };
        let special = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
        let sequence = json!({"Sequence": {"id": "A", "type_id": 0}});
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [token(0, "[PAD]"), token(1, "[UNK]"), token(2, "[CLS]"), token(3, "[SEP]"),
                token(4, "[MASK]")],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [special("[CLS]"), sequence, special("[SEP]")],
                "pair": [special("[CLS]"), sequence, special("[SEP]"),
                    {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
                "special_tokens": {
                    "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                    "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
                },
            },
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocab},
        })
    }

    /// The encoder's tensors, with the names of `BertModel`.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let (width, inner) = (self.hidden_size, self.intermediate_size);
        let mut random = Random::new(self.seed);
        let mut all = Vec::new();
        for (name, rows) in [
            ("word", self.vocab_size),
            ("position", self.max_position_embeddings),
            ("token_type", self.type_vocab_size),
        ] {
            let name = format!("embeddings.{name}_embeddings.weight");
            all.push(random.tensor(name, &[rows, width], 0.0, 1.0));
        }
        all.extend(norm(&mut random, "embeddings.LayerNorm", width));
        for layer in 0..self.num_hidden_layers {
            let at = |part: &str| format!("encoder.layer.{layer}.{part}");
            for part in ["query", "key", "value"] {
                all.extend(linear(&mut random, &at(&format!("attention.self.{part}")), width, width));
            }
            let mut out = linear(&mut random, &at("attention.output.dense"), width, width);
            out[1].values.iter_mut().for_each(|v| *v += self.offset);
            out[1].values[width / 2] += self.outlier;
            all.extend(out);
            all.extend(norm(&mut random, &at("attention.output.LayerNorm"), width));
            all.extend(linear(&mut random, &at("intermediate.dense"), inner, width));
            all.extend(linear(&mut random, &at("output.dense"), width, inner));
            all.extend(norm(&mut random, &at("output.LayerNorm"), width));
        }
        all
    }
}

/// A safetensors file of `tensors`.
pub fn write_safetensors(tensors: &[NamedTensor], dtype: StoredDtype) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data: Vec<u8> = Vec::new();
    for tensor in tensors {
        let start = data.len();
        for &v in &tensor.values {
            match dtype {
                StoredDtype::F32 => data.extend(v.to_le_bytes()),
                StoredDtype::F16 => data.extend(half::f16::from_f32(v).to_le_bytes()),
                StoredDtype::Bf16 => data.extend(half::bf16::from_f32(v).to_le_bytes()),
            }
        }
        let name = match dtype {
            StoredDtype::F32 => "F32",
            StoredDtype::F16 => "F16",
            StoredDtype::Bf16 => "BF16",
        };
        let entry = json!({"dtype": name, "shape": tensor.shape, "data_offsets": [start, data.len()]});
        header.insert(tensor.name.clone(), entry);
    }
    with_header(&Value::Object(header).to_string(), &data)
}

/// A safetensors file of any header, sound or not, padded with spaces so that the data is aligned.
pub fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = header.len().next_multiple_of(8);
    let mut file = (padded as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(8 + padded, b' ');
    file.extend(data);
    file
}

fn put(files: &mut ModelFiles, path: &str, value: &Value) {
    files.insert(path, value.to_string().into_bytes());
}

fn linear(random: &mut Random, name: &str, n: usize, k: usize) -> Vec<NamedTensor> {
    // Outputs about as wide as inputs: uniform weights of ±1.5/√k.
    let scale = 1.5 / (k as f32).sqrt();
    let weight = random.tensor(format!("{name}.weight"), &[n, k], 0.0, scale);
    vec![weight, random.tensor(format!("{name}.bias"), &[n], 0.0, 0.3)]
}

fn norm(random: &mut Random, name: &str, width: usize) -> Vec<NamedTensor> {
    let gamma = random.tensor(format!("{name}.weight"), &[width], 1.0, 0.4);
    vec![gamma, random.tensor(format!("{name}.bias"), &[width], 0.0, 0.3)]
}

/// The testkit's seeded values, a stretch of their own for each tensor.
struct Random {
    seed: u64,
    tensors: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { seed, tensors: 0 }
    }

    fn tensor(&mut self, name: String, shape: &[usize], centre: f32, spread: f32) -> NamedTensor {
        self.tensors += 1;
        // Neighbouring seeds of the testkit give one sequence shifted by one, so seeds are kept apart.
        let seed = (self.seed << 48) ^ (self.tensors << 32);
        let noise = heatseek_testkit::values(seed, shape.iter().product(), spread);
        let values = noise.into_iter().map(|v| centre + v).collect();
        NamedTensor { name, shape: shape.to_vec(), values }
    }
}
