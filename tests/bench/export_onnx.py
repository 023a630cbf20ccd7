"""Exports all-MiniLM-L6-v2 to ONNX for the peer of browser.mjs: a plain f32 export, one node per
PyTorch op, in the folder layout that transformers.js loads.

    pip install torch transformers onnx onnxslim
    python tests/bench/export_onnx.py models/all-MiniLM-L6-v2 target/bench/models/all-MiniLM-L6-v2

The fused graphs that onnxruntime can also be given are no peer here: its fused attention is wrong on the
SwiftShader adapter this benchmark runs on when there is no GPU.
"""

import argparse
import json
import shutil
from pathlib import Path

import onnx
import onnxslim
import torch
from transformers import AutoModel

TOKENIZER_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]


class LastHiddenState(torch.nn.Module):
    """The model with positional inputs and its one output that embeddings need."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return output.last_hidden_state


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    model = AutoModel.from_pretrained(args.model, attn_implementation="eager", dtype=torch.float32).eval()
    (args.out / "onnx").mkdir(parents=True, exist_ok=True)
    path = args.out / "onnx" / "model.onnx"
    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    mask = (ids != 0).long()
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]}
    torch.onnx.export(LastHiddenState(model), (ids, mask, torch.zeros_like(ids)), str(path), input_names=names,
                      output_names=["last_hidden_state"], dynamic_axes=axes, opset_version=17,
                      do_constant_folding=True, dynamo=False)
    # The exporter of the hub's own files removes no-ops as well.
    onnx.save(onnxslim.slim(onnx.load(path)), path)
    for name in TOKENIZER_FILES:
        if (args.model / name).exists():
            shutil.copy(args.model / name, args.out / name)
    # The case of 512 tokens must not be cut where this model's makers stop.
    settings = args.out / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": 512}, indent=2))
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
