"""Makes the small random models of clip/, of texts and pictures, and the goldens beside them.

Each is an ordinary Hugging Face folder. Weights are seeded and rounded to the storage type before anything is
computed, so the goldens are those of the file. The class that is saved is the class that computes.

    python tests/golden/make_clip.py --out tests/golden/clip
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn.functional import normalize
from transformers import (
    CLIPConfig, CLIPModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection, Siglip2TextConfig,
    Siglip2TextModel, SiglipConfig, SiglipModel, SiglipVisionConfig, SiglipVisionModel,
)

import golden_format as golden
from make_models import LETTERS, TEXTS, WORDS, write_json
from make_vision import FORMAT, PREPROCESSOR, randomise

REGENERATE = "python tests/golden/make_clip.py --out tests/golden/clip"
END = "<|endoftext|>"
MORE_TEXTS = [
    ("end_written_out", f"the bees {END} find honey"),
    ("photo", "a photo of a Bee, in the SKY."),
    ("one_word", "honey"),
]
VISION = dict(hidden_size=48, num_attention_heads=4, intermediate_size=96, num_hidden_layers=2, image_size=24,
              patch_size=4)
TEXT = dict(hidden_size=32, num_attention_heads=2, intermediate_size=64, num_hidden_layers=2,
            max_position_embeddings=20)
PICTURES = [(24, 24), (24, 40), (36, 20), (4, 4), (31, 26)]
MODELS = {
    # Quick GELU, and an end-of-text token that is named.
    "clip": dict(model=CLIPModel, config=CLIPConfig, vision=VISION, text=TEXT, fields=dict(projection_dim=24),
                 dtype=torch.float32),
    # The older way to say where a text ends, and to write a half's configuration; plain GELU.
    "clip-legacy": dict(
        model=CLIPModel, config=CLIPConfig, vision={**VISION, "hidden_act": "gelu"},
        text={**TEXT, "hidden_act": "gelu", "num_attention_heads": 4}, fields=dict(projection_dim=40),
        dtype=torch.float16, legacy=True,
    ),
    # The vision half alone.
    "clip-vision": dict(
        model=CLIPVisionModelWithProjection, config=CLIPVisionConfig,
        fields={**VISION, "num_attention_heads": 3, "patch_size": 6, "projection_dim": 20}, dtype=torch.bfloat16,
    ),
    # Both halves; the text vector as wide as the picture's.
    "siglip": dict(
        model=SiglipModel, config=SiglipConfig, vision=VISION, text={**TEXT, "projection_size": 48}, fields={},
        dtype=torch.float32,
    ),
    # The vision half alone, whose names have no prefix.
    "siglip-vision": dict(
        model=SiglipVisionModel, config=SiglipVisionConfig,
        fields={**VISION, "hidden_size": 36, "num_attention_heads": 3, "patch_size": 8}, dtype=torch.float16,
    ),
    # The text half alone, lower-cased, with a padding token of its own, which stands before the text.
    "siglip2-text": dict(
        model=Siglip2TextModel, config=Siglip2TextConfig, fields={**TEXT, "max_position_embeddings": 12},
        dtype=torch.float32, padding="<pad>",
    ),
}


def clip_tokenizer():
    """Byte-level BPE that knows the WORDS of make_models.py whole."""
    byte_letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens, merges = byte_letters + [f"{c}</w>" for c in byte_letters], []
    for word in WORDS:
        if len(word) == 1:
            continue
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            if pair not in merges:
                merges.append(pair)
                tokens.append("".join(pair))
            pieces = ["".join(pair), *pieces[2:]]
    tokens += ["<|startoftext|>", END]
    assert len(tokens) == len(set(tokens))
    vocab = {token: i for i, token in enumerate(tokens)}
    return Tokenizer.from_str(CLIPTokenizer(vocab=vocab, merges=merges).backend_tokenizer.to_str())


def siglip_tokenizer(padding):
    """Unigrams of words and letters; a lone `</s>` behind the text. SigLIP 2 leaves the case to its class."""
    pieces = ["<unk>", "</s>", "<pad>"] + [f"\u2581{w}" for w in WORDS] + list(f"\u2581{LETTERS}.,!?'0123456789")
    # The longer a piece the likelier.
    vocab = [(piece, -1.0 / len(piece)) for piece in dict.fromkeys(pieces)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=False))
    if padding == "</s>":
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(["</s>", "<pad>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def write_model(folder, spec, tokenizer, generator):
    halves = {}
    for half in ("text", "vision"):
        if half in spec:
            halves[f"{half}_config"] = dict(spec[half])
    if tokenizer:
        ends = dict(vocab_size=tokenizer.get_vocab_size())
        if spec["model"] is CLIPModel:
            ends["eos_token_id"] = 2 if spec.get("legacy") else tokenizer.token_to_id(END)
        halves.get("text_config", spec["fields"]).update(ends)
    model = spec["model"](spec["config"](**spec["fields"], **halves))
    randomise(model, generator)
    model.to(spec["dtype"]).save_pretrained(folder)
    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors", metadata={"format": "pt"})
    if spec.get("legacy"):
        # As laion's files have it: the newer field holds what is not meant.
        config = json.loads((folder / "config.json").read_text())
        for half in ("text_config", "vision_config"):
            config[f"{half}_dict"] = {**spec[half.split("_")[0]], **(ends if half == "text_config" else {})}
            config[half]["num_hidden_layers"] = 7
        write_json(folder / "config.json", config)
    model = spec["model"].from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    return model.eval()


def vision_goldens(model, generator):
    features = getattr(model, "get_image_features", model)
    tensors = {}
    for index, (height, width) in enumerate(PICTURES):
        patch = getattr(model.config, "vision_config", model.config).patch_size
        height, width = max(height, patch), max(width, patch)
        pixels = torch.rand((1, 3, height, width), generator=generator) * 4 - 2
        with torch.no_grad():
            result = features(pixels, interpolate_pos_encoding=True, output_attentions=True)
        pooled = result["image_embeds"] if "image_embeds" in result else result.pooler_output
        tensors[f"pixels.{index}"] = pixels[0]
        tensors[f"hidden.{index}"] = result.last_hidden_state[0]
        tensors[f"pooled.{index}"] = normalize(pooled, dim=-1)[0]
        tensors[f"attention.{index}"] = torch.cat(result.attentions)
    return tensors


def encode(tokenizer, text, limit, padding, left):
    """Cut to `limit` with the special tokens kept, and padded to it where the model was trained so."""
    tokenizer.enable_truncation(limit)
    if padding:
        tokenizer.enable_padding(direction="left" if left else "right", length=limit, pad_token=padding,
                                 pad_id=tokenizer.token_to_id(padding))
    return tokenizer.encode(text).ids


def text_goldens(model, tokenizer, cases, padding, spec):
    features = getattr(model, "get_text_features", model)
    limit = getattr(model.config, "text_config", model.config).max_position_embeddings
    lower = spec["model"] is Siglip2TextModel
    parts = {"ids": [], "hidden": [], "pooled": [], "hidden_rows": []}
    starts, attention = [0], {}
    for case in cases:
        # The normalizer that transformers' Siglip2Tokenizer puts before the file's own.
        text = "".join(c.lower() for c in case["text"]) if lower else case["text"]
        ids = encode(tokenizer, text, limit, padding, left=lower)
        with torch.no_grad():
            result = features(torch.tensor([ids]), output_attentions=True)
        # Heatseek leaves out what follows the end of the text: nothing that counts looks there.
        end = ids.index(tokenizer.token_to_id(END)) + 1 if spec["model"] is CLIPModel else len(ids)
        parts["ids"].append(np.array(ids[:end], np.int32))
        parts["hidden"].append(result.last_hidden_state[0, :end].numpy())
        parts["hidden_rows"].append(np.arange(end, dtype=np.int32))
        parts["pooled"].append(normalize(result.pooler_output, dim=-1).numpy())
        starts.append(starts[-1] + end)
        index = len(starts) - 2
        attention[f"ids.{index}"] = np.array(ids[:end], np.int32)
        attention[f"attention.{index}"] = torch.cat(result.attentions)[:, :, :end, :end].numpy().copy()
    tensors = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    tensors["ids_start"] = tensors["hidden_rows_start"] = np.array(starts, np.int32)
    return tensors, attention


def make(name, spec, out):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = 300 + list(MODELS).index(name)
    generator = torch.Generator().manual_seed(seed)
    clip = "clip" in name and "siglip" not in name
    padding = None if clip else spec.get("padding", "</s>")
    tokenizer = None if "vision" in name else clip_tokenizer() if clip else siglip_tokenizer(padding)
    if tokenizer:
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        settings = {"model_max_length": 1e30, "pad_token": END if clip else {"content": padding, "special": True}}
        write_json(folder / "tokenizer_config.json", settings)
    model = write_model(folder, spec, tokenizer, generator)
    metadata = {
        "seed": str(seed), "regenerate": REGENERATE, "attention": "eager", "python": sys.version.split()[0],
        "torch": torch.__version__, "transformers": transformers.__version__, "numpy": np.__version__,
        "tokenizers": tokenizers.__version__,
    }
    if "text" not in name:
        crop = {"crop_size": {"height": 24, "width": 24}} if clip else {}
        kind = f"{'CLIP' if clip else 'Siglip'}ImageProcessor"
        write_json(folder / "preprocessor_config.json", {**PREPROCESSOR, "image_processor_type": kind, **crop})
        tensors = {key: value.contiguous().float() for key, value in vision_goldens(model, generator).items()}
        golden.save(folder / "pictures.safetensors", {k: v.numpy() for k, v in tensors.items()},
                    {"format": FORMAT, **metadata})
        print(name, [list(value.shape) for key, value in tensors.items() if key.startswith("pooled")])
    if tokenizer:
        cases = [{"name": name, "text": text} for name, text in TEXTS + MORE_TEXTS]
        tensors, attention = text_goldens(model, tokenizer, cases, padding, spec)
        golden.write_texts(folder / "texts.json", cases)
        golden.save(folder / "golden.safetensors", tensors, {"format": golden.FORMAT, **metadata})
        texts = json.dumps([{"text": case["text"]} for case in cases])
        golden.save(folder / "attention.safetensors", attention,
                    {"format": "heatseek-golden-attention-1", "texts": texts, **metadata})
        assert np.ptp(tensors["pooled"], axis=0).min() > 1e-3, "texts must give different vectors"
        print(name, tensors["ids_start"], tensors["pooled"].shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    for name, spec in MODELS.items():
        make(name, spec, out)


if __name__ == "__main__":
    main()
