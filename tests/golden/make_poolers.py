"""Makes poolers.safetensors: random hidden states, and what numpy makes of them by the equations of the papers.

    python tests/golden/make_poolers.py --out tests/golden

Nothing here is shared with crates/heatseek-pool. All arithmetic is in f64 on states rounded to f32.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import safetensors

from golden_file import save

FORMAT = "heatseek-golden-poolers-1"
REGENERATE = "python tests/golden/make_poolers.py --out tests/golden"
SEED = 20250401
WIDTH = 12
# Hidden states by name, with their number of tokens. `offset` has a mean far from zero, as trained models do.
LENGTHS = {"one": 1, "two": 2, "seven": 7, "offset": 10, "long": 33, "picture": 7}
# Of `picture`: a class token, then 2 rows of 3 patches.
GRID = [1, 2, 3]


class Cases:
    """Collects tensors and the cases that use them."""

    def __init__(self, random):
        self.random, self.tensors, self.cases = random, {}, []
        for name, tokens in LENGTHS.items():
            values = random.normal(0.8 if name == "offset" else 0, 1, (tokens, WIDTH))
            self.tensors[f"states.{name}"] = values.astype(np.float32)

    def states(self, name):
        return self.tensors[f"states.{name}"].astype(np.float64)

    def learned(self, name, *shape, scale=None):
        """A tensor of the pooling weights, which `add` finds by this name."""
        scale = shape[-1] ** -0.5 if scale is None else scale
        if name not in self.tensors:
            self.tensors[name] = self.random.normal(0, scale, shape).astype(np.float32)
        assert self.tensors[name].shape == shape, name
        return self.tensors[name].astype(np.float64)

    def add(self, spec, compute, params=None, states=LENGTHS, skips=(0, 1), options=None):
        """Every pairing of `states` and `skips`: `compute(x, skip)` gives vectors [M, D'] and weights [M, T] or None."""
        spec = {"name": spec} if isinstance(spec, str) else spec
        for on in states:
            for skip in skips:
                x = self.states(on)
                if skip >= len(x):
                    continue
                vectors, weights = compute(x, skip)
                number = len(self.cases)
                case = {"name": f"{number} {on}", "spec": spec, "skip": skip, "layers": [f"states.{on}"],
                        "params": params or {}, "vectors": f"vectors.{number}", "weights": None, **(options or {})}
                if on == "picture":
                    case["grid"] = GRID
                self.tensors[case["vectors"]] = np.atleast_2d(vectors)
                if weights is not None:
                    case["weights"] = f"weights.{number}"
                    self.tensors[case["weights"]] = np.atleast_2d(weights)
                self.cases.append(case)


def over(x, weights, skip):
    """The sum of rows so weighted, and the weights with the skipped tokens in front."""
    whole = np.concatenate([np.zeros(skip), weights])
    return whole @ x, whole


def basic(cases):
    def mean(x, skip):
        n = len(x) - skip
        return over(x, np.full(n, 1 / n), skip)

    def root(x, skip):
        n = len(x) - skip
        return over(x, np.full(n, n ** -0.5), skip)

    def positions(x, skip):
        w = np.arange(1, len(x) + 1)[skip:]
        return over(x, w / w.sum(), skip)

    cases.add("mean", mean)
    cases.add("mean_sqrt_len_tokens", root)
    cases.add("weightedmean", positions)
    cases.add("max", lambda x, skip: (x[skip:].max(axis=0), None))
    cases.add("first_token", lambda x, skip: (x[0], np.eye(len(x))[0]))
    cases.add("eos", lambda x, skip: (x[-1], np.eye(len(x))[-1]))


def softmax(s, axis=0):
    e = np.exp(s - s.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(x, w, b, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * w + b


def heads_attention(q, k, v, heads, scale):
    """q [K], k [n, K], v [n, V]: the heads side by side, and the mean of their weights."""
    outs, all_weights = [], []
    for qh, kh, vh in zip(np.split(q, heads), np.split(k, heads, 1), np.split(v, heads, 1)):
        a = softmax(kh @ qh * scale)
        outs.append(a @ vh)
        all_weights.append(a)
    return np.concatenate(outs), np.mean(all_weights, axis=0)


def front(weights, skip):
    return np.concatenate([np.zeros(skip), weights])


def power_means(cases):
    moments = {"mean": lambda y: y.mean(0), "std": lambda y: y.std(0), "min": lambda y: y.min(0), "max": lambda y: y.max(0)}
    for names in (["mean", "std"], ["max", "std", "min"]):
        cases.add({"name": "stats", "set": names},
                  lambda x, skip: (np.concatenate([moments[n](x[skip:]) for n in names]), None))

    def gem(p, positive):
        p = np.repeat(np.asarray(p, float), WIDTH // len(p))

        def compute(x, skip):
            y = x[skip:]
            low = y.min(0) - 1e-6 if positive == "shift" else 0
            y = np.maximum(y, 1e-6) if positive == "clamp" else y - low
            powers = np.sign(y) * np.abs(y) ** p
            m = powers.mean(0)
            share = np.abs(powers) / np.abs(powers).sum(0)
            return np.sign(m) * np.abs(m) ** (1 / p) + low, front(share.mean(1), skip)
        return compute

    for positive in ("clamp", "shift", "signed"):
        for p in ([1.0], [3.0], [2.0, 5.0, 1.5]):
            cases.add({"name": "gem", "p": p if len(p) > 1 else p[0], "positive": positive}, gem(p, positive))
    drop = gem([3.0], "signed")
    cases.add({"name": "gem", "positive": "signed", "class": "drop"}, lambda x, skip: drop(x, max(skip, 1)),
              states=["two", "seven", "long"])
    learned = np.abs(cases.learned("gem.p", 4, scale=1.0)) + 0.5
    cases.tensors["gem.p"] = learned.astype(np.float32)
    cases.add("ggem", gem(cases.tensors["gem.p"].astype(float), "clamp"), {"p": "gem.p"})


def windows(x, skip, size, picture):
    """Lists of places in x."""
    if not picture:
        places = list(range(skip, len(x)))
        return [places[i:i + size] for i in range(0, len(places), size)]
    prefix, rows, columns = GRID
    found = []
    for top in range(0, rows, size):
        for left in range(0, columns, size):
            at = [prefix + r * columns + c for r in range(top, min(rows, top + size))
                  for c in range(left, min(columns, left + size))]
            found.append([t for t in at if t >= skip])
    return [w for w in found if w]


def mixtures(cases):
    def mix(a, size=None, picture=False):
        def compute(x, skip):
            share = np.broadcast_to(a(x[skip:].mean(0)) if callable(a) else a, WIDTH)
            regions = windows(x, skip, size, picture) if size else [list(range(skip, len(x)))]
            n = sum(map(len, regions))
            weights = np.zeros_like(x)
            for region in regions:
                weights[region] += (1 - share) / n
                top = np.asarray(region)[x[region].argmax(0)]
                weights[top, np.arange(WIDTH)] += share * len(region) / n
            return (weights * x).sum(0), weights.mean(1)
        return compute

    for a in (0, 0.3, 1):
        cases.add({"name": "mixed", "a": a}, mix(a))
    texts = [name for name in LENGTHS if name != "picture"]
    cases.add({"name": "mixed", "window": 3}, mix(0.5, 3), states=texts)
    cases.add({"name": "mixed", "window": 2}, mix(0.5, 2, True), states=["picture"])
    cases.tensors["mixed.share"] = np.array([0.1, 0.9, 0.4], np.float32)
    cases.add("mixed", mix(np.repeat(cases.tensors["mixed.share"].astype(float), 4)), {"share": "mixed.share"})
    one, each = cases.learned("gated.one", 1, WIDTH), cases.learned("gated.each", WIDTH, WIDTH)
    cases.add("gated_mix", mix(lambda m: sigmoid(one @ m)), {"gate.weight": "gated.one"})
    cases.add("gated_mix", mix(lambda m: sigmoid(each @ m)), {"gate.weight": "gated.each"})

    def gated(w, bias, side, picture):
        def compute(x, skip):
            regions = windows(x, skip, side, picture)
            n, z, weights = sum(map(len, regions)), np.zeros(WIDTH), np.zeros_like(x)
            for region in regions:
                y = x[region]
                full = np.vstack([y, np.repeat(y.mean(0, keepdims=True), 4 - len(y), 0)])
                a = sigmoid((w * full.T).sum(1) + bias)
                z += (a * y.max(0) + (1 - a) * y.mean(0)) * len(region) / n
                weights[region] += (1 - a) / n
                weights[np.asarray(region)[y.argmax(0)], np.arange(WIDTH)] += a * len(region) / n
            return z, weights.mean(1)
        return compute

    for name, outputs in (("gated.window", 1), ("gated.windows", WIDTH)):
        w, b = cases.learned(name, outputs, 4, scale=1.0), cases.learned(f"{name}.bias", outputs)
        params = {"gate.weight": name, "gate.bias": f"{name}.bias"}
        spec = {"name": "gated_mix", "gate": "window"}
        cases.add(spec, gated(w, b, 4, False), params, states=texts)
        cases.add(spec, gated(w, b, 2, True), params, states=["picture"])

    v, w = cases.learned("tree.leaves", 4, 4), cases.learned("tree.nodes", 3, 4)

    def tree(picture):
        def compute(x, skip):
            regions = windows(x, skip, 2 if picture else 4, picture)
            n = sum(map(len, regions))
            z = np.zeros(WIDTH)
            for region in regions:
                y = x[region]
                y = np.vstack([y, np.repeat(y.mean(0, keepdims=True), 4 - len(y), 0)])
                leaf, gate = v @ y, sigmoid(w @ y)
                left = gate[1] * leaf[0] + (1 - gate[1]) * leaf[1]
                right = gate[2] * leaf[2] + (1 - gate[2]) * leaf[3]
                z += (gate[0] * left + (1 - gate[0]) * right) * len(region) / n
            return z, None
        return compute
    for picture, states in ((False, texts), (True, ["picture"])):
        cases.add("tree", tree(picture), {"leaves": "tree.leaves", "nodes": "tree.nodes"}, states=states)


def hidden_softmax(e, hide):
    e = e.copy()
    for row in e:
        row[np.argsort(-row, kind="stable")[:min(hide, len(row) - 1)]] = -np.inf
    return softmax(e, axis=1)


def scores(cases):
    h, branches = 5, 3
    w_hidden, b_hidden = cases.learned("score.hidden", h, WIDTH), cases.learned("score.hidden.bias", h)
    w_own = cases.learned("score.own", branches * h, WIDTH)
    w_gate, b_gate = cases.learned("score.gate", h, WIDTH), cases.learned("score.gate.bias", h)
    line, one = cases.learned("score.line", 1, WIDTH, scale=1.0), cases.learned("score.one", 1, h, scale=1.0)
    many = cases.learned("score.many", branches, h, scale=2.0)
    value, output = cases.learned("score.value", 9, WIDTH), cases.learned("score.output", 7, 9)

    def pool(score, hide=0, concat=False, v=None, o=None, norm=None, each=False):
        def compute(x, skip):
            y = x[skip:]
            a = hidden_softmax(score(y), hide)
            values = y if v is None else y @ v.T
            if norm is not None or each:
                z = (a if each else a.mean(0, keepdims=True)) @ values
                z = z if o is None else z @ o.T
                z = z if norm is None else layer_norm(z, *norm, 1e-6)
                front_each = np.hstack([np.zeros((len(a), skip)), a])
                return z, front_each if each else front(a.mean(0), skip)
            parts = np.split(values, len(a), 1) if concat else [values] * len(a)
            z = np.concatenate([ai @ p for ai, p in zip(a, parts)]) if concat else a.mean(0) @ values
            return z if o is None else o @ z, front(a.mean(0), skip)
        return compute

    tanh = lambda y: np.tanh(y @ w_hidden.T + b_hidden)
    hidden = {"hidden.weight": "score.hidden", "hidden.bias": "score.hidden.bias"}
    gate = {"gate.weight": "score.gate", "gate.bias": "score.gate.bias"}
    gated = lambda y: many @ (tanh(y) * sigmoid(y @ w_gate.T + b_gate)).T
    cases.add({"name": "score_pool", "kind": "linear"}, pool(lambda y: line @ y.T), {"score.weight": "score.line"})
    cases.add("score_pool", pool(lambda y: one @ tanh(y).T), {"score.weight": "score.one", **hidden})
    for hide in (0, 2):
        cases.add({"name": "score_pool", "kind": "gated", "hide_top": hide}, pool(gated, hide),
                  {"score.weight": "score.many", **hidden, **gate})
    own = lambda y: np.stack([many[b] @ np.tanh(y @ w_own[b * h:(b + 1) * h].T).T for b in range(branches)])
    cases.add({"name": "score_pool", "combine": "concat"}, pool(own, 0, True, value, output),
              {"score.weight": "score.many", "hidden.weight": "score.own", "value.weight": "score.value",
               "output.weight": "score.output"})

    norm = cases.learned("score.norm", 7, scale=1.0), cases.learned("score.norm.bias", 7)
    projected = {"value.weight": "score.value", "output.weight": "score.output"}
    normed = {"norm.weight": "score.norm", "norm.bias": "score.norm.bias"}
    cases.add("score_pool", pool(lambda y: one @ tanh(y).T, 0, False, value, output, norm),
              {"score.weight": "score.one", **hidden, **projected, **normed})
    cases.add({"name": "branches", "kind": "gated", "combine": "each", "hide_top": 1},
              pool(gated, 1, False, value, output, norm, True),
              {"score.weight": "score.many", **hidden, **gate, **projected, **normed})
    branch_attention(cases)

    def statistics(score, segment, combine, alpha=1, beta=1):
        def compute(x, skip):
            y = x[skip:]
            parts = [y[i:i + segment] for i in range(0, len(y), segment)]
            u = np.stack([p.mean(0) for p in parts])
            a = softmax(score(u)[0])
            mean = a @ u
            attended = beta * np.concatenate([mean, np.sqrt(np.maximum(a @ u ** 2 - mean ** 2, 0))])
            whole = alpha * np.concatenate([y.mean(0), y.std(0)])
            z = {"concat": np.concatenate([whole, attended]), "sum": whole + attended, "attentive": attended}[combine]
            return z, front(np.concatenate([np.full(len(p), w / len(p)) for p, w in zip(parts, a)]), skip)
        return compute

    nothing = lambda u: np.zeros((1, len(u)))
    learned = lambda u: one @ tanh(u).T
    cases.tensors["stats.alpha"], cases.tensors["stats.beta"] = np.float32([0.5]), np.float32([2])
    factors = {"alpha": "stats.alpha", "beta": "stats.beta"}
    # Of one segment the deviation is 0, which E[x^2] - E[x]^2 only gives up to its rounding.
    long = ["seven", "offset", "long", "picture"]
    for segment, combine in ((1, "concat"), (3, "sum"), (2, "attentive")):
        spec = {"name": "attn_stats", "segment": segment, "combine": combine}
        cases.add(spec, statistics(nothing, segment, combine), states=long)
        cases.add(spec, statistics(learned, segment, combine, 0.5, 2),
                  {"score.weight": "score.one", **hidden, **factors}, states=long)

    def gauss(delta, c):
        delta, c = (np.repeat(np.atleast_2d(np.asarray(t, float)), WIDTH // len(np.atleast_2d(t)), 0) for t in (delta, c))

        def compute(x, skip):
            y = x[skip:]
            variance = ((y - y.mean(0)) ** 2).sum(0) / max(len(y) - 1, 1)
            w = np.ones_like(y)
            for d, width in zip(delta.T, c.T):
                u = (y - (y.mean(0) + d)) / np.sqrt(variance + 1e-8)
                w = w * np.exp(-u ** 2 / (2 * width ** 2)) / np.sqrt(2 * np.pi * width ** 2)
            w = w / w.sum(0)
            return (w * y).sum(0), front(w.mean(1), skip)
        return compute

    cases.add("gauss", gauss(0, 1))
    cases.tensors["gauss.delta"] = np.float32([[0.3, -0.2], [0, 0.5], [1, 0]])
    cases.tensors["gauss.c"] = np.float32([[1, 2], [3, 0.8], [1.5, 2]])
    # Of one token e^-u^2 is 0 / 0 where delta is not 0.
    cases.add("gaam", gauss(cases.tensors["gauss.delta"], cases.tensors["gauss.c"]),
              {"delta": "gauss.delta", "c": "gauss.c"}, states=long)


def branch_attention(cases):
    """Two branches of three heads: their maps averaged on values of all, or each on its own values."""
    heads, inner, wide = 3, 6, 9
    parts = {"q_proj": (inner, WIDTH), "k_proj": (inner, WIDTH), "v_proj": (wide, WIDTH), "out_proj": (WIDTH, wide)}
    files, p = {"q": "mha.q"}, {"q": cases.learned("mha.q", 2, WIDTH, scale=1.0)}
    for owner in ("sub_attention.0", "sub_attention.1", "bag_attention"):
        for part, shape in {**parts, "layer_norm": (WIDTH,)}.items():
            if owner == "bag_attention" and part[0] in "qk":
                continue
            for kind, size in (("weight", shape), ("bias", shape[:1])):
                name = f"{owner}.{part}.{kind}"
                p[name], files[name] = cases.learned(f"mha.{name}", *size, scale=0.6), f"mha.{name}"

    def linear(owner, part, x):
        return x @ p[f"{owner}.{part}.weight"].T + p[f"{owner}.{part}.bias"]

    def head(x, h):
        return x[..., h * x.shape[-1] // heads:(h + 1) * x.shape[-1] // heads]

    def pool(owner, a, y):
        v = linear(owner, "v_proj", y)
        o = linear(owner, "out_proj", np.concatenate([a[h] @ head(v, h) for h in range(heads)]))
        return layer_norm(o, p[f"{owner}.layer_norm.weight"], p[f"{owner}.layer_norm.bias"], 1e-6)

    def compute(each, hide):
        def of(x, skip):
            y, maps = x[skip:], []
            for b in range(2):
                q, k = linear(f"sub_attention.{b}", "q_proj", p["q"][b]), linear(f"sub_attention.{b}", "k_proj", y)
                e = np.stack([head(k, h) @ head(q, h) / np.sqrt(inner // heads) for h in range(heads)])
                maps.append(hidden_softmax(e, hide))
            if each:
                return (np.stack([pool(f"sub_attention.{b}", a, y) for b, a in enumerate(maps)]),
                        np.stack([front(a.mean(0), skip) for a in maps]))
            mean = (maps[0] + maps[1]) / 2
            return pool("bag_attention", mean, y), front(mean.mean(0), skip)
        return of

    for each in (False, True):
        for hide in (0, 2):
            spec = {"name": "score_pool", "kind": "mha", "heads": heads, "combine": "each" if each else "mean"}
            cases.add({**spec, "hide_top": hide}, compute(each, hide), files)


def attentions(cases):
    d = WIDTH
    w = {n: cases.learned(f"attn.{n}", d, d, scale=0.6) for n in ("query", "key", "value", "output")}
    b = {n: cases.learned(f"attn.{n}.bias", d, scale=0.3) for n in w}
    files = {f"{n}.weight": f"attn.{n}" for n in w} | {f"{n}.bias": f"attn.{n}.bias" for n in w}
    bare = {f"{n}.weight": f"attn.{n}" for n in w}

    def qkv(query, heads, scale, learned, bias, residual):
        def compute(x, skip):
            y = x[skip:]
            q = query(x, y)
            p = (lambda n, t: t @ w[n].T + (b[n] if bias else 0)) if learned else (lambda n, t: t)
            z, a = heads_attention(p("query", q), p("key", y), p("value", y), heads, scale)
            z = p("output", z)
            return z + q if residual else z, front(a, skip)
        return compute

    queries = {"mean": (lambda x, y: y.mean(0), False), "cls": (lambda x, y: x[0], True),
               "last": (lambda x, y: x[-1], True)}
    for heads in (1, 3):
        for rule, width in (("sqrt_head", d / heads), ("sqrt_width", d)):
            for learned, bias in ((False, False), (True, False), (True, True)):
                params = files if bias else bare if learned else {}
                for name, (query, single) in queries.items():
                    spec = {"name": "qkv_pool", "query": name, "heads": heads, "scale": rule}
                    cases.add(spec, qkv(query, heads, width ** -0.5, learned, bias, single), params,
                              states=["one", "seven", "offset"])
    some = ["seven", "long"]
    cases.add({"name": "adapool", "query": 3}, qkv(lambda x, y: x[3], 1, d ** -0.5, False, False, True), states=some)
    cases.add({"name": "adapool", "query": [2, 5]},
              qkv(lambda x, y: x[[2, 5]].mean(0), 1, d ** -0.5, False, False, False), states=some)

    w_in, b_in = np.vstack([w[n] for n in ("query", "key", "value")]), np.concatenate([b[n] for n in ("query", "key", "value")])
    cases.tensors["mha.in"], cases.tensors["mha.in.bias"] = w_in.astype(np.float32), b_in.astype(np.float32)
    mha = {"in_proj_weight": "mha.in", "in_proj_bias": "mha.in.bias", "out_proj.weight": "attn.output",
           "out_proj.bias": "attn.output.bias"}
    cases.add("cls_mha", qkv(queries["cls"][0], 4, (d / 4) ** -0.5, False, False, False))
    cases.add({"name": "cls_mha", "heads": 2}, qkv(queries["cls"][0], 2, (d / 2) ** -0.5, True, True, False), mha)
    u = cases.learned("group.u", 3, 4, scale=1.0)
    cases.add("group_query", qkv(queries["mean"][0], 4, (d / 4) ** -0.5, False, False, False))
    cases.add({"name": "group_query", "groups": 3}, qkv(lambda x, y: u.ravel(), 3, 0.5, False, False, False),
              {"query": "group.u"})

    seeds = cases.learned("pma.seeds", 2, d, scale=1.0)
    norms = {f"norm{i}.{t}": cases.learned(f"pma.norm{i}.{t}", d, scale=1.0) for i in (0, 1) for t in ("weight", "bias")}

    def pma(kind, normed):
        def compute(x, skip):
            y, vectors, weights = x[skip:], [], []
            for s in seeds:
                q, k, v = s @ w["query"].T + b["query"], y @ w["key"].T + b["key"], y @ w["value"].T + b["value"]
                z, a = heads_attention(q, k, v, 4, d ** -0.5)
                z = z + (q if kind == "set" else s)
                if normed:
                    z = layer_norm(z, norms["norm0.weight"], norms["norm0.bias"], 1e-5)
                z = z + np.maximum(w["output"] @ z + b["output"], 0)
                if normed:
                    z = layer_norm(z, norms["norm1.weight"], norms["norm1.bias"], 1e-5)
                vectors.append(z)
                weights.append(front(a, skip))
            return np.stack(vectors), np.stack(weights)
        return compute

    sab = {f"sab.{n}.{t}": f"sab.{n}.{t}" for n in w for t in ("weight", "bias")}
    p = {name: cases.learned(name, *(d, d)[:2 if name.endswith("weight") else 1], scale=0.5) for name in sab}

    def decoded(kind):
        before = pma(kind, True)

        def compute(x, skip):
            rows, weights = before(x, skip)
            q, k, v = (rows @ p[f"sab.{n}.weight"].T + p[f"sab.{n}.bias"] for n in ("query", "key", "value"))
            z = np.stack([one + heads_attention(one, k, v, 4, d ** -0.5)[0] for one in q])
            z = layer_norm(z, norms["norm1.weight"], norms["norm1.bias"], 1e-5)
            return z + np.maximum(z @ p["sab.output.weight"].T + p["sab.output.bias"], 0), weights
        return compute

    after = {"sab.norm0.weight": "pma.norm1.weight", "sab.norm0.bias": "pma.norm1.bias"}
    for kind in ("set", "d2llm"):
        cases.add({"name": "pma", "kind": kind}, decoded(kind),
                  {"seeds": "pma.seeds", **files, **{n: f"pma.{n}" for n in norms}, **sab, **after})
        cases.add({"name": "pma", "kind": kind}, pma(kind, False), {"seeds": "pma.seeds", **files})
        cases.add({"name": "pma", "kind": kind}, pma(kind, True),
                  {"seeds": "pma.seeds", **files, **{n: f"pma.{n}" for n in norms}})

    def simpool(gamma, heads, learned):
        def compute(x, skip):
            start = max(skip, 1)
            y = x[start:]
            n = layer_norm(y, norms["norm0.weight"], norms["norm0.bias"], 1e-6) if learned else layer_norm(y, 1, 0, 1e-6)
            q, k = (w["query"] @ y.mean(0), n @ w["key"].T) if learned else (y.mean(0), n)
            low = n.min()
            v = n if gamma is None else (n - low + 1e-6) ** gamma
            z, a = heads_attention(q, k, v, heads, (d / heads) ** -0.5)
            if gamma is not None:
                z = z ** (1 / gamma) + (0.25 if learned else 0)
            return z, front(a, start)
        return compute

    cases.tensors["simpool.beta"] = np.float32([0.25])
    weights = {"query.weight": "attn.query", "key.weight": "attn.key", "norm.weight": "pma.norm0.weight",
               "norm.bias": "pma.norm0.bias", "beta": "simpool.beta"}
    for gamma in (None, 1, 1.25):
        for heads, learned in ((1, False), (3, True)):
            spec = {"name": "simpool", "heads": heads} | ({} if gamma is None else {"gamma": gamma})
            cases.add(spec, simpool(gamma, heads, learned), weights if learned else {},
                      states=["two", "seven", "offset", "picture"])

    def bottleneck(learned, edit=None):
        def compute(x, skip):
            y = x[skip:]
            p = (lambda n, t: t @ w[n].T + b[n]) if learned else (lambda n, t: t)
            a = softmax(p("key", y) @ p("query", x[0]) * d ** -0.5)
            a = a * a[1 if skip == 0 else 0:].sum() if edit is None else np.asarray(edit, float)[skip:]
            return p("output", a @ p("value", y)), front(a, skip)
        return compute

    cases.add("bottleneck", bottleneck(False))
    cases.add("tab", bottleneck(True), files)
    edit = [0, 0.5, 0, 1, 0, 0.25, 0]
    cases.add({"name": "bottleneck", "edit": edit}, bottleneck(True, edit), files, states=["seven", "picture"])


def random_attention(cases):
    mask = 2 ** 64 - 1

    def mixed(z):
        z = (z + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def normal(*place):
        state = 0
        for part in place:
            state = mixed(state ^ part)
        return sum(mixed((state + draw) & mask) >> 32 for draw in range(12)) / 2 ** 32 - 6

    for seed, features in ((0, 64), (7, 3)):
        a, b = (np.array([[normal(seed, side, m, c) for c in range(WIDTH)] for m in range(features)]) for side in (0, 1))

        def compute(x, skip):
            y = x[skip:]
            weights = np.zeros(len(y))
            for am, bm in zip(a, b):
                weights += np.maximum(y @ (np.outer(am, bm) / WIDTH).T @ y.mean(0), 0)
            return over(x[skip:], weights / features / len(y), 0)[0], front(weights / features / len(y), skip)
        cases.add({"name": "random_attention", "seed": seed, "features": features}, compute)

        def soft(x, skip):
            y = x[skip:]
            scores = [y @ (np.outer(am, bm) / WIDTH).T @ y.mean(0) for am, bm in zip(a, b)]
            weights = front(softmax(np.array(scores), axis=1).mean(0), skip)
            return weights @ x, weights
        cases.add({"name": "random_attention", "seed": seed, "features": features, "activation": "softmax"}, soft)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    cases = Cases(np.random.default_rng(SEED))
    for make in (basic, power_means, mixtures, scores, attentions, random_attention):
        make(cases)
    metadata = {
        "format": FORMAT, "regenerate": REGENERATE, "seed": str(SEED),
        "cases": json.dumps(cases.cases, separators=(",", ":")),
        "python": platform.python_version(), "numpy": np.__version__, "safetensors": safetensors.__version__,
    }
    save(out / "poolers.safetensors", cases.tensors, metadata)
    print(f"{len(cases.cases)} cases")


if __name__ == "__main__":
    main()
