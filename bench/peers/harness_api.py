"""Serves lm-evaluation-harness's local-completions as a rival: it evaluates a task file by the API of a server.

    python harness_api.py

In:  {"file": "golden/lm-eval/tasks/card_copa.yaml", "limit": null, "arguments": {"base_url": ..., "tokenizer": ..., "batch_size": 8}}
Out: as harness.py's "evaluate". `arguments` are those of --model_args.
"""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from serve import serve

import lm_eval
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.tasks import TaskManager
from samples import plain, timer


def answer(ask: dict) -> dict:
    file = ask["file"]
    manager = TaskManager(include_path=str(Path(file).parent), include_defaults=False)
    lm = LocalCompletionsAPI(**ask["arguments"])
    timed = timer()
    found = lm_eval.simple_evaluate(
        model=lm, tasks=[file], task_manager=manager, limit=ask["limit"], bootstrap_iters=0, log_samples=True
    )
    times = timed()
    tasks = {name: [plain(sample) for sample in samples] for name, samples in found["samples"].items()}
    return {**times, "tasks": tasks, "results": found["results"]}


if __name__ == "__main__":
    serve(answer, {"rival": "lm-eval local-completions", "lm-eval": lm_eval.__version__})
