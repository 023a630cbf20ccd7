"""The golden file format, shared by make_goldens.py and make_models.py.

README.md in this folder describes the format for readers. In short: `texts.json` lists
cases, and a safetensors file of the same folder holds what sentence-transformers computed
for each, concatenated over the cases, with `*_start` tables of N+1 entries saying where
each case begins.
"""

import hashlib
import json
import platform
import random
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer

from golden_file import save

FORMAT = "heatseek-golden-1"
SEED = 20250101
ROWS = 6  # hidden rows stored of a text; a text of no more tokens stores them all


def load(folder):
    """The model as sentence-transformers loads it: f32, eager attention, CPU, one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    return SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        model_kwargs={"attn_implementation": "eager", "dtype": torch.float32},
    ).eval()


def run(model, cases):
    """Run `cases` as one padded batch. Returns one dict a case: ids, hidden, pooled.

    `ids` and `hidden` are taken by a hook from the transformer module while the model's own
    `encode` runs, so they are what the pipeline really used. All cases of a batch must agree
    on prompt and maximum length.
    """
    seen = {}

    def keep(_module, _inputs, features):
        seen.update({k: v.clone() for k, v in features.items() if torch.is_tensor(v)})

    (options,) = {(c.get("prompt"), c.get("prompt_name"), c.get("max_length")) for c in cases}
    prompt, prompt_name, max_length = options
    own_length = model.max_seq_length
    model.max_seq_length = max_length or own_length
    hook = model[0].register_forward_hook(keep)
    out = []
    try:
        pooled = []
        texts = [c["text"] for c in cases]
        # `encode` sorts by length, so a padded batch goes through the same steps by hand.
        if len(texts) == 1:
            pooled = model.encode(texts, batch_size=1, prompt=prompt, prompt_name=prompt_name)
        else:
            prefix = model._resolve_prompt(prompt, prompt_name) or ""
            with torch.no_grad():
                features = model(model.preprocess([prefix + t for t in texts]))
            pooled = features["sentence_embedding"].numpy()
        mask = seen["attention_mask"].bool()
        for i in range(len(texts)):
            out.append({
                "ids": seen["input_ids"][i][mask[i]].numpy().astype(np.int32),
                "hidden": seen["token_embeddings"][i][mask[i]].numpy().astype(np.float32),
                "pooled": np.asarray(pooled[i], np.float32),
            })
    finally:
        hook.remove()
        model.max_seq_length = own_length
    return out


def offsets(model, case, ids):
    """Character offsets [start, end) of each token in code points of the text as given.

    A prompt is put before the text and counts: offsets then refer to prompt + text. Special
    tokens added by the template have [0, 0).
    """
    prompt = model._resolve_prompt(case.get("prompt"), case.get("prompt_name")) or ""
    encoded = model.tokenizer(
        prompt + case["text"], truncation=True,
        max_length=case.get("max_length") or model.max_seq_length, return_offsets_mapping=True,
    )
    assert encoded["input_ids"] == ids.tolist(), case["name"]
    return np.array(encoded["offset_mapping"], np.int32).reshape(-1, 2)


def check_against_tokenizer_json(folder, model, case, ids):
    """Asserts that tokenizer.json alone gives the same ids.

    Its own truncation and padding are ignored, as sentence-transformers ignores them. The library
    rebuilds BERT tokenizers from their vocabulary, so this is not a matter of course.
    """
    raw = tokenizers.Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    raw.no_padding()
    raw.enable_truncation(case.get("max_length") or model.max_seq_length)
    if getattr(model[0], "do_lower_case", False):
        raw.normalizer = tokenizers.normalizers.Sequence([tokenizers.normalizers.Lowercase(), raw.normalizer])
    prompt = model._resolve_prompt(case.get("prompt"), case.get("prompt_name")) or ""
    assert raw.encode(prompt + case["text"]).ids == ids.tolist(), case["name"]


def row_choice(name, count, every=False):
    """Which rows of the last hidden state are stored for a text of `count` tokens."""
    if every or count <= ROWS:
        return list(range(count))
    inner = random.Random(f"{SEED}:{name}").sample(range(1, count - 1), ROWS - 2)
    return [0, *sorted(inner), count - 1]


def tensors_of(model, folder, cases, every_row=False):
    """The tensors of a golden file: each case is encoded alone (batch of one)."""
    parts = {"ids": [], "char_offsets": [], "hidden_rows": [], "hidden": [], "pooled": []}
    ids_start, rows_start = [0], [0]
    for case in cases:
        (r,) = run(model, [case])
        check_against_tokenizer_json(folder, model, case, r["ids"])
        rows = row_choice(case["name"], len(r["ids"]), every_row)
        parts["ids"].append(r["ids"])
        parts["char_offsets"].append(offsets(model, case, r["ids"]))
        parts["hidden_rows"].append(np.array(rows, np.int32))
        parts["hidden"].append(r["hidden"][rows])
        parts["pooled"].append(r["pooled"][None])
        ids_start.append(ids_start[-1] + len(r["ids"]))
        rows_start.append(rows_start[-1] + len(rows))
    tensors = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    tensors["ids_start"] = np.array(ids_start, np.int32)
    tensors["hidden_rows_start"] = np.array(rows_start, np.int32)
    return tensors


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_texts(path, cases):
    """Writes the cases as ASCII JSON, so that no editor or git filter can change a character."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    Path(path).write_text(f"[\n{lines}\n]\n", encoding="ascii")


def write(path, tensors, model, folder, texts, regenerate):
    """Writes a golden file with its provenance as safetensors metadata (all strings)."""
    metadata = {
        "format": FORMAT,
        "regenerate": regenerate,
        "model": Path(folder).name,
        "weights_sha256": sha256(Path(folder) / "model.safetensors"),
        "tokenizer_sha256": sha256(Path(folder) / "tokenizer.json"),
        "texts": Path(texts).name,
        "texts_sha256": sha256(texts),
        "seed": str(SEED),
        "max_length": str(model.max_seq_length),
        "attention": model[0].auto_model.config._attn_implementation,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentence_transformers": sentence_transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "safetensors": safetensors.__version__,
        "numpy": np.__version__,
    }
    save(path, tensors, metadata)


def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def check(path, model, cases):
    """Reads a golden file back and recomputes it in padded batches. Returns the worst cosine
    and the worst absolute differences of pooled vectors and hidden rows."""
    stored = safetensors.numpy.load_file(path)
    groups = {}
    for i, case in enumerate(cases):
        key = (case.get("prompt"), case.get("prompt_name"), case.get("max_length"))
        groups.setdefault(key, []).append(i)
    worst, pooled_diff, hidden_diff = 1.0, 0.0, 0.0
    for members in groups.values():
        # Neighbours of different length share a batch, so padding is really exercised.
        for batch in [members[i:i + 8] for i in range(0, len(members), 8)]:
            results = run(model, [cases[i] for i in batch] if len(batch) > 1 else [cases[batch[0]]])
            for i, r in zip(batch, results, strict=True):
                ids = stored["ids"][stored["ids_start"][i]:stored["ids_start"][i + 1]]
                assert np.array_equal(ids, r["ids"]), cases[i]["name"]
                span = slice(stored["hidden_rows_start"][i], stored["hidden_rows_start"][i + 1])
                rows = stored["hidden_rows"][span]
                hidden_diff = max(hidden_diff, np.abs(stored["hidden"][span] - r["hidden"][rows]).max())
                pooled_diff = max(pooled_diff, np.abs(stored["pooled"][i] - r["pooled"]).max())
                worst = min(worst, cosine(stored["pooled"][i], r["pooled"]))
    assert worst > 0.999999, (path, worst)
    return worst, float(pooled_diff), float(hidden_diff)


def report(path, model, cases):
    """Prints the size of a golden file and the outcome of `check`."""
    worst, pooled, hidden = check(path, model, cases)
    print(f"{path}: {len(cases)} cases, {Path(path).stat().st_size:,} bytes; padded batches agree: "
          f"cosine >= {worst:.9f}, pooled max abs {pooled:.1e}, hidden max abs {hidden:.1e}")


def read_ids(path):
    """Token ids of all cases of a golden file, and where those of each begin."""
    file = safetensors.numpy.load_file(path)
    return file["ids"].tolist(), file["ids_start"].tolist()
