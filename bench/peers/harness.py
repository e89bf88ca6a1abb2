"""lm-evaluation-harness as a rival: the choice tasks' requests through its own loglikelihood().

    cd SHARED; python harness.py MODEL DTYPE THREADS

In:  {"task": "card_copa", "limit": null, "batch": 16}
Out: {"seconds": first to last request, "requests": [[context, continuation], ...], "answers": [[sum, greedy], ...]}
The working directory is the shared folder, which the paths in its task files are relative to.
"""

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
    instances = {}

    def answer(ask: dict) -> dict:
        key = (ask["task"], ask["limit"])
        if key not in instances:
            task = manager.load(ask["task"])["tasks"][ask["task"]]
            task.build_all_requests(limit=ask["limit"])
            instances[key] = task.instances
        lm.batch_size_per_gpu = ask["batch"]
        start = time.perf_counter()
        answers = lm.loglikelihood(instances[key], disable_tqdm=True)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "requests": [i.args for i in instances[key]], "answers": answers}

    serve(answer, {"rival": "lm-eval", "torch": torch.__version__, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
