"""Serves lm-evaluation-harness as a rival: it scores a task file's requests by its own loglikelihood(), or evaluates the file.

    python harness.py MODEL DTYPE THREADS

In:  {"op": "requests", "file": "golden/lm-eval/tasks/card_copa.yaml", "limit": null}
Out: {"requests": [[context, continuation], ...]}
In:  {"op": "score", "file": ..., "limit": null, "batch": 16}
Out: {"seconds": first to last request, "cpuSeconds": of all threads meanwhile, "answers": [[log-likelihood, greedy], ...]}
In:  {"op": "evaluate", "file": ..., "limit": null, "batch": 16}
Out: {"seconds", "cpuSeconds": simple_evaluate() as a whole, "tasks": {name: [sample, ...]}, "results": {name: {metric: figure}}}
A sample has the arguments and the answer of each of its requests, the filter, and the figures that it counts with. The paths in
task files are relative to the working directory. Standard errors by the bootstrap are left out, which takes longer than a small model.
"""

import functools
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from serve import serve

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from samples import plain, timer


def main(model: str, dtype: str, threads: int) -> None:
    torch.set_num_threads(threads)
    lm = HFLM(pretrained=model, dtype=dtype, device="cpu")

    @functools.cache
    def manager(file: str) -> TaskManager:
        return TaskManager(include_path=str(Path(file).parent), include_defaults=False)

    @functools.cache
    def instances(file: str, limit: int | None) -> list:
        (task,) = manager(file).load(file)["tasks"].values()
        task.build_all_requests(limit=limit)
        return task.instances

    def evaluate(file: str, limit: int | None) -> dict:
        timed = timer()
        found = lm_eval.simple_evaluate(
            model=lm, tasks=[file], task_manager=manager(file), limit=limit, bootstrap_iters=0, log_samples=True
        )
        times = timed()
        tasks = {name: [plain(sample) for sample in samples] for name, samples in found["samples"].items()}
        return {**times, "tasks": tasks, "results": found["results"]}

    def answer(ask: dict) -> dict:
        if ask["op"] == "requests":
            return {"requests": [request.args for request in instances(ask["file"], ask["limit"])]}
        lm.batch_size_per_gpu = ask["batch"]
        if ask["op"] == "evaluate":
            return evaluate(ask["file"], ask["limit"])
        requests = instances(ask["file"], ask["limit"])
        timed = timer()
        answers = lm.loglikelihood(requests, disable_tqdm=True)
        return {**timed(), "answers": answers}

    serve(answer, {"rival": "lm-eval", "torch": torch.__version__, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
