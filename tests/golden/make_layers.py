"""Makes golden.layers.safetensors beside some of the small models: the hidden states between their layers, and
queries, keys and values, as `output_hidden_states` and the modules of transformers give them.

    python tests/golden/make_layers.py --golden tests/golden
"""

import argparse
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import BertModel, CLIPModel, Dinov2WithRegistersModel, SiglipModel

FORMAT = "heatseek-golden-layers-1"
REGENERATE = "python tests/golden/make_layers.py --golden tests/golden"
# Folder -> class, the part that reads texts or pictures, and the file whose ids.1 or pixels.1 it is given.
TEXTS = [("models/bert-e5", BertModel, None), ("clip/clip", CLIPModel, "text_model")]
PICTURES = [
    ("vision/dinov2-registers", Dinov2WithRegistersModel, None, "golden.safetensors"),
    ("clip/clip", CLIPModel, "vision_model", "pictures.safetensors"),
    ("clip/siglip", SiglipModel, "vision_model", "pictures.safetensors"),
]
PROJECTIONS = [("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")]


def layers_of(model):
    """The encoder's layers: the only list of modules that have queries."""
    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and projection(m[0], 0)]
    (layers,) = lists
    return layers


def projection(layer, part):
    found = [m for name, m in layer.named_modules() if name.split(".")[-1] in PROJECTIONS[part]]
    return found[0] if len(found) == 1 else None


def run(model, **inputs):
    """Hidden states `[layers + 1, T, width]` and queries, keys, values `[layers, T, 3 * width]`."""
    hidden, parts = [], []
    layers = layers_of(model)
    hooks = []
    for index, layer in enumerate(layers):
        if index == 0:
            hooks.append(layer.register_forward_pre_hook(
                lambda _, args, kwargs: hidden.append(args[0] if args else kwargs["hidden_states"]),
                with_kwargs=True))
        hooks.append(layer.register_forward_hook(
            lambda _, __, result: hidden.append(result if isinstance(result, torch.Tensor) else result[0])))
        for part in range(3):
            hooks.append(projection(layer, part).register_forward_hook(lambda _, __, result: parts.append(result)))
    with torch.no_grad():
        result = model(**inputs, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    # The same as transformers calls them; the last one it may have normalised once more.
    for ours, theirs in zip(hidden[:-1], result.hidden_states):
        assert torch.equal(ours, theirs)
    qkv = [torch.cat(parts[3 * i : 3 * i + 3], dim=-1)[0] for i in range(len(layers))]
    return torch.stack([rows[0] for rows in hidden]).contiguous(), torch.stack(qkv).contiguous()


def save(path, tensors):
    metadata = {"format": FORMAT, "regenerate": REGENERATE, "attention": "eager",
                "python": sys.version.split()[0], "torch": torch.__version__,
                "transformers": transformers.__version__}
    save_file(tensors, path, metadata=metadata)
    print(path, {key: list(value.shape) for key, value in tensors.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", type=Path, required=True)
    golden = parser.parse_args().golden
    torch.set_num_threads(1)
    for folder, kind, part in TEXTS:
        folder = golden / folder
        whole = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        ids = load_file(folder / "attention.safetensors")["ids.1"]
        hidden, qkv = run(getattr(whole, part) if part else whole, input_ids=ids.long()[None])
        save(folder / "golden.layers.safetensors", {"ids": ids, "hidden": hidden, "qkv": qkv})
    for folder, kind, part, file in PICTURES:
        folder = golden / folder
        whole = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        pixels = load_file(folder / file)["pixels.1"]
        interpolate = {} if part is None else {"interpolate_pos_encoding": True}
        hidden, qkv = run(getattr(whole, part) if part else whole, pixel_values=pixels[None], **interpolate)
        save(folder / "golden.picture-layers.safetensors", {"pixels": pixels, "hidden": hidden, "qkv": qkv})


if __name__ == "__main__":
    main()
