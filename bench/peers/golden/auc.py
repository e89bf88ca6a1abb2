"""Asks scikit-learn for areas under the ROC curve, which those of this project are held to.

    python auc.py > test/golden/auc.json

It needs scikit-learn (../requirements.txt). Scores are drawn with many ties and with few, classes evenly and unevenly; the
interval is the percentile bootstrap's over the resamples that have both classes.
"""

import json
import random

import numpy as np
from sklearn.metrics import roc_auc_score

SHAPES = [
    # samples, distinct scores (None: all), share of class 1, shift of class 1
    (2, None, 0.5, 1.0),
    (7, 3, 0.4, 0.0),
    (40, 2, 0.5, 1.0),
    (40, 1, 0.5, 0.0),
    (100, 5, 0.1, 0.5),
    (872, None, 0.51, 0.4),
    (872, 40, 0.51, -0.3),
    (1500, None, 0.02, 1.0),
]


def draw(rng, samples, distinct, share, shift):
    ones = min(max(round(share * samples), 1), samples - 1)
    classes = [1] * ones + [0] * (samples - ones)
    rng.shuffle(classes)
    scores = [rng.gauss(shift * one, 1) for one in classes]
    if distinct:
        scores = [min(max(round(score), -(distinct // 2)), (distinct - 1) // 2) for score in scores]
    return [round(score, 4) for score in scores], classes


def interval(scores, classes, rng):
    values = []
    for _ in range(4000):
        drawn = rng.integers(0, len(scores), len(scores))
        if 0 < classes[drawn].sum() < len(drawn):
            values.append(roc_auc_score(classes[drawn], scores[drawn]))
    return [float(np.std(values, ddof=1)), [float(one) for one in np.percentile(values, [2.5, 97.5])]]


rng = random.Random(1)
cases = []
for shape in SHAPES:
    scores, classes = draw(rng, *shape)
    deviation, ends = interval(np.array(scores), np.array(classes), np.random.default_rng(1))
    area = float(roc_auc_score(classes, scores))
    cases.append({"scores": scores, "partners": classes, "value": area, "bootstrap_stderr": deviation, "interval": ends})
print(json.dumps(cases))
