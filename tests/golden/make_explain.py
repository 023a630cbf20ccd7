"""Makes explain.safetensors: scores taken apart and parts hidden, for small models of models/ and clip/.

Nothing is derived: what a token gave is found by pooling the states with all others made zero, and what hiding does
by running the changed input.

    python tests/golden/make_explain.py --out tests/golden
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from torch.nn.functional import cosine_similarity, normalize
from transformers import CLIPModel, SiglipModel

import golden_format as golden

FORMAT = "heatseek-golden-explain-1"
REGENERATE = "python tests/golden/make_explain.py --out tests/golden"
QUERY = "how do bees find the way home"
PASSAGE = "The sun, the sky and a dance: honey is in 12 flowers!"
WINDOWS = [1, 2, 3]


def rows(a, b):
    """The cosine of every row with every other."""
    return normalize(a, dim=-1) @ normalize(b, dim=-1).T


class Text:
    """A text and what each of the model's modules makes of it."""

    def __init__(self, model, text):
        self.model = model
        features = model.preprocess([(model._resolve_prompt(None, None) or "") + text])
        self.features = dict(model[0](features))
        self.ids = self.features["input_ids"][0]
        self.states = self.features["token_embeddings"][0]
        self.pooled = self.pool(self.states)
        self.vector = self.after(self.pooled)

    def pool(self, states):
        if len(self.model) == 1:
            return states.mean(0)
        return self.model[1]({**self.features, "token_embeddings": states[None]})["sentence_embedding"][0]

    def after(self, pooled):
        features = {"sentence_embedding": pooled[None]}
        for module in list(self.model)[2:]:
            features = module(features)
        return features["sentence_embedding"][0]

    def gave(self, other):
        """Each token's part of the cosine with `other`, where nothing but unit length follows pooling."""
        length = self.pooled.norm() * other.norm()
        parts = []
        for index in range(len(self.states)):
            alone = torch.zeros_like(self.states)
            alone[index] = self.states[index]
            parts.append(self.pool(alone) @ other / length)
        return torch.stack(parts)

    def falls(self, against):
        """By how much the cosine with `against` falls for each token that [MASK] replaces."""
        mask = self.model.tokenizer.convert_tokens_to_ids("[MASK]")
        start = cosine_similarity(self.vector, against, dim=0)
        prompt = len(self.model.tokenizer.tokenize(self.model._resolve_prompt(None, None) or ""))
        falls = torch.zeros(len(self.ids))
        for index in range(1 + prompt, len(self.ids) - 1):
            ids = self.ids.clone()
            ids[index] = mask
            features = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
            changed = self.model(features)["sentence_embedding"][0]
            falls[index] = start - cosine_similarity(changed, against, dim=0)
        return falls


def text_tensors(folder):
    model = golden.load(folder)
    query, passage = Text(model, QUERY), Text(model, PASSAGE)
    tensors = {
        "score": cosine_similarity(query.vector, passage.vector, dim=0)[None],
        "similarity": rows(query.states, passage.states),
        "occlusion": passage.falls(query.vector),
    }
    if folder.name not in ("bert-max-lower", "bert-mean-dense"):
        tensors["query"] = query.gave(passage.vector)
        tensors["passage"] = passage.gave(query.vector)
    return tensors


def picture_tensors(folder):
    kind = CLIPModel if folder.name == "clip" else SiglipModel
    model = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    pictures = load_file(folder / "pictures.safetensors")
    query = pictures["pooled.1"]

    def vector(pixels):
        return model.get_image_features(pixels[None], interpolate_pos_encoding=True).pooler_output[0]

    pixels = pictures["pixels.0"]
    states = model.vision_model(pixels[None]).last_hidden_state[0]
    if kind is CLIPModel:
        carried = model.visual_projection(model.vision_model.post_layernorm(states))
    else:
        carried = model.vision_model.head(states[:, None])
    tensors = {"similarity": rows(query[None], carried)}
    patch, prefix = model.config.vision_config.patch_size, int(kind is CLIPModel)
    side = pixels.shape[1] // patch
    start = cosine_similarity(vector(pixels), query, dim=0)
    tensors["score"] = start[None]
    for window in WINDOWS:
        falls = torch.zeros(prefix + side * side)
        for row in range(side):
            for column in range(side):
                hidden = pixels.clone()
                for r in range(row - (window - 1) // 2, row + window // 2 + 1):
                    for c in range(column - (window - 1) // 2, column + window // 2 + 1):
                        if 0 <= r < side and 0 <= c < side:
                            hidden[:, r * patch:(r + 1) * patch, c * patch:(c + 1) * patch] = 0
                falls[prefix + row * side + column] = start - cosine_similarity(vector(hidden), query, dim=0)
        tensors[f"occlusion.{window}"] = falls
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder that holds models/ and clip/")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    tensors = {}
    with torch.no_grad():
        for folder in sorted(path for path in (out / "models").iterdir() if path.is_dir()):
            tensors |= {f"{folder.name}.{name}": value for name, value in text_tensors(folder).items()}
        for name in ("clip", "siglip"):
            found = picture_tensors(out / "clip" / name)
            tensors |= {f"{name}.{key}": value for key, value in found.items()}
    tensors = {name: value.numpy().astype(np.float32).copy() for name, value in tensors.items()}
    for name in [name for name in tensors if name.endswith(".passage")]:
        score = tensors[name.replace("passage", "score")][0]
        print(f"{name} sums to {tensors[name].sum():.7f}, the score is {score:.7f}")
    golden.save(out / "explain.safetensors", tensors, {
        "format": FORMAT, "regenerate": REGENERATE, "query": QUERY, "passage": PASSAGE,
        "python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__,
        "numpy": np.__version__,
    })
    print(f"explain.safetensors: {len(tensors)} tensors, {(out / 'explain.safetensors').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
