//! A BERT with mean pooling and unit length, as sentence-transformers saves one.

use serde_json::{Value, json};

use super::weights::{linear, norm, tensor};
use super::{Files, vocabulary};

/// Its sizes; the feed-forward block is four times as wide.
pub struct Bert {
    pub hidden_size: usize,
    pub layers: usize,
    pub heads: usize,
    pub vocab: usize,
    pub positions: usize,
}

impl Bert {
    pub fn files(&self) -> Files {
        let pooling = json!({ "word_embedding_dimension": self.hidden_size, "pooling_mode_cls_token": false,
            "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false,
            "pooling_mode_mean_sqrt_len_tokens": false });
        let json = vec![
            ("config.json", self.config()),
            ("tokenizer.json", vocabulary::tokenizer(self.vocab)),
            ("tokenizer_config.json", vocabulary::tokenizer_config(self.positions)),
            (
                "sentence_bert_config.json",
                json!({ "max_seq_length": self.positions, "do_lower_case": false }),
            ),
            ("modules.json", modules()),
            ("1_Pooling/config.json", pooling),
        ];
        Files { json, tensors: self.tensors() }
    }

    fn config(&self) -> Value {
        json!({ "architectures": ["BertModel"], "model_type": "bert", "hidden_size": self.hidden_size,
            "num_attention_heads": self.heads, "num_hidden_layers": self.layers,
            "intermediate_size": 4 * self.hidden_size, "vocab_size": self.vocab,
            "max_position_embeddings": self.positions, "type_vocab_size": 2, "hidden_act": "gelu",
            "layer_norm_eps": 1e-12, "position_embedding_type": "absolute", "pad_token_id": 0,
            "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0, "torch_dtype": "float32" })
    }

    fn tensors(&self) -> Vec<super::Tensor> {
        let (width, inner) = (self.hidden_size, 4 * self.hidden_size);
        let mut all = Vec::new();
        for (name, rows) in [("word", self.vocab), ("position", self.positions), ("token_type", 2)] {
            all.push(tensor(format!("embeddings.{name}_embeddings.weight"), &[rows, width], 0.05));
        }
        all.extend(norm("embeddings.LayerNorm", width));
        for layer in 0..self.layers {
            let at = |part: &str| format!("encoder.layer.{layer}.{part}");
            for part in ["query", "key", "value"] {
                all.extend(linear(&at(&format!("attention.self.{part}")), width, width));
            }
            all.extend(linear(&at("attention.output.dense"), width, width));
            all.extend(norm(&at("attention.output.LayerNorm"), width));
            all.extend(linear(&at("intermediate.dense"), inner, width));
            all.extend(linear(&at("output.dense"), width, inner));
            all.extend(norm(&at("output.LayerNorm"), width));
        }
        // Nothing reads the pooler, but transformers warns on stderr where it is missing.
        all.extend(linear("pooler.dense", width, width));
        all
    }
}

fn modules() -> Value {
    let entry = |(index, (path, class)): (usize, (&str, &str))| {
        json!({ "idx": index, "name": index.to_string(), "path": path,
            "type": format!("sentence_transformers.models.{class}") })
    };
    let all = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")];
    all.into_iter().enumerate().map(entry).collect()
}
