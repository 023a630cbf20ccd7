"""Makes ablations.safetensors: two of the small models in numpy, whole and with parts of their layers left out.

    python tests/golden/make_ablations.py --golden tests/golden

Whole they must equal what PyTorch gave for them, which the folders of the models hold.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import scipy
from scipy.special import erf, softmax

from golden_file import save
from make_analyses import norm, statistics

FORMAT = "heatseek-golden-ablations-1"
REGENERATE = "python tests/golden/make_ablations.py --golden tests/golden"
BERT, VIT = "models/bert-no-st", "vision/vit"
# Name -> whether residual connections and feed-forward blocks are kept.
KEPT = {
    "full": (True, True), "no_residual": (False, True), "no_feed_forward": (True, False),
    "attention_only": (False, False),
}


class Weights:
    def __init__(self, folder, prefix=""):
        self.tensors = safetensors.numpy.load_file(folder / "model.safetensors")
        self.prefix = prefix
        self.config = json.loads((folder / "config.json").read_text())

    def __getitem__(self, name):
        return self.tensors[self.prefix + name].astype(np.float64)

    def linear(self, name, x):
        return x @ self[f"{name}.weight"].T + self[f"{name}.bias"]

    def layer_norm(self, name, x):
        variance = x.var(-1, keepdims=True) + self.config["layer_norm_eps"]
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(variance) * self[f"{name}.weight"] + self[f"{name}.bias"]

    def activation(self, x):
        return {"relu": lambda: np.maximum(x, 0), "gelu": lambda: x / 2 * (1 + erf(x / np.sqrt(2)))}[
            self.config["hidden_act"]]()

    def attention(self, at, x):
        heads = self.config["num_attention_heads"]
        q, k, v = (
            self.linear(f"{at}.{part}", x).reshape(len(x), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        probabilities = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]), axis=-1)
        return (probabilities @ v).transpose(1, 0, 2).reshape(x.shape)


def bert(weights, ids, residual, feed_forward):
    at = "embeddings."
    x = weights[f"{at}word_embeddings.weight"][ids] + weights[f"{at}position_embeddings.weight"][: len(ids)]
    states = [weights.layer_norm(f"{at}LayerNorm", x + weights[f"{at}token_type_embeddings.weight"][0])]
    for index in range(weights.config["num_hidden_layers"]):
        at, x = f"encoder.layer.{index}.", states[-1]
        y = weights.linear(f"{at}attention.output.dense", weights.attention(f"{at}attention.self", x))
        x = weights.layer_norm(f"{at}attention.output.LayerNorm", y + residual * x)
        if feed_forward:
            y = weights.linear(f"{at}output.dense", weights.activation(weights.linear(f"{at}intermediate.dense", x)))
            x = weights.layer_norm(f"{at}output.LayerNorm", y + residual * x)
        states.append(x)
    return np.stack(states)


def vit(weights, pixels, residual, feed_forward):
    size = weights.config["patch_size"]
    channels, height, width = pixels.shape
    patches = pixels.reshape(channels, height // size, size, width // size, size).transpose(1, 3, 0, 2, 4)
    patches = patches.reshape(-1, channels * size * size).astype(np.float64)
    at = "embeddings.patch_embeddings.projection"
    patches = patches @ weights[f"{at}.weight"].reshape(-1, patches.shape[1]).T + weights[f"{at}.bias"]
    x = np.concatenate([weights["embeddings.cls_token"][0], patches])
    states = [x + weights["embeddings.position_embeddings"][0]]
    for index in range(weights.config["num_hidden_layers"]):
        at, x = f"encoder.layer.{index}.", states[-1]
        y = weights.attention(f"{at}attention.attention", weights.layer_norm(f"{at}layernorm_before", x))
        x = weights.linear(f"{at}attention.output.dense", y) + residual * x
        if feed_forward:
            y = weights.linear(f"{at}intermediate.dense", weights.layer_norm(f"{at}layernorm_after", x))
            x = weights.linear(f"{at}output.dense", weights.activation(y)) + residual * x
        states.append(x)
    return np.stack(states)


def rank(states):
    return [norm(x - x.mean(0)) / norm(x) for x in states]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", type=Path, required=True)
    folder = parser.parse_args().golden
    maps = safetensors.numpy.load_file(folder / BERT / "attention.safetensors")
    with safetensors.safe_open(folder / BERT / "attention.safetensors", "numpy") as file:
        text = json.loads(file.metadata()["texts"])[1]["text"]
    ids = maps["ids.1"]
    golden = safetensors.numpy.load_file(folder / VIT / "golden.safetensors")
    weights = {"bert": Weights(folder / BERT, "bert."), "vit": Weights(folder / VIT)}
    inputs = {"bert": (bert, ids), "vit": (vit, golden["pixels.0"])}
    states = {
        f"{name}.{kind}": forward(weights[name], given, *kept)
        for name, (forward, given) in inputs.items() for kind, kept in KEPT.items()
    }

    texts = safetensors.numpy.load_file(folder / BERT / "golden.safetensors")
    names = [case["text"] for case in json.loads((folder / BERT / "texts.json").read_text())]
    stored = slice(*texts["hidden_rows_start"][names.index(text) :][:2])
    expected = [texts["hidden"][stored], golden["hidden.0"]]
    whole = [states["bert.full"][-1][texts["hidden_rows"][stored]],
             weights["vit"].layer_norm("layernorm", states["vit.full"][-1])]
    for ours, theirs in zip(whole, expected, strict=True):
        assert np.abs(ours - theirs).max() < 2e-5, np.abs(ours - theirs).max()

    tensors = {name: values.astype(np.float32) for name, values in states.items()}
    for name in inputs:
        tensors[f"{name}.rank"] = np.array([rank(states[f"{name}.{kind}"]) for kind in KEPT], np.float32)
    tensors["bert.ids"] = ids
    tensors["bert.statistics"] = statistics(maps["attention.1"].astype(np.float64), [0, len(ids) - 1]).astype(np.float32)
    metadata = {
        "format": FORMAT, "regenerate": REGENERATE, "text": text, "python": platform.python_version(),
        "numpy": np.__version__, "scipy": scipy.__version__, "safetensors": safetensors.__version__,
    }
    path = folder / "ablations.safetensors"
    save(path, tensors, metadata)
    print(path, path.stat().st_size, {name: list(values.shape) for name, values in tensors.items()})
    print({name: values.tolist() for name, values in tensors.items() if name.endswith("rank")})


if __name__ == "__main__":
    main()
