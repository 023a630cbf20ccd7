"""Exports a model to ONNX for the peers of browser.mjs and of the native benchmark, in the folder layout that
transformers.js loads: onnx/model.onnx in f32, one node per PyTorch op, and onnx/model_quantized.onnx, which
transformers.js calls q8, quantized as the hub's own files are. The f32 graph is compared with PyTorch.

    pip install torch transformers onnx onnxruntime onnxslim
    python tests/bench/export_onnx.py models/all-MiniLM-L6-v2 target/bench/models/all-MiniLM-L6-v2
    python tests/bench/export_onnx.py models/dinov2-small target/bench/models/dinov2-small
    python tests/bench/export_onnx.py --fused models/dinov2-small target/bench/models/dinov2-small-fused

With --fused, ONNX Runtime's own optimizer joins what it knows into its own ops, one Attention node a layer. Such
a graph is no peer on the SwiftShader adapter that browser.mjs runs on when there is no GPU: there its fused
attention is wrong. Pictures are 224 pixels wide and high, so that the graph holds the positions for that size
as a constant instead of interpolating them at every call.
"""

import argparse
import json
import shutil
from pathlib import Path

import onnx
import onnxruntime
import onnxslim
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from transformers import AutoModel

COPIED = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
          "preprocessor_config.json"]
# Hidden states of DINOv2 reach 10: this is rounding.
MAX_ERROR = 5e-4


class LastHiddenState(torch.nn.Module):
    """The model with positional inputs and its one output that embeddings need."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs))).last_hidden_state


class OneNodeAttention(torch.autograd.Function):
    """Attention over q, k and v side by side, exported as ONNX Runtime's node for it: its optimizer does not
    find the pattern that transformers traces to. `mask` is 1 for tokens, 0 for padding; None for neither."""

    @staticmethod
    def forward(ctx, x, weight, bias, mask, heads):
        split = lambda t: t.unflatten(-1, (heads, -1)).transpose(1, 2)
        q, k, v = map(split, (x @ weight + bias).chunk(3, -1))
        seen = None if mask is None else mask.bool()[:, None, None]
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(graph, x, weight, bias, mask, heads):
        inputs = [x, weight, bias] if mask is None else [x, weight, bias, mask]
        return graph.op("com.microsoft::Attention", *inputs, num_heads_i=heads).setType(x.type())


class Projections(torch.nn.Module):
    """q, k and v of a layer side by side."""

    def __init__(self, *parts):
        super().__init__()
        self.register_buffer("weight", torch.cat([part.weight.T for part in parts], 1).contiguous())
        self.register_buffer("bias", torch.cat([part.bias for part in parts]))


class FusedAttention(torch.nn.Module):
    """In the place of a Dinov2Attention."""

    def __init__(self, attention, heads):
        super().__init__()
        self.projections = Projections(attention.q_proj, attention.k_proj, attention.v_proj)
        self.output, self.heads = attention.o_proj, heads

    def forward(self, x, *_, **__):
        x = OneNodeAttention.apply(x, self.projections.weight, self.projections.bias, None, self.heads)
        return self.output(x), None


class FusedBert(torch.nn.Module):
    """A BERT, layer by layer."""

    def __init__(self, model):
        super().__init__()
        self.model, self.heads = model, model.config.num_attention_heads
        each = [layer.attention.self for layer in model.encoder.layer]
        self.projections = torch.nn.ModuleList(Projections(a.query, a.key, a.value) for a in each)

    def forward(self, input_ids, attention_mask, token_type_ids):
        x = self.model.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        mask = attention_mask.to(torch.int32)
        for layer, qkv in zip(self.model.encoder.layer, self.projections):
            x = layer.attention.output(OneNodeAttention.apply(x, qkv.weight, qkv.bias, mask, self.heads), x)
            x = layer.output(layer.intermediate(x), x)
        return x


def inputs_of(model):
    """Names, values and dynamic axes."""
    if hasattr(model.config, "patch_size"):
        pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        return {"pixel_values": pixels}, {0: "batch"}
    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    mask = (ids != 0).long()
    values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return values, {0: "batch", 1: "tokens"}


def fused(model):
    """The model with one node for each attention, and what ONNX Runtime's optimizer calls its kind."""
    if hasattr(model.config, "patch_size"):
        for layer in model.encoder.layer:
            layer.attention = FusedAttention(layer.attention, model.config.num_attention_heads)
        return LastHiddenState(model, ["pixel_values"]), "vit"
    return FusedBert(model).eval(), "bert"


def quantize(path):
    """As the hub's q8 files: dynamic, per tensor, no reduced range, weights signed unless there are convolutions,
    which ONNX Runtime has only for unsigned ones."""
    has_conv = any(node.op_type == "Conv" for node in onnx.load(path).graph.node)
    quantize_dynamic(path, path.with_name("model_quantized.onnx"), per_channel=False, reduce_range=False,
                     weight_type=QuantType.QUInt8 if has_conv else QuantType.QInt8,
                     # The type of what com.microsoft's nodes give, which shape inference does not know.
                     extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fused", action="store_true", help="of a BERT or a DINOv2")
    args = parser.parse_args()
    model = AutoModel.from_pretrained(args.model, attn_implementation="eager", dtype=torch.float32).eval()
    values, axes = inputs_of(model)
    names = list(values)
    with torch.no_grad():
        expected = model(**values).last_hidden_state
    module, kind = fused(model) if args.fused else (LastHiddenState(model, names), None)
    (args.out / "onnx").mkdir(parents=True, exist_ok=True)
    path = args.out / "onnx" / "model.onnx"
    torch.onnx.export(module, tuple(values.values()), str(path), input_names=names,
                      output_names=["last_hidden_state"],
                      dynamic_axes={name: axes for name in [*names, "last_hidden_state"]}, opset_version=17,
                      do_constant_folding=True, dynamo=False)
    # The exporter of the hub's own files removes no-ops as well.
    onnx.save(onnxslim.slim(onnx.load(path)), path)
    if kind:
        config = model.config
        optimized = optimizer.optimize_model(str(path), model_type=kind, num_heads=config.num_attention_heads,
                                             hidden_size=config.hidden_size, opt_level=0)
        optimized.save_model_to_file(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    actual = torch.from_numpy(session.run(None, {name: value.numpy() for name, value in values.items()})[0])
    # What is computed at padding is nobody's: a mask may let it look at anything.
    counts = values["attention_mask"].bool() if "attention_mask" in values else slice(None)
    error = (actual - expected)[counts].abs().max().item()
    if not error <= MAX_ERROR:
        raise SystemExit(f"{path} differs from PyTorch by {error:.1e}; at most {MAX_ERROR:.0e} is rounding")
    quantize(path)
    for name in COPIED:
        if (args.model / name).exists():
            shutil.copy(args.model / name, args.out / name)
    # The case of 512 tokens must not be cut where this model's makers stop.
    settings = args.out / "tokenizer_config.json"
    if settings.exists():
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": 512}, indent=2))
    print(f"{path}: {path.stat().st_size:,} bytes, within {error:.1e} of PyTorch")


if __name__ == "__main__":
    main()
