"""Serves Hugging Face transformers as a rival: it runs forward passes over random ids.

    python forward.py MODEL DTYPE THREADS

In:  {"batches": 1, "sequences": 1, "tokens": 512, "keep": 1}
Out: {"seconds": that many forward passes of [sequences, tokens] ids, log-softmax of the last `keep` rows, no cache}
"""

import sys
import time

from serve import serve

import torch
import transformers


def main(path: str, dtype: str, threads: int) -> None:
    torch.set_num_threads(threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype), local_files_only=True)
    model.eval()
    ids = torch.Generator().manual_seed(1)

    def answer(ask: dict) -> dict:
        shape = (ask["sequences"], ask["tokens"])
        batches = [torch.randint(300, model.config.vocab_size, shape, generator=ids) for _ in range(ask["batches"])]
        with torch.inference_mode():
            start = time.perf_counter()
            for batch in batches:
                model(batch, use_cache=False, logits_to_keep=ask["keep"]).logits.log_softmax(-1)
            return {"seconds": time.perf_counter() - start}

    serve(answer, {"rival": "transformers", "version": transformers.__version__, "torch": torch.__version__})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
