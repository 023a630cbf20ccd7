"""Makes retrieval_metrics.json: random rankings with graded judgements, what trec_eval (by pytrec_eval) says of them,
and numpy's bootstrap of that over the queries.

    python tests/golden/make_retrieval_metrics.py --out tests/golden
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pytrec_eval

SEED, QUERIES, DOCUMENTS, DEPTH = 20251125, 40, 60, 30
CUTOFFS = [1, 5, 10, 30]
BOOTSTRAP_SEED, RESAMPLES = 7, 500
MASK = (1 << 64) - 1


def split_mix(state):
    """SplitMix64, with Python's integers."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def estimate(values, drawn):
    return [values.mean(), *np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    random = np.random.default_rng(SEED)
    rankings, qrels = [], []
    for _ in range(QUERIES):
        rankings.append([int(d) for d in random.permutation(DOCUMENTS)[:DEPTH]])
        judged = random.choice(DOCUMENTS, random.integers(1, 8), replace=False)
        qrels.append({int(d): int(random.integers(1, 4)) for d in judged})
    asked = {str(q): {str(d): grade for d, grade in judged.items()} for q, judged in enumerate(qrels)}
    run = {str(q): {str(d): float(DEPTH - at) for at, d in enumerate(r)} for q, r in enumerate(rankings)}
    first = {q: dict(list(of.items())[:10]) for q, of in run.items()}
    recalls = "recall." + ",".join(map(str, CUTOFFS))
    found = pytrec_eval.RelevanceEvaluator(asked, {"ndcg_cut.10", recalls}).evaluate(run)
    ranks = pytrec_eval.RelevanceEvaluator(asked, {"recip_rank"}).evaluate(first)
    queries = []
    for q in range(QUERIES):
        of = found[str(q)]
        queries.append({
            "ranking": rankings[q],
            "judgements": [[d, grade] for d, grade in qrels[q].items()],
            "ndcg_10": of["ndcg_cut_10"],
            "mrr_10": ranks[str(q)]["recip_rank"],
            "recall": {str(k): of[f"recall_{k}"] for k in CUTOFFS},
        })
    numbers = split_mix(BOOTSTRAP_SEED)
    drawn = np.array([[next(numbers) * QUERIES >> 64 for _ in range(QUERIES)] for _ in range(RESAMPLES)])
    ndcg, mrr = (np.array([q[name] for q in queries]) for name in ("ndcg_10", "mrr_10"))
    difference = mrr - ndcg
    means = difference[drawn].mean(axis=1)
    as_far = np.abs(means - difference.mean()) >= abs(difference.mean())
    bootstrap = {
        "seed": BOOTSTRAP_SEED,
        "resamples": RESAMPLES,
        "ndcg_10": estimate(ndcg, drawn),
        "difference": estimate(difference, drawn),
        "p": (as_far.sum() + 1) / (RESAMPLES + 1),
    }
    lines = ",\n".join(json.dumps(query) for query in queries)
    text = f'{{"queries": [\n{lines}\n],\n"bootstrap": {json.dumps(bootstrap)}}}\n'
    (out / "retrieval_metrics.json").write_text(text)


if __name__ == "__main__":
    main()
