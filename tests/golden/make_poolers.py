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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    cases = Cases(np.random.default_rng(SEED))
    for make in (basic,):
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
