"""Makes the small random models of models/ and the goldens beside them.

Each is an ordinary Hugging Face / sentence-transformers folder that differs from
all-MiniLM-L6-v2 in the ways its comment in MODELS says. Weights are seeded and rounded to
the storage type before anything is computed, so the goldens are those of the file.

    python tests/golden/make_models.py --out tests/golden/models
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast

import golden_format as golden

REGENERATE = "python tests/golden/make_models.py --out tests/golden/models"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = """the of and to in is it bee bees honey hive find finds how do way home sun sky light fly
flies dance field flower query passage search document represent this sentence for relevant""".split()
SUFFIXES = "##ing ##ed ##er ##ly ##est ##ness ##able".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
OTHER = list("0123456789.,:;!?'\"()-/#") + list("\u00e9\u00fc\u03c3\u03c2\u0436\u871c\u8702\u65e5\u672c")

SENTENCE = "How do bees find the way home? The sun, the sky and the light: it is a dance. "
TEXTS = [
    ("empty", ""),
    ("sentence", "The bees find the honey in 12 flowers, and fly home!"),
    ("unknown", "\u00d8 bees \U0001f41d hive"),
    ("case_accents_cjk", "\u00c9T\u00c9 \u03a3\u03a6\u03c2 BEES' \u871c\u8702 \u65e5\u672c Fl\u00fcing"),
    ("special_tokens", "[CLS] the [MASK] dances [SEP] quickest"),
    ("cut", SENTENCE * 5),
]

BASE = dict(num_hidden_layers=2, max_position_embeddings=64)
# folder -> config: BertConfig fields; the rest says which files there are and what they hold.
MODELS = {
    # Like BGE: first token, normalised; prompts but no default one; a maximum length of its own;
    # truncation and padding inside tokenizer.json, which must be ignored.
    "bert-cls-normalize": dict(
        config=dict(hidden_size=48, num_attention_heads=4, intermediate_size=96, hidden_act="gelu"),
        dtype=torch.float32, pooling="cls", normalize=True, max_seq_length=40, tokenizer_limits=True,
        prompts={"query": "represent this sentence for search: ", "document": ""}, default_prompt=None,
    ),
    # Two modules after pooling; half-precision weights; heads of 12.
    "bert-mean-dense": dict(
        config=dict(hidden_size=36, num_attention_heads=3, intermediate_size=72, hidden_act="gelu"),
        dtype=torch.float16, pooling="mean", dense=20, normalize=True, max_seq_length=64,
    ),
    # Like E5: a prompt applied when none is asked for; bfloat16; tanh GELU; no max_seq_length, so the
    # position table decides.
    "bert-e5": dict(
        config=dict(hidden_size=48, num_attention_heads=3, intermediate_size=96, hidden_act="gelu_new"),
        dtype=torch.bfloat16, pooling="mean", normalize=True, max_seq_length=None,
        prompts={"query": "query: ", "passage": "passage: "}, default_prompt="passage",
    ),
    # No sentence-transformers files, and the tensor names of a masked-language model.
    "bert-no-st": dict(
        config=dict(hidden_size=32, num_attention_heads=2, intermediate_size=64, hidden_act="relu"),
        dtype=torch.float32, masked_lm=True,
    ),
    # Cased vocabulary file, lower-cased by sentence_bert_config; one token type; larger epsilon.
    "bert-max-lower": dict(
        config=dict(hidden_size=40, num_attention_heads=5, intermediate_size=80, hidden_act="gelu",
                    layer_norm_eps=1e-5, type_vocab_size=1),
        dtype=torch.float32, pooling="max", normalize=False, max_seq_length=48, cased=True,
    ),
}


def vocabulary():
    letters = list(LETTERS) + [f"##{c}" for c in LETTERS] + [c.upper() for c in LETTERS]
    suffixes = SUFFIXES + [f"##{c}" for c in "\u00e9\u00fc\u03c3\u03c20123456789"]
    tokens = SPECIAL + OTHER + letters + WORDS + suffixes
    assert len(tokens) == len(set(tokens))
    return {token: i for i, token in enumerate(tokens)}


def randomise(module, generator):
    """Seeded weights under which every parameter matters to the result."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("LayerNorm.weight"):
                p.copy_(1 + 0.3 * noise)
            elif name.endswith("bias"):
                p.copy_(0.2 * noise)
            elif "embeddings" in name:
                p.copy_(0.02 * noise)  # as BERT's, so small that layer_norm_eps 1e-5 shows
            else:
                p.copy_(1.2 * noise / p.shape[-1] ** 0.5)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=True) + "\n", encoding="ascii")


def write_tokenizer(folder, spec):
    fast = BertTokenizerFast(vocab=vocabulary(), do_lower_case=not spec.get("cased", False))
    raw = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    if spec.get("tokenizer_limits"):
        raw.enable_truncation(8)
        raw.enable_padding(length=8, pad_token="[PAD]")
    raw.save(str(folder / "tokenizer.json"), pretty=False)
    if "pooling" in spec:
        write_json(folder / "tokenizer_config.json", {
            "tokenizer_class": "BertTokenizer", "do_lower_case": not spec.get("cased", False),
            "tokenize_chinese_chars": True, "strip_accents": None, "model_max_length": 512,
        })


def write_weights(folder, spec, generator):
    config = BertConfig(**BASE, **spec["config"], vocab_size=len(vocabulary()))
    module = (BertForMaskedLM if spec.get("masked_lm") else BertModel)(config)
    randomise(module, generator)
    if spec.get("masked_lm"):
        module.tie_weights()
    tensors = {k: v.to(spec["dtype"]).contiguous().clone() for k, v in module.state_dict().items()}
    if spec.get("masked_lm"):
        # Stored once, as such files have it: the decoder shares the word embeddings.
        tensors = {k: v for k, v in tensors.items() if not k.startswith("cls.predictions.decoder.")}
    save_file(dict(sorted(tensors.items())), str(folder / "model.safetensors"), metadata={"format": "pt"})
    names = ["architectures", "hidden_act", "hidden_size", "intermediate_size", "layer_norm_eps",
             "max_position_embeddings", "model_type", "num_attention_heads", "num_hidden_layers",
             "pad_token_id", "type_vocab_size", "vocab_size"]
    fields = {name: getattr(config, name) for name in names}
    fields["architectures"] = [type(module).__name__]
    write_json(folder / "config.json", {
        **fields, "position_embedding_type": "absolute", "torch_dtype": str(spec["dtype"]).split(".")[1],
    })


def write_modules(folder, spec, generator):
    """The sentence-transformers files, in the layout its released models have."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    width = spec["config"]["hidden_size"]
    flags = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens"}
    write_json(folder / "1_Pooling/config.json", {
        "word_embedding_dimension": width,
        **{f"pooling_mode_{flag}": mode == spec["pooling"] for mode, flag in flags.items()},
        "pooling_mode_mean_sqrt_len_tokens": False,
    })
    if "dense" in spec:
        modules.append(("2_Dense", "Dense"))
        out = spec["dense"]
        write_json(folder / "2_Dense/config.json", {
            "in_features": width, "out_features": out, "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
        })
        save_file({
            "linear.weight": 1.2 * torch.randn(out, width, generator=generator) / width ** 0.5,
            "linear.bias": 0.2 * torch.randn(out, generator=generator),
        }, str(folder / "2_Dense/model.safetensors"), metadata={"format": "pt"})
    if spec["normalize"]:
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    write_json(folder / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ])
    write_json(folder / "sentence_bert_config.json", {
        "max_seq_length": spec["max_seq_length"], "do_lower_case": spec.get("cased", False),
    })
    if "prompts" in spec:
        write_json(folder / "config_sentence_transformers.json", {
            "__version__": {"sentence_transformers": "3.0.0", "transformers": "4.41.0", "pytorch": "2.3.0"},
            "prompts": spec["prompts"], "default_prompt_name": spec["default_prompt"],
            "similarity_fn_name": "cosine",
        })


def cases_of(spec):
    """The six texts as `embed` takes them by default, then a sentence with each prompt."""
    cases = [{"name": name, "text": text} for name, text in TEXTS]
    if prompts := spec.get("prompts"):
        text = dict(TEXTS)["sentence"]
        cases += [{"name": f"prompt_{p}", "text": text, "prompt_name": p} for p in prompts]
        cases += [{"name": "prompt_none", "text": text, "prompt": ""},
                  {"name": "prompt_own", "text": text, "prompt": "find: "}]
    return cases


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--out", required=True, type=Path, help="folder the model folders are made in")
    args = args.parse_args()
    for number, (name, spec) in enumerate(MODELS.items()):
        folder = args.out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        generator = torch.Generator().manual_seed(golden.SEED + number)
        write_tokenizer(folder, spec)
        write_weights(folder, spec, generator)
        if "pooling" in spec:
            write_modules(folder, spec, generator)

        model = golden.load(folder)
        cases = cases_of(spec)
        texts, path = folder / "texts.json", folder / "golden.safetensors"
        golden.write_texts(texts, cases)
        tensors = golden.tensors_of(model, folder, cases, every_row=True)
        golden.write(path, tensors, model, folder, texts, REGENERATE)
        golden.report(path, model, cases)
        assert np.ptp(tensors["pooled"], axis=0).min() > 1e-3, "texts must give different vectors"


if __name__ == "__main__":
    main()
