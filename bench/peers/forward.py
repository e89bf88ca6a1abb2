"""Hugging Face transformers as a rival: forward passes over random ids.

    python forward.py MODEL DTYPE THREADS

In:  {"sequences": 1, "tokens": 512}
Out: {"seconds": one forward pass, logits of the last token of each sequence alone, no cache}
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
        batch = torch.randint(300, model.config.vocab_size, shape, generator=ids)
        with torch.inference_mode():
            start = time.perf_counter()
            model(batch, use_cache=False, logits_to_keep=1)
            return {"seconds": time.perf_counter() - start}

    serve(answer, {"rival": "transformers", "version": transformers.__version__, "torch": torch.__version__})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
