"""Makes dinov2.safetensors: what DINOv2-small's real weights give for parts of real pictures.

The pictures are those of scikit-image's wheel (`cargo xtask setup --tests` fetches both); PNGs, which every
decoder reads alike, and parts of them as they are, so that nothing but the model is compared. `pooled` is the
whole way of the whole picture, resized and cut by transformers' own image processor.

    python tests/golden/make_dinov2.py --model models/dinov2-small --pictures models/test-pictures --out tests/golden
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoImageProcessor, Dinov2Model

FORMAT = "heatseek-golden-pictures-1"
REGENERATE = (
    "python tests/golden/make_dinov2.py --model models/dinov2-small --pictures models/test-pictures"
    " --out tests/golden"
)
SEED = 7
ROWS = 10

# file -> x, y, width, height of the part. Grids from 1 x 20 to 16 x 16, and sides that end within a patch.
PARTS = {
    "astronaut.png": (100, 0, 224, 224),
    "camera.png": (150, 60, 112, 168),
    "chelsea.png": (120, 80, 196, 98),
    "coffee.png": (150, 60, 154, 154),
    "coins.png": (20, 20, 60, 130),
    "motorcycle_left.png": (200, 100, 280, 70),
    "page.png": (10, 40, 280, 14),
    "ihc.png": (0, 0, 84, 223),
    "moon.png": (200, 200, 126, 126),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    processor = AutoImageProcessor.from_pretrained(arguments.model, backend="pil")
    model = Dinov2Model.from_pretrained(arguments.model, attn_implementation="eager", dtype=torch.float32)
    model.eval()
    generator = np.random.default_rng(SEED)
    tensors = {}
    for index, (name, (x, y, width, height)) in enumerate(PARTS.items()):
        picture = Image.open(arguments.pictures / name).convert("RGB")
        part = picture.crop((x, y, x + width, y + height))
        pixels = processor(part, do_resize=False, do_center_crop=False, return_tensors="pt")["pixel_values"]
        whole = processor(picture, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            hidden = model(pixels).last_hidden_state[0]
            pooled = model(whole).last_hidden_state[0, 0]
        others = generator.choice(np.arange(1, len(hidden)), min(ROWS, len(hidden) - 1), replace=False)
        rows = torch.tensor([0, *sorted(others.tolist())], dtype=torch.int32)
        tensors[f"part.{index}"] = torch.tensor([x, y, width, height], dtype=torch.int32)
        tensors[f"rows.{index}"] = rows
        tensors[f"hidden.{index}"] = hidden[rows.long()].contiguous()
        tensors[f"pooled.{index}"] = pooled.contiguous()
        print(name, tuple(hidden.shape), float(hidden.abs().max()))
    weights = (arguments.model / "model.safetensors").read_bytes()
    metadata = {
        "format": FORMAT, "regenerate": REGENERATE, "pictures": json.dumps(list(PARTS)), "seed": str(SEED),
        "weights_sha256": hashlib.sha256(weights).hexdigest(), "attention": "eager",
        "python": sys.version.split()[0], "torch": torch.__version__, "pillow": PIL.__version__,
        "transformers": transformers.__version__, "numpy": np.__version__,
    }
    save_file(tensors, arguments.out / "dinov2.safetensors", metadata=metadata)


if __name__ == "__main__":
    main()
