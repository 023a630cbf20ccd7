"""Makes the all-MiniLM-L6-v2 goldens: texts.json and minilm.safetensors.

Every text goes through sentence-transformers alone (batch of one), in f32, with eager
attention, on the CPU. Afterwards the file is read back and compared with padded batches.

    python tests/golden/make_goldens.py --model models/all-MiniLM-L6-v2 --out tests/golden
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sentence_transformers.sentence_transformer.modules import Pooling

import golden_format as golden
import golden_texts

POOLINGS = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
REGENERATE = "python tests/golden/make_goldens.py --model models/all-MiniLM-L6-v2 --out tests/golden"


def pooled_all_ways(model, case):
    """{pooling name: vector}, not normalised, for one text."""
    hidden = torch.from_numpy(golden.run(model, [case])[0]["hidden"])[None]
    features = {"token_embeddings": hidden, "attention_mask": torch.ones(hidden.shape[:2], dtype=torch.int64)}
    out = {}
    for mode in POOLINGS:
        pooling = Pooling(hidden.shape[-1], pooling_mode=mode)
        out[mode] = pooling(dict(features))["sentence_embedding"][0].numpy()
    return out


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--model", required=True, type=Path, help="folder of all-MiniLM-L6-v2")
    args.add_argument("--out", required=True, type=Path, help="where texts.json and minilm.safetensors go")
    args = args.parse_args()

    model = golden.load(args.model)
    cases = golden_texts.cases(model.tokenizer)
    texts, path = args.out / "texts.json", args.out / "minilm.safetensors"
    golden.write_texts(texts, cases)
    tensors = golden.tensors_of(model, args.model, cases)

    chosen = [i for i, case in enumerate(cases) if case["name"] in golden_texts.POOLED_ALL_WAYS]
    ways = [pooled_all_ways(model, cases[i]) for i in chosen]
    tensors["pooling_cases"] = np.array(chosen, np.int32)
    for mode in POOLINGS:
        tensors[f"pooling.{mode}"] = np.stack([way[mode] for way in ways])

    golden.write(path, tensors, model, args.model, texts, REGENERATE)
    golden.report(path, model, cases)


if __name__ == "__main__":
    main()
