"""Asks statistical libraries for intervals, tests and bootstraps, which those of this project are held to.

    python intervals.py > test/golden/statistics.json

It needs scipy, statsmodels, numpy and lm-eval (../requirements.txt). statsmodels and scipy both compute Wilson's interval and
McNemar's test (in scipy it is binomtest); the bootstrap comes from scipy, its standard error from lm-evaluation-harness.
"""

import json
import os
import sys

os.environ["DISABLE_MULTIPROC"] = "1"

import contextlib

import numpy as np
from lm_eval.api.metrics import bits_per_byte, bootstrap_stderr, f1_score, mean, mean_stderr, perplexity, weighted_perplexity
from scipy.stats import binomtest, bootstrap
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint


def wilson(count, n):
    low, high = proportion_confint(count, n, alpha=0.05, method="wilson")
    other = binomtest(count, n).proportion_ci(method="wilson")
    assert abs(other.low - low) < 1e-12 and abs(other.high - high) < 1e-12, (count, n)
    return [count, n, max(float(low), 0.0), min(float(high), 1.0)]


def exact(gained, lost):
    p = float(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue)
    assert abs(binomtest(gained, gained + lost).pvalue - p) <= 1e-9 * p
    return [gained, lost, float(binomtest(gained, gained + lost).pvalue)]


def resampled(values):
    values = [round(float(value), 2) for value in values]
    found = bootstrap(
        (np.array(values),), np.mean, n_resamples=200_000, batch=20_000, method="percentile", rng=np.random.default_rng(1)
    )
    with contextlib.redirect_stdout(sys.stderr):
        error = bootstrap_stderr(mean, values, 20_000)
    interval = [round(float(end), 6) for end in found.confidence_interval]
    return {"values": values, "mean_stderr": float(mean_stderr(values)), "bootstrap_stderr": round(error, 6), "interval": interval}


def aggregated(name, statistic, items):
    """Computes a metric that is no mean. Items are scores, or pairs of a score and what it is paired with."""
    pairs = [item if isinstance(item, tuple) else (item, 0) for item in items]
    draws = np.random.default_rng(2).integers(0, len(items), (4_000, len(items)))
    means = [statistic([items[i] for i in row]) for row in draws]
    with contextlib.redirect_stdout(sys.stderr):
        error = bootstrap_stderr(statistic, items, 2_000)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "aggregation": name,
        "scores": [score for score, _ in pairs],
        "partners": [partner for _, partner in pairs] if isinstance(items[0], tuple) else [],
        "value": float(statistic(items)),
        "bootstrap_stderr": round(float(error), 6),
        "interval": [round(float(low), 6), round(float(high), 6)],
    }


rng = np.random.default_rng(7)
counts = [(0, 1), (1, 1), (0, 30), (30, 30), (1, 4), (56, 100), (3, 500), (5000, 9815), (99999, 100000)]
flips = [(1, 0), (0, 5), (3, 8), (12, 12), (13, 12), (20, 5), (150, 201), (1000, 1100), (4000, 3700), (0, 900), (52000, 51000)]
samples = [
    rng.beta(0.5, 0.5, 20),
    rng.choice([0, 0.5, 0.667, 1], 16, p=[0.5, 0.1, 0.1, 0.3]),
    rng.choice([-1, 0, 0, 0, 1], 24),
    rng.exponential(2.0, 12),
]
lls = [round(float(value), 2) for value in -rng.gamma(8, 1, 10)]
words = [int(value) for value in rng.integers(2, 9, 10)]
classes, guesses = ([int(value) for value in rng.integers(0, 2, 12)] for _ in range(2))
rows = {
    "wilson": [wilson(*row) for row in counts],
    "mcnemar": [exact(*row) for row in flips],
    "bootstrap": [resampled(values) for values in samples],
    "aggregated": [
        aggregated("perplexity", perplexity, lls),
        aggregated("weighted_perplexity", weighted_perplexity, list(zip(lls, words))),
        aggregated("bits_per_byte", bits_per_byte, list(zip(lls, words))),
        aggregated("f1", f1_score, list(zip(classes, guesses))),
    ],
}
print("{\n" + ",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in some) + "\n]" for name, some in rows.items()) + "\n}")
