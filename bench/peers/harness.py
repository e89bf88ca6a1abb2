"""lm-evaluation-harness as a rival: the choice tasks' requests through its own loglikelihood().

    cd SHARED; python harness.py MODEL DTYPE THREADS

In:  {"op": "requests", "task": "card_copa", "limit": null}
Out: {"requests": [[context, continuation], ...]}
In:  {"op": "score", "task": "card_copa", "limit": null, "batch": 16}
Out: {"seconds": first to last request, "answers": [[log-likelihood, greedy], ...]}
The working directory is the shared folder, which the paths in its task files are relative to.
"""

import functools
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from serve import serve

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager


def main(model: str, dtype: str, threads: int) -> None:
    torch.set_num_threads(threads)
    lm = HFLM(pretrained=model, dtype=dtype, device="cpu")
    manager = TaskManager(include_path="golden/lm-eval/tasks", include_defaults=False)

    @functools.cache
    def instances(name: str, limit: int | None) -> list:
        task = manager.load(name)["tasks"][name]
        task.build_all_requests(limit=limit)
        return task.instances

    def answer(ask: dict) -> dict:
        requests = instances(ask["task"], ask["limit"])
        if ask["op"] == "requests":
            return {"requests": [request.args for request in requests]}
        lm.batch_size_per_gpu = ask["batch"]
        start = time.perf_counter()
        answers = lm.loglikelihood(requests, disable_tqdm=True)
        return {"seconds": time.perf_counter() - start, "answers": answers}

    serve(answer, {"rival": "lm-eval", "torch": torch.__version__, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
