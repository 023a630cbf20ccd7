"""Makes the small random vision models of vision/ and the goldens beside them.

Each is an ordinary Hugging Face folder: config.json, preprocessor_config.json, model.safetensors. Weights are
seeded and rounded to the storage type before anything is computed, so the goldens are those of the file.

    python tests/golden/make_vision.py --out tests/golden/vision
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    DeiTConfig, DeiTForImageClassificationWithTeacher, DeiTModel, Dinov2Config, Dinov2Model,
    Dinov2WithRegistersConfig, Dinov2WithRegistersModel, ViTConfig, ViTForImageClassification, ViTModel,
)

FORMAT = "heatseek-golden-vision-1"
REGENERATE = "python tests/golden/make_vision.py --out tests/golden/vision"

BASE = dict(num_hidden_layers=2, image_size=24)
# folder -> what differs. `head`: saved as that class, whose names have a prefix and whose head is no part of
# the encoder. Pictures: heights and widths in pixels; all but the first need other positions.
MODELS = {
    "vit": dict(
        config=ViTConfig, model=ViTModel, dtype=torch.float32,
        fields=dict(hidden_size=48, num_attention_heads=4, intermediate_size=96, patch_size=4),
        pictures=[(24, 24), (24, 40), (36, 20), (4, 4), (31, 26)],
    ),
    # No bias on query, key and value; tanh GELU; names behind `vit.` with a classifier beside them.
    "vit-classifier": dict(
        config=ViTConfig, model=ViTModel, head=ViTForImageClassification, dtype=torch.float16,
        fields=dict(hidden_size=36, num_attention_heads=3, intermediate_size=72, patch_size=6,
                    qkv_bias=False, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-5),
        pictures=[(24, 24), (12, 30)],
    ),
    # Two prefix tokens, each with a position.
    "deit": dict(
        config=DeiTConfig, model=DeiTModel, head=DeiTForImageClassificationWithTeacher, dtype=torch.float32,
        fields=dict(hidden_size=48, num_attention_heads=3, intermediate_size=80, patch_size=4),
        pictures=[(24, 24), (16, 44)],
    ),
    # Layer scales, a mask token that nothing reads.
    "dinov2": dict(
        config=Dinov2Config, model=Dinov2Model, dtype=torch.float32,
        fields=dict(hidden_size=48, num_attention_heads=6, mlp_ratio=2, patch_size=4),
        pictures=[(24, 24), (16, 16), (28, 18), (14, 44)],
    ),
    # Registers without a position; positions resized with antialiasing.
    "dinov2-registers": dict(
        config=Dinov2WithRegistersConfig, model=Dinov2WithRegistersModel, dtype=torch.bfloat16,
        fields=dict(hidden_size=40, num_attention_heads=5, mlp_ratio=4, patch_size=4, num_register_tokens=4),
        pictures=[(24, 24), (12, 16), (40, 28)],
    ),
}
PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 24, "width": 24},
    "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
}


def randomise(model, generator):
    """Weights that make everything matter: LayerNorms and layer scales away from 1, biases away from 0."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name and name.endswith("weight") or "lambda" in name:
            values = 1 + 0.3 * noise
        elif name.endswith("bias"):
            values = 0.2 * noise
        elif "embeddings" in name and "projection" not in name and "patch_embedding.weight" not in name:
            values = 0.5 * noise
        else:
            fan_in = parameter[0].numel() if parameter.dim() else 1
            values = noise * (1.2 / fan_in**0.5)
        parameter.data.copy_(values)


def make(name, spec, out):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = 100 + list(MODELS).index(name)
    generator = torch.Generator().manual_seed(seed)
    config = spec["config"](**BASE, **spec["fields"])
    head = spec.get("head")
    model = (head or spec["model"])(config)
    randomise(model, generator)
    model.to(spec["dtype"]).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    processor = json.dumps(PREPROCESSOR, indent=2) + "\n"
    (folder / "preprocessor_config.json").write_text(processor)

    encoder, info = spec["model"].from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32, output_loading_info=True
    )
    missing = [key for key in info["missing_keys"] if not key.startswith("pooler.")]
    assert not missing, missing
    encoder.eval()
    tensors = {}
    for index, (height, width) in enumerate(spec["pictures"]):
        pixels = torch.rand((1, 3, height, width), generator=generator) * 4 - 2
        extra = {} if "dinov2" in name else {"interpolate_pos_encoding": True}
        with torch.no_grad():
            result = encoder(pixels, output_attentions=True, **extra)
        tensors[f"pixels.{index}"] = pixels[0]
        tensors[f"hidden.{index}"] = result.last_hidden_state[0]
        # [layers, heads, tokens, tokens]
        tensors[f"attention.{index}"] = torch.cat(result.attentions)
    versions = {
        "python": sys.version.split()[0], "torch": torch.__version__,
        "transformers": transformers.__version__, "numpy": np.__version__,
    }
    metadata = {"format": FORMAT, "regenerate": REGENERATE, "seed": str(seed), "attention": "eager", **versions}
    tensors = {key: value.contiguous().float() for key, value in tensors.items()}
    save_file(tensors, folder / "golden.safetensors", metadata=metadata)
    print(name, {key: list(value.shape) for key, value in tensors.items() if key.startswith("hidden")})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    for name, spec in MODELS.items():
        make(name, spec, out)


if __name__ == "__main__":
    main()
