//! Vision transformers: DINOv2, and the vision half of CLIP.

use serde_json::{Value, json};

use super::Files;
use super::weights::{Tensor, linear, norm, tensor};

/// A DINOv2 with patches of 14 pixels; the feed-forward block is four times as wide.
pub struct Dino {
    pub hidden_size: usize,
    pub layers: usize,
    pub heads: usize,
    pub image_size: usize,
}

/// A CLIP vision tower with patches of 32 pixels of 224.
pub struct Clip {
    pub hidden_size: usize,
    pub layers: usize,
    pub heads: usize,
    pub projection: usize,
}

const DINO_PATCH: usize = 14;
const CLIP_PATCH: usize = 32;
const CLIP_IMAGE: usize = 224;

impl Dino {
    pub fn files(&self) -> Files {
        let config = json!({ "architectures": ["Dinov2Model"], "model_type": "dinov2",
            "hidden_size": self.hidden_size, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "mlp_ratio": 4, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
            "image_size": self.image_size, "patch_size": DINO_PATCH, "num_channels": 3, "qkv_bias": true,
            "layerscale_value": 1.0, "drop_path_rate": 0.0, "use_swiglu_ffn": false,
            "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0, "torch_dtype": "float32" });
        let preprocessor = json!({ "image_processor_type": "BitImageProcessor", "do_resize": true,
            "size": { "shortest_edge": 256 }, "resample": 3, "do_center_crop": true,
            "crop_size": { "height": 224, "width": 224 }, "do_rescale": true,
            "rescale_factor": 1.0 / 255.0, "do_normalize": true, "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225] });
        let json = vec![("config.json", config), ("preprocessor_config.json", preprocessor)];
        Files { json, tensors: self.tensors() }
    }

    fn tensors(&self) -> Vec<Tensor> {
        let (width, inner) = (self.hidden_size, 4 * self.hidden_size);
        let grid = self.image_size / DINO_PATCH;
        let mut all = vec![
            tensor("embeddings.cls_token", &[1, 1, width], 0.5),
            tensor("embeddings.mask_token", &[1, width], 0.02),
            tensor("embeddings.position_embeddings", &[1, grid * grid + 1, width], 0.1),
        ];
        let patches = [width, 3, DINO_PATCH, DINO_PATCH];
        all.extend(patch_embedding("embeddings.patch_embeddings.projection", &patches));
        for layer in 0..self.layers {
            let at = |part: &str| format!("encoder.layer.{layer}.{part}");
            for part in ["query", "key", "value"] {
                all.extend(linear(&at(&format!("attention.attention.{part}")), width, width));
            }
            all.extend(linear(&at("attention.output.dense"), width, width));
            all.extend(linear(&at("mlp.fc1"), inner, width));
            all.extend(linear(&at("mlp.fc2"), width, inner));
            for part in ["norm1", "norm2"] {
                all.extend(norm(&at(part), width));
            }
            for part in ["layer_scale1", "layer_scale2"] {
                let scale = tensor(at(&format!("{part}.lambda1")), &[width], 0.1);
                all.push(Tensor { mean: 0.5, ..scale });
            }
        }
        all.extend(norm("layernorm", width));
        all
    }
}

impl Clip {
    pub fn files(&self) -> Files {
        let config = json!({ "architectures": ["CLIPVisionModelWithProjection"],
            "model_type": "clip_vision_model", "hidden_size": self.hidden_size,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.hidden_size, "projection_dim": self.projection,
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "image_size": CLIP_IMAGE,
            "patch_size": CLIP_PATCH, "num_channels": 3, "attention_dropout": 0.0, "torch_dtype": "float32" });
        let json = vec![("config.json", config), ("preprocessor_config.json", clip_preprocessor())];
        Files { json, tensors: self.tensors() }
    }

    fn tensors(&self) -> Vec<Tensor> {
        let (width, inner, grid) = (self.hidden_size, 4 * self.hidden_size, CLIP_IMAGE / CLIP_PATCH);
        let model = |part: &str| format!("vision_model.{part}");
        let [patches, _] =
            patch_embedding(&model("embeddings.patch_embedding"), &[width, 3, CLIP_PATCH, CLIP_PATCH]);
        let mut all = vec![
            tensor(model("embeddings.class_embedding"), &[width], 0.5),
            patches,
            tensor(model("embeddings.position_embedding.weight"), &[grid * grid + 1, width], 0.1),
        ];
        for part in ["pre_layrnorm", "post_layernorm"] {
            all.extend(norm(&model(part), width));
        }
        for layer in 0..self.layers {
            let at = |part: &str| model(&format!("encoder.layers.{layer}.{part}"));
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                all.extend(linear(&at(&format!("self_attn.{part}")), width, width));
            }
            all.extend(linear(&at("mlp.fc1"), inner, width));
            all.extend(linear(&at("mlp.fc2"), width, inner));
            for part in ["layer_norm1", "layer_norm2"] {
                all.extend(norm(&at(part), width));
            }
        }
        let deviation = 1.0 / (width as f32).sqrt();
        all.push(tensor("visual_projection.weight", &[self.projection, width], deviation));
        all
    }
}

fn patch_embedding(name: &str, shape: &[usize; 4]) -> [Tensor; 2] {
    let fan_in: usize = shape[1..].iter().product();
    let weight = tensor(format!("{name}.weight"), shape, 1.0 / (fan_in as f32).sqrt());
    [weight, tensor(format!("{name}.bias"), &[shape[0]], 0.02)]
}

fn clip_preprocessor() -> Value {
    json!({ "image_processor_type": "CLIPImageProcessor", "do_resize": true,
        "size": { "shortest_edge": 224 }, "resample": 3, "do_center_crop": true,
        "crop_size": { "height": 224, "width": 224 }, "do_rescale": true, "rescale_factor": 1.0 / 255.0,
        "do_normalize": true, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711], "do_convert_rgb": true })
}
