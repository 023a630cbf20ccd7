"""Makes attention.safetensors beside each small text model of models/: what its heads look at.

    python tests/golden/make_attention.py --models tests/golden/models
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import BertModel

import golden_format as golden

FORMAT = "heatseek-golden-attention-1"
REGENERATE = "python tests/golden/make_attention.py --models tests/golden/models"
CASES = ["empty", "sentence"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    torch.set_num_threads(1)
    for folder in sorted(path for path in parser.parse_args().models.iterdir() if path.is_dir()):
        model = BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        model.eval()
        cases = json.loads((folder / "texts.json").read_text())
        ids, starts = golden.read_ids(folder / "golden.safetensors")
        tensors, texts = {}, []
        for index, case in enumerate(cases):
            if case["name"] not in CASES:
                continue
            of_case = ids[starts[index] : starts[index + 1]]
            with torch.no_grad():
                result = model(torch.tensor(of_case)[None], output_attentions=True)
            tensors[f"ids.{len(texts)}"] = torch.tensor(of_case, dtype=torch.int32)
            # [layers, heads, tokens, tokens]
            tensors[f"attention.{len(texts)}"] = torch.cat(result.attentions).contiguous()
            texts.append({key: case[key] for key in ("text", "prompt", "prompt_name", "max_length") if key in case})
        metadata = {
            "format": FORMAT, "regenerate": REGENERATE, "attention": "eager", "texts": json.dumps(texts),
            "python": sys.version.split()[0], "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        save_file(tensors, folder / "attention.safetensors", metadata=metadata)
        print(folder.name, {key: list(value.shape) for key, value in tensors.items()})


if __name__ == "__main__":
    main()
