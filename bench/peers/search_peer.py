"""What other packages make of the vectors of `cargo bench -p heatseek-search --bench search`, which starts this.

    python search_peer.py --folder DIR --dim N --top K --threads N

DIR has `vectors.f32` and `queries.f32`, little-endian rows of unit length. Prints a JSON object a line for each peer:
`peer`, `version`, `p50_ms`, `p95_ms`, `recall` against products in NumPy; or `peer` and `error`. Queries come one by
one, as an app asks them. `usearch` and `hnswlib` are from PyPI, all searches exact.
"""

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

WARM_UP = 3


def measured(queries, search, truth):
    """`search` of one query gives ids, best first."""
    for query in queries[:WARM_UP]:
        search(query)
    times, hits = [], 0
    for query, expected in zip(queries, truth):
        began = time.perf_counter()
        found = search(query)
        times.append((time.perf_counter() - began) * 1e3)
        hits += len(set(int(i) for i in found) & set(expected))
    times.sort()
    at = lambda percent: times[(len(times) - 1) * percent // 100]
    return {"p50_ms": at(50), "p95_ms": at(95), "recall": hits / truth.size}


def usearch_exact(dtype):
    def make(vectors, args):
        from usearch.index import MetricKind, search

        # As many steps as a byte has: a unit vector's elements are far below 1, so that the largest sets the scale.
        scale = 127 / np.abs(vectors).max() if dtype == "i8" else None
        stored = lambda x: np.clip(np.rint(x * scale), -127, 127).astype(np.int8) if scale else x.astype(dtype)
        rows = stored(vectors)
        options = {"exact": True, "threads": args.threads}
        return lambda query: search(rows, stored(query), args.top, MetricKind.Cos, **options).keys

    return make


def hnswlib_brute_force(vectors, args):
    import hnswlib

    index = hnswlib.BFIndex(space="ip", dim=args.dim)
    index.init_index(max_elements=len(vectors))
    index.add_items(vectors)
    index.set_num_threads(args.threads)
    return lambda query: index.knn_query(query, k=args.top)[0][0]


PEERS = {
    "usearch f32, exact": ("usearch", usearch_exact("f4")),
    "usearch f16, exact": ("usearch", usearch_exact("f2")),
    "usearch int8, exact": ("usearch", usearch_exact("i8")),
    "hnswlib f32, BFIndex": ("hnswlib", hnswlib_brute_force),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--top", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    vectors, queries = (
        np.fromfile(args.folder / f"{name}.f32", dtype="<f4").reshape(-1, args.dim) for name in ("vectors", "queries")
    )
    truth = np.array([np.argsort(-(vectors @ query), kind="stable")[: args.top] for query in queries[:20]])
    queries = queries[: len(truth)]
    for name, (package, make) in PEERS.items():
        try:
            row = {"peer": name, "version": version(package), **measured(queries, make(vectors, args), truth)}
        except Exception as error:
            row = {"peer": name, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
