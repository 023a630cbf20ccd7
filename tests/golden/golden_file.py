"""Writing a golden file: what needs neither PyTorch nor a model."""

import json
import struct
from pathlib import Path

import safetensors.numpy


def save(path, tensors, metadata):
    """Writes tensors and metadata (all strings) as safetensors; two runs give the same bytes."""
    blob = safetensors.numpy.save(tensors)
    # The library orders metadata at random, so the header is written here.
    (size,) = struct.unpack("<Q", blob[:8])
    header = {"__metadata__": metadata, **json.loads(blob[8:8 + size])}
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + blob[8 + size:])
