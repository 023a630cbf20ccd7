"""Makes pooler_sets.safetensors: poolers of several layers, of parts of the tokens and of maps, by their equations.

    python tests/golden/make_pooler_sets.py --out tests/golden

Nothing here is shared with crates/heatseek-pool. All arithmetic is in f64 on values rounded to f32.
"""

import argparse
import json
import math
import platform
from pathlib import Path

import numpy as np
import safetensors

from golden_file import save

FORMAT = "heatseek-golden-poolers-1"
REGENERATE = "python tests/golden/make_pooler_sets.py --out tests/golden"
SEED, LAYERS, WIDTH, HEADS = 20250402, 6, 12, 4
GRAM = {
    "W_r": (WIDTH, 4), "b_r": (4,), "W_g": (10, WIDTH), "W_q": (WIDTH, 6), "W_k": (WIDTH, 6), "W_v": (WIDTH, 6),
    "W_o": (6, WIDTH), "gamma_1": (WIDTH,), "gamma_2": (WIDTH,), "W_1": (WIDTH, 20), "b_1": (20,), "W_2": (20, WIDTH),
    "ln_1.weight": (WIDTH,),
}
SOURCES = {"W": (WIDTH, 5), "U": (WIDTH, 5), "v": (5,), "W_b": (WIDTH, 4), "U_b": (WIDTH, 4), "v_b": (4,)}
# The same of two sources that have each their own, and what their contexts are projected with.
OWN_SOURCES = {name: (2, *shape) for name, shape in SOURCES.items()} | {"U_c": (2, WIDTH, 7)}
TASK = {"fc.0.weight": (3, WIDTH), "fc.0.bias": (3,), "fc.2.weight": (4 * WIDTH, 3), "fc.2.bias": (4 * WIDTH,)}
SPATIAL = {"offset.weight": (27, WIDTH, 3, 3), "offset.bias": (27,), "conv.weight": (WIDTH, WIDTH, 3, 3),
           "conv.own": (LAYERS, WIDTH, WIDTH, 3, 3)}
DOWN = {"down.weight": (6, WIDTH), "down.bias": (6,), "in_proj_weight": (18, 6), "in_proj_bias": (18,),
        "out_proj.weight": (6, 6), "up.weight": (WIDTH, 6), "up.bias": (WIDTH,), "query": (6,)}
GRIDS = {"short": (1, 2), "text": (2, 5), "long": (5, 5)}
TOKENS = {"short": 3, "text": 11, "long": 26}

random = np.random.default_rng(SEED)
tensors, cases = {}, []


def f64(name):
    return tensors[name].astype(np.float64)


def put(name, *shape, scale=1.0):
    tensors[name] = random.normal(0, scale, shape).astype(np.float32)
    return f64(name)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def case(text, skip, spec, vectors, weights=None, layers=(6,), maps=(), params=None, **more):
    number = len(cases)
    tensors[f"vectors.{number}"] = np.ascontiguousarray(np.atleast_2d(vectors), np.float64)
    if weights is not None:
        tensors[f"weights.{number}"] = np.ascontiguousarray(np.atleast_2d(weights), np.float64)
    cases.append({
        "name": f"{number} {text}", "spec": spec, "skip": skip, "layers": [f"{text}.layer.{n}" for n in layers],
        "maps": [f"{text}.{m}" for m in maps], "params": params or {}, "vectors": f"vectors.{number}",
        "weights": None if weights is None else f"weights.{number}", **more,
    })


def padded(weights, skip):
    weights = np.atleast_2d(weights)
    return np.concatenate([np.zeros((len(weights), skip)), weights], axis=1)


def parts(text, skip):
    """none, span, landmark."""
    x = f64(f"{text}.layer.6")
    n = len(x) - skip
    case(text, skip, {"name": "none"}, x[skip:], padded(np.eye(n), skip))
    # Words of four characters and a space; the first and the last token are special.
    offsets = np.array([[5 * t, 5 * t + 4] for t in range(len(x))])
    offsets[[0, -1]] = 0
    tensors[f"{text}.offsets"] = offsets.astype(np.int32)
    start, end = 8, 5 * len(x) - 12
    for tokens, spec in [
        ([t for t in range(1, len(x) - 1) if offsets[t, 0] < end and offsets[t, 1] > start],
         {"name": "span", "range": [start, end]}),
        ([1, 2], {"name": "span", "range": [1, 3], "unit": "tokens"}),
        (list(range(len(x))), {"name": "span"}),
    ]:
        tokens = [t for t in tokens if t >= skip]
        if not tokens:
            continue
        weights = np.isin(np.arange(len(x)), tokens) / len(tokens)
        case(text, skip, spec, x[tokens].mean(axis=0), weights, offsets=f"{text}.offsets")
        case(text, skip, {**spec, "pool": "max"}, x[tokens].max(axis=0), offsets=f"{text}.offsets")
    places = [t for t in range(2, len(x), 4)]
    tensors[f"{text}.landmarks"] = np.array(places, np.int32)
    hot = np.eye(len(x))[places]
    case(text, skip, {"name": "landmark", "every": 3}, x[places].mean(axis=0), hot.mean(axis=0),
         landmarks=f"{text}.landmarks")
    case(text, skip, {"name": "landmark", "every": 3, "several": True}, x[places], hot, landmarks=f"{text}.landmarks")


def clusters(text, skip):
    for k, kind, significance, keep in [(4, "kmeans", False, False), (4, "kmedoids", True, False),
                                        (3, "kmeans", True, False), (40, "kmeans", False, False),
                                        (3, "kmeans", False, True), (2, "kmedoids", True, True)]:
        # The class token stays as it is unless it does not count.
        start = max(skip, 1) if keep else skip
        x, received = f64(f"{text}.layer.6")[start:], f64(f"{text}.map").mean(axis=0)[start:]
        spec = {"name": "cluster", "k": k, "kind": kind, "weight": "significance" if significance else "even"}
        spec = {**spec, "class": "keep"} if keep else spec
        maps = ["map"] if significance else []
        w = received if significance else np.ones(len(x))
        if k >= len(x):
            whole = f64(f"{text}.layer.6")[skip:]
            case(text, skip, spec, whole, padded(np.eye(len(whole)), skip), maps=maps)
            continue
        if significance:
            first = np.argsort(-w, kind="stable")[:k]
        else:
            first = [0]
            while len(first) < k:
                first.append(int(((x[:, None] - x[first]) ** 2).sum(-1).min(1).argmax()))
        share = np.eye(len(x))[first]
        labels = None
        while True:
            now = ((x[:, None] - (share @ x)[None]) ** 2).sum(-1).argmin(1)
            if labels is not None and np.array_equal(now, labels):
                break
            labels, rows = now, []
            for label in np.unique(labels):
                members = np.flatnonzero(labels == label)
                if kind == "kmeans":
                    row = np.where(labels == label, w, 0)
                    rows.append(row / row.sum())
                else:
                    cost = (((x[members][:, None] - x[members]) ** 2).sum(-1) * w[members]).sum(1)
                    rows.append(np.eye(len(x))[members[cost.argmin()]])
            share = np.array(rows)
            labels = np.unique(labels, return_inverse=True)[1]
        share = padded(share, start)
        if start > skip:
            share = np.vstack([np.eye(share.shape[1])[:1], share])
        case(text, skip, spec, share @ f64(f"{text}.layer.6"), share, maps=maps)


def maps(text, skip):
    x = f64(f"{text}.layer.6")
    for source, name in [("cls", "map"), ("rollout", "rollout")]:
        for drop in [False, True]:
            a = f64(f"{text}.{name}")
            m = a[0].copy()
            m[:skip] = 0
            if drop:
                m[a.mean(axis=0) > 8 / len(x)] = 0
            m /= m.sum()
            case(text, skip, {"name": "map_weighted", "source": source, "drop_sinks": drop}, m @ x, m, maps=[name])


def several_layers(text, skip):
    z = np.stack([f64(f"{text}.layer.{n}") for n in range(LAYERS + 1)])
    n = z.shape[1] - skip
    even = padded(np.full(n, 1 / n), skip)[0]
    first_last = z[[1, 6]]
    case(text, skip, {"name": "layer"}, first_last[:, skip:].mean(axis=(0, 1)), even, layers=[1, 6])
    scores = np.array([0.3, -1.0, 2.0])
    mix = softmax(scores)
    case(text, skip, {"name": "layer", "layers": [0, 3, 5], "mix": scores.tolist(), "tokens": "max"},
         mix @ z[[0, 3, 5]][:, skip:].max(axis=1), layers=[0, 3, 5])
    case(text, skip, {"name": "layer", "layers": "last_4", "mix": "max", "order": "layers_first"},
         z[3:].max(axis=0)[skip:].mean(axis=0), even, layers=[3, 4, 5, 6])
    case(text, skip, {"name": "layer", "layers": "last_2", "tokens": "cls"}, z[5:, 0].mean(axis=0),
         np.eye(n + skip)[0], layers=[5, 6])
    gate, lay = f64("w_tok"), f64("w_lay")
    a = softmax(np.einsum("ltd,ld->lt", z[4:, skip:], gate))
    s = np.einsum("lt,ltd->ld", a, z[4:, skip:])
    b = softmax(s @ lay)
    case(text, skip, {"name": "layer", "layers": [4, 5, 6], "tokens": "gate", "mix": "gate"}, b @ s, padded(b @ a, skip),
         layers=[4, 5, 6], params={"w_tok": "w_tok", "w_lay": "w_lay"})
    case(text, skip, {"name": "max_cls", "k": 2}, z[5:, 0].max(axis=0), layers=[5, 6])
    # MaxSeq and attention of the class token.
    for learned, over in [(False, "max"), (True, "max"), (False, "mean"), (True, "sum")]:
        top = getattr(z[4:], over)(axis=0)
        w_in, b_in = (f64("in_proj_weight"), f64("in_proj_bias")) if learned else (np.tile(np.eye(WIDTH), (3, 1)), 0)
        q, k, v = np.split(top @ w_in.T + b_in, 3, axis=1)
        d = WIDTH // HEADS
        vector, weights = np.zeros(WIDTH), np.zeros(n)
        for h in range(HEADS):
            at = slice(h * d, h * d + d)
            a = softmax(k[skip:, at] @ q[0, at] / np.sqrt(d))
            vector[at], weights = a @ v[skip:, at], weights + a / HEADS
        names = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"] if learned else []
        if learned:
            vector = f64("out_proj.weight") @ vector + f64("out_proj.bias")
        case(text, skip, {"name": "max_seq_mha", "over": over}, vector, padded(weights, skip), layers=[4, 5, 6],
             params={name: name for name in names})
    gates = [np.clip((max(m @ f64("gate.w") + f64("gate.b")[0], 0) + 3) / 6, 0, 1) for m in z[1:, skip:].mean(axis=1)]
    case(text, skip, {"name": "levels"}, (np.array(gates)[:, None] * z[1:, skip:].mean(axis=1)).mean(axis=0),
         layers=range(1, 7), params={"w": "gate.w", "b": "gate.b"})
    # The task gate, alone and behind the level gate.
    for kind, levels in [("task", np.ones(LAYERS)), ("gate_task", np.array(gates))]:
        f = np.tensordot(levels, z[1:, skip:], axes=1) / LAYERS
        hidden = np.maximum(f64("fc.0.weight") @ f.mean(axis=0) + f64("fc.0.bias"), 0)
        theta = np.clip((f64("fc.2.weight") @ hidden + f64("fc.2.bias") + 3) / 6, 0, 1)
        a1, b1, a2, b2 = theta.reshape(4, WIDTH) - 0.5
        out = np.maximum((2 * a1 + 1) * f + b1, 2 * a2 * f + b2)
        params = {name: name for name in TASK} | ({"w": "gate.w", "b": "gate.b"} if kind == "gate_task" else {})
        case(text, skip, {"name": "levels", "kind": kind}, out.mean(axis=0), layers=range(1, 7), params=params)
    for full in [False, True]:
        x = z[4:, skip:]
        inner = np.einsum("std,sde->ste", x, f64("scales.full")) + f64("scales.b")[:, None] if full else (
            x * f64("scales.W")[:, None])
        f = sigmoid(inner) * x
        a = softmax(np.einsum("std,sd->st", f, f64("scales.w")) + (f64("scales.k")[:, None] if full else 0), axis=0)
        names = {"W": "scales.full", "b": "scales.b", "k": "scales.k"} if full else {"W": "scales.W"}
        case(text, skip, {"name": "levels", "kind": "scales", "layers": "last_3"},
             (a[..., None] * f).sum(axis=0).mean(axis=0), layers=[4, 5, 6], params={**names, "w": "scales.w"})


def one_layer(text, skip):
    """A pooler of the last hidden state, on another."""
    for layer in [0, 3]:
        x = f64(f"{text}.layer.{layer}")
        n = len(x) - skip
        even = padded(np.full(n, 1 / n), skip)[0]
        case(text, skip, {"name": "mean", "of_layer": layer}, even @ x, even, layers=[layer])
        a = padded(softmax(x[skip:] @ x[skip:].mean(axis=0) / np.sqrt(WIDTH)), skip)[0]
        case(text, skip, {"name": "qkv_pool", "of_layer": layer}, a @ x, a, layers=[layer])


def downcast(text, skip):
    """Multi-head attention in six channels over tokens, over layers, or over both."""
    z = np.stack([f64(f"{text}.layer.{n}")[skip:] for n in (1, 4, 6)])

    def attend(name, rows, learned):
        p = {part: f64(f"{name}.{part}") for part in DOWN}
        x = rows @ p["down.weight"].T + p["down.bias"]
        q = p["query"] if learned else x.mean(axis=0)
        wq, wk, wv = np.split(p["in_proj_weight"], 3)
        bq, bk, bv = np.split(p["in_proj_bias"], 3)
        q, k, v = wq @ q + bq, x @ wk.T + bk, x @ wv.T + bv
        maps = [softmax(k[:, at] @ q[at] / np.sqrt(3)) for at in (slice(0, 3), slice(3, 6))]
        o = p["out_proj.weight"] @ np.concatenate([maps[0] @ v[:, :3], maps[1] @ v[:, 3:]])
        return p["up.weight"] @ o + p["up.bias"], (maps[0] + maps[1]) / 2

    for learned in [False, True]:
        names = [name for name in DOWN if learned or name != "query"]
        params = {f"{at}.{name}": f"{at}.{name}" for at in ("tok_mha", "lay_mha") for name in names}
        tokens = [attend("tok_mha", layer, learned) for layer in z]
        vector, shares = attend("lay_mha", np.array([vector for vector, _ in tokens]), learned)
        spec = {"name": "layer", "layers": [1, 4, 6], "tokens": "mha", "mix": "mha", "heads": 2}
        case(text, skip, spec, vector, padded(shares @ np.array([a for _, a in tokens]), skip), layers=[1, 4, 6],
             params=params)
        vector, weights = attend("tok_mha", z.mean(axis=0), learned)
        case(text, skip, {**spec, "mix": "mean", "order": "layers_first"}, vector, padded(weights, skip),
             layers=[1, 4, 6], params=params)


def sample(image, y, x):
    """Bilinear, zero outside."""
    out, top, left = np.zeros(image.shape[-1]), int(np.floor(y)), int(np.floor(x))
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < image.shape[0] and 0 <= c < image.shape[1]:
                out += (1 - abs(y - r)) * (1 - abs(x - c)) * image[r, c]
    return out


def spatial(text, skip):
    """Dynamic Head on a class token and a grid of patches: level gate, deformable convolution, task gate."""
    (rows, columns), count = GRIDS[text], LAYERS
    z = np.stack([f64(f"{text}.layer.{n}") for n in range(1, LAYERS + 1)])
    gates = np.clip((np.maximum(z[:, skip:].mean(axis=1) @ f64("gate.w") + f64("gate.b")[0], 0) + 3) / 6, 0, 1)
    z[:, :skip] = 0
    counted = np.arange(1, rows * columns + 1) >= skip
    for kind, own in [("gate_task", False), ("task", True)]:
        g = gates if kind == "gate_task" else np.ones(count)
        images = (g[:, None, None] * z)[:, 1:].reshape(count, rows, columns, WIDTH)
        guide, out = np.pad(images[count // 2], ((1, 1), (1, 1), (0, 0))), []
        for r in range(rows):
            for c in range(columns):
                said = np.einsum("ocij,ijc->o", f64("offset.weight"), guide[r:r + 3, c:c + 3]) + f64("offset.bias")
                patch = np.zeros(WIDTH)
                for k in range(9):
                    at = r + k // 3 - 1 + said[2 * k], c + k % 3 - 1 + said[2 * k + 1]
                    for layer in range(count):
                        w = f64("conv.own")[layer] if own else f64("conv.weight")
                        patch += sigmoid(said[18 + k]) / count * w[:, :, k // 3, k % 3] @ sample(images[layer], *at)
                out.append(patch)
        f = np.array(out)[counted]
        hidden = np.maximum(f64("fc.0.weight") @ f.mean(axis=0) + f64("fc.0.bias"), 0)
        theta = np.clip((f64("fc.2.weight") @ hidden + f64("fc.2.bias") + 3) / 6, 0, 1)
        a1, b1, a2, b2 = theta.reshape(4, WIDTH) - 0.5
        vector = np.maximum((2 * a1 + 1) * f + b1, 2 * a2 * f + b2).mean(axis=0)
        params = {name: name for name in TASK} | {name: name for name in SPATIAL if name.startswith("offset")}
        params |= {"conv.weight": "conv.own" if own else "conv.weight"}
        params |= {"w": "gate.w", "b": "gate.b"} if kind == "gate_task" else {}
        case(text, skip, {"name": "levels", "kind": kind, "spatial": True}, vector, layers=range(1, 7), params=params,
             grid=[1, rows, columns])


def second_order(text, skip):
    x = f64(f"{text}.layer.6")[skip:]
    signs = []
    for channel in range(WIDTH):
        state, word = (channel + 1) * 0x9E3779B97F4A7C15 % 2 ** 64, 2 ** 64
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % word
        state = (state ^ state >> 27) * 0x94D049BB133111EB % word
        signs.append(-1.0 if (state ^ state >> 31) >> 63 else 1.0)
    for r, root in [(5, False), (12, True)]:
        cosine = np.cos(np.pi * np.outer(np.arange(WIDTH) + 0.5, np.arange(r)) / WIDTH) * np.sqrt(2 / WIDTH)
        cosine[:, 0] /= np.sqrt(2)
        y = x @ (np.array(signs)[:, None] * cosine)
        g = (y.T @ y / len(y))[np.triu_indices(r)]
        g = np.sign(g) * np.sqrt(np.abs(g)) if root else g
        case(text, skip, {"name": "gram", "r": r, "signed_sqrt": root}, g / np.linalg.norm(g))
    g = np.concatenate([(s.T @ s / len(s))[np.triu_indices(3)] for s in np.split(x, HEADS, axis=1)])
    case(text, skip, {"name": "gram", "slices": True}, g / np.linalg.norm(g))


def sources(text, skip):
    x = f64(f"{text}.layer.6")
    middle, end = 5 * len(x) // 2, 5 * len(x)
    offsets = f64(f"{text}.offsets")
    groups = [[t for t in range(skip, len(x)) if offsets[t, 1] > offsets[t, 0]
               and ((offsets[t, 0] < middle) == first)] for first in (True, False)]
    groups = [group for group in groups if group]
    query = x[skip:].mean(axis=0)

    def additive(rows, end=""):
        return np.tanh(query @ f64("source.W" + end) + rows @ f64("source.U" + end)) @ f64("source.v" + end)

    for sentinel, learned in [(None, False), (0.5, False), (None, True)]:
        energy = additive(x) if learned else x @ query / np.sqrt(WIDTH)
        params = {n: f"source.{n}" for n in SOURCES} if learned else {}
        extra = [] if sentinel is None else [sentinel]
        spec = {"name": "multi_source", "ranges": [[0, middle], [middle, end]]}
        spec = spec if sentinel is None else {**spec, "sentinel": sentinel}
        places = sum(groups, [])
        flat = np.zeros(len(x))
        flat[places] = softmax(np.append(energy[places], extra))[:len(places)]
        case(text, skip, spec, flat @ x, flat, offsets=f"{text}.offsets", params=params)
        inner = [softmax(energy[group]) for group in groups]
        centres = [a @ x[group] for a, group in zip(inner, groups)]
        between = additive(np.array(centres), "_b") if learned else np.array(centres) @ query / np.sqrt(WIDTH)
        outer = softmax(np.append(between, extra))
        deep = np.zeros(len(x))
        for a, group, b in zip(inner, groups, outer):
            deep[group] = a * b
        case(text, skip, {**spec, "kind": "hierarchical"}, deep @ x, deep, offsets=f"{text}.offsets",
             params=params)
    own_sources(text, skip, x, groups, query, [[0, middle], [middle, end]])


def own_sources(text, skip, x, groups, query, ranges):
    """Each source with parameters of its own; the first of two may have no tokens."""
    p = {name: f64(f"own.{name}") for name in OWN_SOURCES}
    offsets = f64(f"{text}.offsets")
    numbers = [0 if offsets[group[0], 0] < ranges[0][1] else 1 for group in groups]

    def additive(rows, k, end=""):
        return np.tanh(query @ p["W" + end][k] + rows @ p["U" + end][k]) @ p["v" + end][k]

    products = lambda rows, k, end="": rows @ query / np.sqrt(WIDTH)
    for energy, names in [(additive, list(OWN_SOURCES)), (products, ["U_c"])]:
        params = {n: f"own.{n}" for n in names}
        energies = [energy(x[group], k) for k, group in zip(numbers, groups)]
        inner = [softmax(e) for e in energies]
        centres = [a @ x[group] for a, group in zip(inner, groups)]
        between = softmax(np.array([energy(c, k, "_b") for c, k in zip(centres, numbers)]))
        joint = softmax(np.concatenate(energies))
        parts = np.split(joint, np.cumsum([len(group) for group in groups])[:-1])
        for kind, shares in [("flat", parts), ("hierarchical", [a * b for a, b in zip(inner, between)]),
                             ("concat", inner)]:
            weights, vectors = np.zeros(len(x)), np.zeros((2, 7))
            for k, group, share in zip(numbers, groups, shares):
                weights[group] = share / 2 if kind == "concat" else share
                vectors[k] = share @ x[group] @ p["U_c"][k]
            vector = vectors.ravel() if kind == "concat" else vectors.sum(axis=0)
            case(text, skip, {"name": "multi_source", "ranges": ranges, "kind": kind}, vector, weights,
                 offsets=f"{text}.offsets", params=params)


def layer_norm(x, weight=1, bias=0):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias


def latents(text, skip):
    names = ["R", "W_q", "W_kv", "W_o", "W_1", "W_2", "ln_states.weight", "ln_feed.bias"]
    r, w_q, w_kv, w_o, w_1, w_2, ln_weight, ln_bias = (f64(f"latent.{name}") for name in names)
    z = np.stack([f64(f"{text}.layer.{n}")[skip:] for n in range(LAYERS + 1)])
    for name, u in [("latent_layers", z[1:].mean(axis=1) + f64("latent.E")), ("latent_tokens", z[-1])]:
        for heads in [1, 2]:
            q = np.split(layer_norm(r) @ w_q, heads, axis=1)
            k, v = np.split(layer_norm(u, ln_weight) @ w_kv, 2, axis=1)
            attended, weights = [], 0
            for qh, kh, vh in zip(q, np.split(k, heads, axis=1), np.split(v, heads, axis=1)):
                a = softmax(qh @ kh.T / np.sqrt(qh.shape[1]))
                attended.append(a @ vh)
                weights = weights + a.mean(axis=0) / heads
            x = np.concatenate(attended, axis=1) @ w_o + r
            left, gate = np.split(layer_norm(x, bias=ln_bias) @ w_1, 2, axis=1)
            gelu = gate * (1 + np.vectorize(math.erf)(gate / np.sqrt(2))) / 2
            mean = (x + left * gelu @ w_2).mean(axis=0)
            layers = range(1, 7) if name == "latent_layers" else [6]
            case(text, skip, {"name": name, "heads": heads}, mean / np.linalg.norm(mean),
                 padded(weights, skip) if name == "latent_tokens" else None, layers=layers,
                 params={n: f"latent.{n}" for n in names + (["E"] if name == "latent_layers" else [])})


def gram_class(text, skip):
    p = {name: f64(f"gram.{name}") for name in GRAM}
    x = f64(f"{text}.layer.6")[skip:]
    y = x @ p["W_r"] + p["b_r"]
    g = (y.T @ y / len(y))[np.triu_indices(y.shape[1])]
    first = g / np.linalg.norm(g) @ p["W_g"]
    u = layer_norm(np.vstack([first, x]), p["ln_1.weight"])
    q, k, v = np.split(u[0] @ p["W_q"], 2), np.split(u @ p["W_k"], 2, axis=1), np.split(u @ p["W_v"], 2, axis=1)
    a = [softmax(kh @ qh / np.sqrt(len(qh))) for qh, kh in zip(q, k)]
    c = first + p["gamma_1"] * (np.concatenate([ah @ vh for ah, vh in zip(a, v)]) @ p["W_o"])
    h = layer_norm(c) @ p["W_1"] + p["b_1"]
    c = c + p["gamma_2"] * ((h * (1 + np.vectorize(math.erf)(h / np.sqrt(2))) / 2) @ p["W_2"])
    spec = {"name": "gram_cls", "heads": 2}
    case(text, skip, spec, c, padded((a[0] + a[1])[1:] / 2, skip), params={n: f"gram.{n}" for n in GRAM})
    # With both gammas 0 the class vector stays as it began.
    still = {n: "gram.zero" if n.startswith("gamma") else f"gram.{n}" for n in GRAM}
    case(text, skip, spec, first, padded((a[0] + a[1])[1:] / 2, skip), params=still)


def iem():
    """Scores of pairs by the interaction module of D2LLM."""
    d, h, n = 5, 7, 6
    pairs = put("iem.pairs", 2, n, d)
    w_1, b_1, w_2, b_2 = put("iem.W_1", 2 * d, h), put("iem.b_1", h), put("iem.W_2", h, 1), put("iem.b_2", 1)
    u = np.maximum(np.concatenate(list(pairs), axis=1) @ w_1 + b_1, 0)
    scores = []
    for branch in ["sym", "asym"]:
        p, c = put(f"iem.P_{branch}", h, h), put(f"iem.c_{branch}", h)
        scores.append(np.maximum(u @ p + c, 0) @ w_2 + b_2)
    tensors["iem.scores"] = np.concatenate(scores, axis=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    put("w_tok", 3, WIDTH, scale=0.3)
    put("w_lay", WIDTH, scale=0.3)
    put("in_proj_weight", 3 * WIDTH, WIDTH, scale=0.3)
    put("in_proj_bias", 3 * WIDTH)
    put("out_proj.weight", WIDTH, WIDTH, scale=0.3)
    put("out_proj.bias", WIDTH)
    put("gate.w", WIDTH)
    put("gate.b", 1)
    put("scales.W", 3, WIDTH)
    put("scales.w", 3, WIDTH)
    put("scales.full", 3, WIDTH, WIDTH, scale=0.3)
    put("scales.b", 3, WIDTH)
    put("scales.k", 3)
    for name, shape in SPATIAL.items():
        put(name, *shape, scale=0.05 if name.startswith("offset.w") else 0.5)
    for at in ["tok_mha", "lay_mha"]:
        for part, shape in DOWN.items():
            put(f"{at}.{part}", *shape, scale=0.5)
    for name, shape in TASK.items():
        put(name, *shape, scale=2.0 if name.startswith("fc.2") else 0.5)
    for name, shape in [("R", (3, WIDTH)), ("E", (LAYERS, WIDTH)), ("W_q", (WIDTH, 8)), ("W_kv", (WIDTH, 16)),
                        ("W_o", (8, WIDTH)), ("W_1", (WIDTH, 8 * WIDTH)), ("W_2", (4 * WIDTH, WIDTH))]:
        put(f"latent.{name}", *shape, scale=1 if name in "RE" else shape[0] ** -0.5)
    for name, shape in SOURCES.items():
        put(f"source.{name}", *shape)
    for name, shape in OWN_SOURCES.items():
        put(f"own.{name}", *shape)
    for name, shape in GRAM.items():
        put(f"gram.{name}", *shape, scale=0.5)
    tensors["gram.zero"] = np.zeros(WIDTH, np.float32)
    put("latent.ln_states.weight", WIDTH)
    put("latent.ln_feed.bias", WIDTH)
    for text, tokens in TOKENS.items():
        for layer in range(LAYERS + 1):
            put(f"{text}.layer.{layer}", tokens, WIDTH)
        for name in ["map", "rollout"]:
            scores = random.normal(0, 1, (tokens, tokens))
            scores[:, -1] += 5  # A sink.
            tensors[f"{text}.{name}"] = softmax(scores).astype(np.float32)
        for skip in [0, 2]:
            for make in [parts, clusters, maps, several_layers, one_layer, downcast, spatial, second_order, sources, latents, gram_class]:
                if skip < tokens - 1 or make is not sources:
                    make(text, skip)
    iem()
    metadata = {
        "format": FORMAT, "regenerate": REGENERATE, "seed": str(SEED),
        "cases": json.dumps(cases, separators=(",", ":"), default=list),
        "python": platform.python_version(), "numpy": np.__version__, "safetensors": safetensors.__version__,
    }
    for entry in cases:
        entry["layers"] = list(entry["layers"])
    save(out / "pooler_sets.safetensors", tensors, metadata)
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
