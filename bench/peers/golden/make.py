"""Makes test/golden anew: results of others' code, which the engine, tokenizers, prompts and metrics are held to.

    python make.py [blocks] [split] [checkpoints] [torch] [harness] [metrics SQUAD_SCRIPT MLQA_SCRIPT]

Without a word it makes all but the metrics. It needs the packages of ../requirements.txt. Weights come from a fixed seed.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3] / "test" / "golden"

if __name__ == "__main__":
    words = sys.argv[1:] or ["blocks", "split", "checkpoints", "torch", "harness"]
    if "blocks" in words:
        from blocks import write_blocks

        write_blocks(ROOT)
    if "split" in words:
        from split import write_split

        write_split(ROOT)
    if "checkpoints" in words:
        from checkpoints import write_checkpoints

        write_checkpoints(ROOT)
    if "torch" in words:
        from torch_files import write_torch_files

        write_torch_files(ROOT)
    if "harness" in words:
        from harness import write_harness
        from rows import write_rows

        write_rows(ROOT)
        write_harness(ROOT)
    if "metrics" in words:
        from metrics import write_metrics

        at = words.index("metrics")
        write_metrics(ROOT, Path(words[at + 1]), Path(words[at + 2]))
