//! Configurations: `config.json` and what sentence-transformers has beside it, all in one JSON object by path, with
//! the weights of the golden model that `weights` names. Refused, or the model has a Program.
#![no_main]

use heatseek_fuzz::json;
use heatseek_model::{ModelFiles, Norm, TextModel, VisionModel};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use serde_json::Value;

macro_rules! golden {
    ($file:literal) => {
        include_bytes!(concat!("../../golden/", $file))
    };
}

const WEIGHTS: [(&str, &[u8]); 6] = [
    ("bert", golden!("models/bert-mean-dense/model.safetensors")),
    ("vit", golden!("vision/vit/model.safetensors")),
    ("dinov2", golden!("vision/dinov2-registers/model.safetensors")),
    ("deit", golden!("vision/deit/model.safetensors")),
    ("clip", golden!("clip/clip/model.safetensors")),
    ("siglip", golden!("clip/siglip/model.safetensors")),
];
const DENSE: &[u8] = golden!("models/bert-mean-dense/2_Dense/model.safetensors");

const WORDS: [&str; 78] = [
    "weights",
    "config.json",
    "modules.json",
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "preprocessor_config.json",
    "model.safetensors.index.json",
    "weight_map",
    "model_type",
    "bert",
    "vit",
    "dinov2",
    "dinov2_with_registers",
    "deit",
    "clip",
    "siglip",
    "siglip2",
    "clip_text_model",
    "siglip_vision_model",
    "text_config",
    "vision_config",
    "quantization_config",
    "quant_method",
    "compressed-tensors",
    "format",
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "gelu",
    "gelu_new",
    "relu",
    "layer_norm_eps",
    "max_position_embeddings",
    "type_vocab_size",
    "projection_dim",
    "projection_size",
    "image_size",
    "patch_size",
    "num_channels",
    "num_register_tokens",
    "qkv_bias",
    "mlp_ratio",
    "use_swiglu_ffn",
    "layerscale_value",
    "interpolate_antialias",
    "eos_token_id",
    "type",
    "path",
    "idx",
    "name",
    "sentence_transformers.models.Transformer",
    "sentence_transformers.models.Pooling",
    "sentence_transformers.models.Dense",
    "sentence_transformers.models.Normalize",
    "pooling_mode",
    "pooling_mode_cls_token",
    "pooling_mode_mean_tokens",
    "word_embedding_dimension",
    "include_prompt",
    "in_features",
    "out_features",
    "bias",
    "activation_function",
    "torch.nn.modules.activation.Tanh",
    "prompts",
    "default_prompt_name",
    "max_seq_length",
    "do_lower_case",
    "model_max_length",
    "pad_token",
    "padding_side",
    "position_embedding_type",
];

fuzz_target!(|data: &[u8]| {
    let Ok(Value::Object(given)) = serde_json::from_slice::<Value>(data) else { return };
    let weights = given.get("weights").and_then(Value::as_str).unwrap_or("bert");
    let weights = WEIGHTS.iter().find(|(name, _)| *name == weights).map_or(WEIGHTS[0].1, |(_, bytes)| bytes);
    let mut files = ModelFiles::new();
    for (path, value) in given.iter().filter(|(path, _)| *path != "weights") {
        files.insert(path, value.to_string().into_bytes());
    }
    // As loaders do it; who goes round in circles here would do so there.
    for round in 0.. {
        assert!(round < 100, "it wants ever more files");
        let Ok(wanted) = files.wanted() else { return };
        if wanted.is_empty() {
            break;
        }
        for file in wanted {
            assert!(
                !file.path.starts_with('/') && !file.path.split('/').any(|part| part == ".."),
                "{}",
                file.path
            );
            match file.path.rsplit_once('/') {
                Some(("2_Dense", "model.safetensors")) => files.insert(&file.path, DENSE.to_vec()),
                None | Some(_) if file.path.ends_with(".safetensors") => {
                    files.insert(&file.path, weights.to_vec())
                }
                _ if file.path.ends_with("tokenizer.json") => files.insert(&file.path, b"{}".to_vec()),
                _ => files.mark_absent(&file.path),
            }
        }
    }
    if files.has_text()
        && let Ok(model) = TextModel::load(&files)
    {
        model.program(Norm::Folded).expect("what was loaded has a Program");
        let _ = model.prompts().resolve(None);
        let _ = model.counted_tokens(&[0, 1, 2]);
    }
    if files.has_vision() {
        let _ = VisionModel::outline(&files, Norm::Folded);
        if let Ok(model) = VisionModel::load(&files) {
            model.program(Norm::Folded).expect("what was loaded has a Program");
            for (width, height) in [(0, 0), (1, 1), (30, 45), (224, 224)] {
                let _ = model.grid(width, height);
            }
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, &WORDS)
});
