"""Has made-up answers judged by the official scripts of SQuAD v1.1 and MLQA: test/golden/metrics/{squad,mlqa}.jsonl.

The scripts are evaluate-v1.1.py of SQuAD and mlqa_evaluation_v1.py of the repository facebookresearch/MLQA.
"""

import importlib.util
import random
from pathlib import Path

from rows import write_lines

SEED = 7
LANGUAGES = ["en", "es", "de", "ar", "hi", "vi", "zh"]
WORDS = (
    "the a an The an' apple Apple's 1,024 50% 3.5 U.S. rock-n-roll “north” it’s café naïve El la los una der Die das "
    "ein của và một cái الكتاب الى كتاب एक किताब 中国 北京市 第三 ，。 ( ) ... — 、 theatre anthem $5 #1 ½ ß İ ŉ"
).split()
PAIRS = [
    ("", [""]),
    ("the", ["a"]),
    ("...", [""]),
    ("an apple", ["apple"]),
    ("apple apple", ["apple"]),
    ("in the north", ["north", "the north of it"]),
    ("a\u00a0b\u2003c\ufeffd\x1ce\x85f", ["a b c d e f"]),
    ("THE THEATRE", ["theatre"]),
    ("I the A", ["i"]),
    ("_the_ the.", ["the the"]),
]


def write_metrics(root: Path, squad_script: Path, mlqa_script: Path) -> None:
    squad, mlqa = load(squad_script), load(mlqa_script)
    generator = random.Random(SEED)
    text = lambda: " ".join(generator.choices(WORDS, k=generator.randint(1, 5)))
    pairs = lambda n: PAIRS + [(text(), [text() for _ in range(generator.randint(1, 3))]) for _ in range(n)]
    # Half of the made-up answers share words with a gold text, for else most scores are 0.
    near = lambda pairs: [(g[0].upper() if i % 4 == 0 else p + " " + g[-1] if i % 4 == 1 else p, g) for i, (p, g) in enumerate(pairs)]
    rows = []
    for prediction, golds in near(pairs(150)):
        best = lambda metric: squad.metric_max_over_ground_truths(metric, prediction, golds)
        rows.append(
            dict(
                pred=prediction,
                golds=golds,
                em=100.0 * best(squad.exact_match_score),
                f1=100.0 * best(squad.f1_score),
                norm_pred=squad.normalize_answer(prediction),
                norm_golds=[squad.normalize_answer(gold) for gold in golds],
            )
        )
    write_lines(root / "metrics" / "squad.jsonl", rows)
    rows = []
    for lang in LANGUAGES:
        for prediction, golds in near(pairs(40)):
            best = lambda metric: mlqa.metric_max_over_ground_truths(metric, prediction, golds, lang)
            rows.append(
                dict(
                    lang=lang,
                    pred=prediction,
                    golds=golds,
                    em=100.0 * best(mlqa.exact_match_score),
                    f1=100.0 * best(mlqa.f1_score),
                    norm_pred=mlqa.normalize_answer(prediction, lang),
                    norm_golds=[mlqa.normalize_answer(gold, lang) for gold in golds],
                )
            )
    write_lines(root / "metrics" / "mlqa.jsonl", rows)


def load(script: Path):
    spec = importlib.util.spec_from_file_location(script.stem.replace("-", "_").replace(".", "_"), script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
