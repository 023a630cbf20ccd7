"""ONNX Runtime on the folder's `onnx/model.onnx` or `model.onnx`; without one, on what PyTorch exports of it. In int8 on
`model_quantized.onnx` in the same places, and fused on `model_fused.onnx`, which have to be there."""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime


def export(folder):
    """A plain f32 graph of the encoder's last hidden state, one node per PyTorch op."""
    import torch

    import torch_peer

    model = torch_peer.load(folder)
    if hasattr(model.config, "patch_size"):
        side = 224
        inputs = {"pixel_values": torch.randn(2, 3, side, side)}
        axes = {0: "batch"}
    else:
        ids = torch.tensor([[2, 9, 8, 3], [2, 9, 3, 0]])
        inputs = {"input_ids": ids, "attention_mask": (ids != 0).long(), "token_type_ids": torch.zeros_like(ids)}
        axes = {0: "batch", 1: "tokens"}

    class LastHiddenState(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *values):
            output = self.model(**dict(zip(inputs, values)))
            return output.image_embeds if hasattr(output, "image_embeds") else output.last_hidden_state

    path = Path(tempfile.mkdtemp()) / "model.onnx"
    names = list(inputs)
    torch.onnx.export(LastHiddenState(), tuple(inputs.values()), str(path), input_names=names,
                      output_names=["last_hidden_state"], opset_version=17, dynamo=False,
                      dynamic_axes={name: axes for name in [*names, "last_hidden_state"]})
    return path


class Peer:
    def __init__(self, args, fused=False):
        names = {"f32": "model_fused.onnx"} if fused else {"f32": "model.onnx", "int8": "model_quantized.onnx"}
        if args.dtype not in names:
            raise ValueError(f"only graphs of {' and '.join(names)} are timed")
        found = [Path(args.model) / folder / names[args.dtype] for folder in ("onnx", ".")]
        path = next((path for path in found if path.exists()), None)
        if path is None and (fused or args.dtype == "int8"):
            raise ValueError(f"there is no {found[0]}")
        path = path or export(args.model)
        providers = ["CPUExecutionProvider"]
        if args.place == "gpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, "CUDAExecutionProvider")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self.cuda = self.session.get_providers()[0] == "CUDAExecutionProvider"
        self.device_name = "cuda" if self.cuda else "cpu"
        self.version = f"onnxruntime {onnxruntime.__version__}"
        self.pooling, self.normalize = args.pooling, bool(args.normalize)

    def prepare(self, request):
        self.mask = None
        if request["kind"] == "pictures":
            side = request["side"]
            pixels = np.fromfile(request["pixels"], "<f4").reshape(request["count"], 3, side, side)
            self.inputs = {"pixel_values": pixels}
            return
        shape = len(request["ids"]), max(map(len, request["ids"]))
        ids, types, mask = (np.zeros(shape, np.int64) for _ in range(3))
        for row, (own, kinds) in enumerate(zip(request["ids"], request["types"])):
            ids[row, : len(own)], types[row, : len(own)], mask[row, : len(own)] = own, kinds, 1
        known = {entry.name for entry in self.session.get_inputs()}
        inputs = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
        self.inputs = {name: value for name, value in inputs.items() if name in known}
        self.mask = mask[..., None].astype(np.float32)

    def run(self):
        states = self.session.run(None, self.inputs)[0]
        if states.ndim == 2:
            vectors = states
        elif self.pooling == "cls" or self.mask is None:
            vectors = states[:, 0]
        else:
            vectors = (states * self.mask).sum(1) / self.mask.sum(1)
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True) if self.normalize else vectors

    def host(self, vectors, samples):
        return vectors[samples].astype("f4").tolist()
