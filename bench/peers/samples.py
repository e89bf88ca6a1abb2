"""What bench/ is told of an evaluation by lm-evaluation-harness: its samples, and its time."""

import time
from collections.abc import Callable


def timer() -> Callable[[], dict]:
    """What has passed since, by the clock and of the processor."""
    start, cpu_start = time.perf_counter(), time.process_time()
    return lambda: {"seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu_start}


def plain(sample: dict) -> dict:
    return {
        "doc": sample["doc_id"],
        "filter": sample["filter"],
        "arguments": sample["arguments"],
        "answers": [answers[0] for answers in sample["resps"]],
        "metrics": {name: sample[name] for name in sample["metrics"]},
    }
