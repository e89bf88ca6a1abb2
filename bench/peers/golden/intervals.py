"""What statistics say of intervals, tests and the bootstrap; written by others than this project.

    python intervals.py > test/golden/statistics.json

Needs scipy, statsmodels, numpy and lm-eval (../requirements.txt). Wilson's interval is statsmodels' and scipy's, McNemar's test
statsmodels' and scipy's binomtest, the bootstrap scipy's, and its standard error lm-evaluation-harness's.
"""

import json
import os
import sys

os.environ["DISABLE_MULTIPROC"] = "1"

import contextlib

import numpy as np
from lm_eval.api.metrics import bootstrap_stderr, mean, mean_stderr
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
    values = [round(float(value), 3) for value in values]
    found = bootstrap(
        (np.array(values),), np.mean, n_resamples=200_000, batch=20_000, method="percentile", rng=np.random.default_rng(1)
    )
    with contextlib.redirect_stdout(sys.stderr):
        error = bootstrap_stderr(mean, values, 20_000)
    interval = [float(found.confidence_interval.low), float(found.confidence_interval.high)]
    return {"values": values, "mean_stderr": float(mean_stderr(values)), "bootstrap_stderr": error, "interval": interval}


rng = np.random.default_rng(7)
counts = [(0, 1), (1, 1), (0, 30), (30, 30), (1, 4), (56, 100), (3, 500), (5000, 9815), (99999, 100000)]
flips = [(1, 0), (0, 5), (3, 8), (12, 12), (13, 12), (20, 5), (150, 201), (1000, 1100), (4000, 3700), (0, 900), (52000, 51000)]
samples = [
    rng.beta(0.5, 0.5, 60),
    rng.choice([0, 0.5, 0.667, 1], 40, p=[0.5, 0.1, 0.1, 0.3]),
    rng.choice([-1, 0, 0, 0, 1], 50),
    rng.exponential(2.0, 12),
]
rows = {
    "wilson": [wilson(*row) for row in counts],
    "mcnemar": [exact(*row) for row in flips],
    "bootstrap": [resampled(values) for values in samples],
}
print("{\n" + ",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in some) + "\n]" for name, some in rows.items()) + "\n}")
