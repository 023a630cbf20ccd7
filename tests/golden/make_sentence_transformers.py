"""Makes sentence_transformers.safetensors: what `SentenceTransformer.encode` gives for every pooling, prompt,
normalisation, truncation and precision.

    python tests/golden/make_sentence_transformers.py --minilm models/all-MiniLM-L6-v2 --golden tests/golden

A pooling mode takes the place of the model's own; Dense and Normalize behind it stay as they are.
"""

import argparse
import itertools
import json
import platform
from pathlib import Path

import numpy as np
import sentence_transformers
import torch
import transformers
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from sentence_transformers.util.quantization import quantize_embeddings

from golden_file import save
from golden_format import SEED, load, sha256

FORMAT = "heatseek-golden-sentence-transformers-1"
REGENERATE = (
    "python tests/golden/make_sentence_transformers.py --minilm models/all-MiniLM-L6-v2 --golden tests/golden"
)
TEXTS = [
    "The bees find the honey in 12 flowers, and fly home!",
    "How do bees find the way home?",
    "The sun, the sky and the light: it is a dance.",
    "honey",
    "",
    "A hive is a home for bees, and honey is the light of the flowers in it.",
    "The light of the sky",
    "find the quickest way",
    "Do flowers dance in the light of the sun, or is it the bees that dance and find them?",
    "fly home, bees",
    "12 bees and 12 flowers",
    "It is the way of the sun.",
]
PROMPT = "find the honey: "
MODES = ["mean", "cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len_tokens"]
PROMPTING = [("", True), (PROMPT, True), (PROMPT, False)]
PRECISIONS = ["float32", "int8", "uint8", "binary", "ubinary"]
# Of each model: the dimensions kept, the last not a multiple of 8, so that the last byte of bits is not full.
TRUNCATE = {"all-MiniLM-L6-v2": 36, "bert-mean-dense": 12, "bert-cls-normalize": 21}


def cases_of(folder):
    """Yields (case, vectors) of one model."""
    model = load(folder)
    name = Path(folder).name
    own, normalized = model[1], isinstance(model[-1], Normalize)
    for mode, (prompt, include_prompt) in itertools.product(MODES, PROMPTING):
        model[1] = Pooling(own.embedding_dimension, mode, include_prompt)
        for normalize, truncate in itertools.product([False, True], [None, TRUNCATE[name]]):
            if truncate is None and (normalize and normalized or prompt and name.startswith("all-")):
                continue  # The same vectors as without, or too many bytes.
            float32 = None
            for precision in PRECISIONS:
                vectors = model.encode(
                    TEXTS, prompt=prompt, normalize_embeddings=normalize, truncate_dim=truncate,
                    precision=precision, batch_size=len(TEXTS), show_progress_bar=False,
                )
                float32 = vectors if precision == "float32" else float32
                # The batch is the same each time, so the precisions are of the same vectors.
                assert np.array_equal(vectors, quantize_embeddings(float32, precision)), (name, mode, precision)
                yield {
                    "model": name, "pooling": mode, "prompt": prompt, "include_prompt": include_prompt,
                    "normalize": normalize, "truncate_dim": truncate, "precision": precision,
                }, vectors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minilm", type=Path, required=True)
    parser.add_argument("--golden", type=Path, required=True)
    args = parser.parse_args()
    folders = [args.minilm, *(args.golden / "models" / name for name in ("bert-mean-dense", "bert-cls-normalize"))]
    cases, tensors = [], {}
    for folder in folders:
        for case, vectors in cases_of(folder):
            case["tensor"] = f"{len(cases):03}"
            tensors[case["tensor"]] = np.ascontiguousarray(vectors)
            cases.append(case)
    path = args.golden / "sentence_transformers.safetensors"
    save(path, tensors, {
        "format": FORMAT,
        "regenerate": REGENERATE,
        "texts": json.dumps(TEXTS),
        "cases": json.dumps(cases, separators=(",", ":")),
        "weights_sha256": json.dumps({folder.name: sha256(folder / "model.safetensors") for folder in folders}),
        "seed": str(SEED),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentence_transformers": sentence_transformers.__version__,
        "numpy": np.__version__,
    })
    print(f"{path}: {len(cases)} cases, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
