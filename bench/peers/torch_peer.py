"""PyTorch through transformers: SDPA attention, pooling and unit length on the device."""

import numpy as np
import torch
import transformers

DTYPES = {"f32": torch.float32, "f16": torch.float16}


def load(folder):
    """The encoder alone: heads that no vector needs are left out."""
    config = transformers.AutoConfig.from_pretrained(folder)
    if config.model_type == "clip_vision_model":
        kind, more = transformers.CLIPVisionModelWithProjection, {}
    else:
        kind, more = transformers.AutoModel, {}
        if config.model_type in ("bert", "roberta", "xlm-roberta"):
            more = {"add_pooling_layer": False}
    return kind.from_pretrained(folder, attn_implementation="sdpa", **more).eval()


def keep_positions(model):
    """DINOv2 interpolates its position embeddings at every call; with pictures of one size once is enough, which
    is also what Heatseek does."""
    embeddings = getattr(model, "embeddings", None)
    interpolate = getattr(embeddings, "interpolate_pos_encoding", None)
    if interpolate is None:
        return
    kept = {}

    def once(states, height, width):
        if (height, width) not in kept:
            kept[height, width] = interpolate(states, height, width)
        return kept[height, width]

    embeddings.interpolate_pos_encoding = once


class Peer:
    def __init__(self, args, tf32=False, compile=False):
        torch.set_num_threads(args.threads)
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        self.cuda = torch.cuda.is_available()
        self.device = torch.device("cuda" if self.cuda and args.place == "gpu" else "cpu")
        self.device_name = torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"
        self.version = f"torch {torch.__version__}, transformers {transformers.__version__}"
        if args.dtype not in DTYPES:
            raise ValueError(f"{args.dtype} is not timed here")
        self.dtype = DTYPES[args.dtype]
        if args.pooling not in ("mean", "cls"):
            raise ValueError(f"pooling `{args.pooling}` is not written here")
        self.pooling, self.normalize = args.pooling, bool(args.normalize)
        self.model = load(args.model).to(self.device, self.dtype)
        keep_positions(self.model)
        self.forward = self.vectors
        if compile:
            torch._dynamo.config.recompile_limit = 64
            mode = "reduce-overhead" if self.device.type == "cuda" else "default"
            self.forward = torch.compile(self.vectors, dynamic=False, mode=mode)

    def vectors(self, inputs):
        output = self.model(**inputs)
        if hasattr(output, "image_embeds"):
            vectors = output.image_embeds
        elif self.pooling == "cls":
            vectors = output.last_hidden_state[:, 0]
        elif "attention_mask" in inputs:
            mask = inputs["attention_mask"].unsqueeze(-1).to(self.dtype)
            vectors = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
        else:
            vectors = output.last_hidden_state.mean(1)
        return torch.nn.functional.normalize(vectors, dim=-1) if self.normalize else vectors

    def prepare(self, request):
        self.inputs = None
        if request["kind"] == "pictures":
            side = request["side"]
            pixels = np.fromfile(request["pixels"], "<f4").reshape(request["count"], 3, side, side)
            self.inputs = {"pixel_values": torch.from_numpy(pixels).to(self.device, self.dtype)}
            if side != getattr(self.model.config, "image_size", side):
                self.inputs["interpolate_pos_encoding"] = True
            # DINOv2 always interpolates and has no such argument.
            if self.model.config.model_type.startswith("dinov2"):
                self.inputs.pop("interpolate_pos_encoding", None)
            return
        longest = max(map(len, request["ids"]))
        ids, types, mask = (torch.zeros(len(request["ids"]), longest, dtype=torch.long) for _ in range(3))
        for row, (own, kinds) in enumerate(zip(request["ids"], request["types"])):
            ids[row, : len(own)] = torch.tensor(own)
            types[row, : len(own)] = torch.tensor(kinds)
            mask[row, : len(own)] = 1
        self.inputs = {"input_ids": ids, "token_type_ids": types}
        if not mask.all():
            self.inputs["attention_mask"] = mask
        self.inputs = {name: value.to(self.device) for name, value in self.inputs.items()}

    @torch.inference_mode()
    def run(self):
        vectors = self.forward(self.inputs)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return vectors

    def host(self, vectors, samples):
        return vectors[samples].float().cpu().tolist()
