"""Makes tests/golden/quantized/weights.safetensors: matrices as compressed-tensors stores them in 4 and 8 bits, each with
what that library makes of them again under `expected/`.

    pip install -r tests/golden/requirements.txt
    python tests/golden/make_quantized.py --out tests/golden/quantized
"""
import argparse
from pathlib import Path

import compressed_tensors
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import dequantize, quantize
from safetensors.torch import save_file

SEED = 20261126
# name, rows, columns, bits, columns of a group (None: one for a row), type of scales, packed
CASES = [
    ("rows8", 5, 12, 8, None, torch.float32, False),
    ("groups8", 4, 16, 8, 8, torch.float16, False),
    ("packed8", 3, 10, 8, None, torch.bfloat16, True),
    ("packed4", 6, 64, 4, 32, torch.bfloat16, True),
    ("packed4_ragged", 3, 20, 4, 10, torch.float16, True),
]


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--out", required=True, type=Path, help="folder the file is made in")
    args = args.parse_args()
    generator = torch.Generator().manual_seed(SEED)
    tensors = {}
    for name, rows, columns, bits, group, dtype, packed in CASES:
        weight = torch.randn(rows, columns, generator=generator)
        settings = QuantizationArgs(num_bits=bits, symmetric=True, strategy="group" if group else "channel", group_size=group)
        grouped = weight.reshape(rows, -1, group or columns)
        scale = (grouped.abs().amax(-1) / (2 ** (bits - 1) - 0.5)).to(dtype).float()
        zero = torch.zeros_like(scale)
        integers = quantize(weight, scale, zero, settings, dtype=torch.int8)
        tensors[f"expected/{name}"] = dequantize(integers, scale, zero, settings).float()
        if packed:
            tensors[f"{name}.weight_packed"] = pack_to_int32(integers, bits)
            tensors[f"{name}.weight_shape"] = torch.tensor([rows, columns])
        else:
            tensors[f"{name}.weight"] = integers
        tensors[f"{name}.weight_scale"] = scale.to(dtype)
    args.out.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    versions = {"torch": torch.__version__, "compressed_tensors": compressed_tensors.__version__}
    save_file(tensors, str(args.out / "weights.safetensors"), metadata=versions)


if __name__ == "__main__":
    main()
