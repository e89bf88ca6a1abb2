"""Checks what `mt-llama convert SOURCE DIR` writes against transformers: does DIR load, and score as SOURCE itself does?

    bench/peers/.venv/bin/python bench/peers/check_convert.py SOURCE DIR [SOURCE DIR ...]

SOURCE is a GGUF file or a Hugging Face directory, which transformers reads for the reference. Both run in float32; a DIR of
another type differs by its rounding. Where SOURCE has a tokenizer, that of DIR has to give the same ids. The exit code is 1
where anything differs.
"""

import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    "Hello world",
    " two  spaces\n\n\ttab 12345 3.14",
    "It's we'll they'RE don't",
    "naïve café 日本語 👩‍👩‍👧 \u00a0x",
    "<|im_start|>user\nHi<|im_end|>",
    "def f(x):\n    return x  # <s> </s>",
    "",
]
# transformers sums in another order for other layouts of the same numbers.
TOLERANCE = 1e-5


def where(path: str) -> tuple[str, dict[str, str]]:
    if os.path.isdir(path):
        return path, {}
    folder, name = os.path.split(os.path.abspath(path))
    return folder, {"gguf_file": name}


def token_ids(folder: str, files: dict[str, str]) -> list[list[int]] | None:
    if not files and not any(os.path.exists(os.path.join(folder, n)) for n in ("tokenizer.json", "tokenizer.model")):
        return None
    tokenizer = AutoTokenizer.from_pretrained(folder, **files)
    return [tokenizer(text).input_ids for text in TEXTS]


def check(source: str, converted: str) -> bool:
    folder, files = where(source)
    model = AutoModelForCausalLM.from_pretrained(converted, dtype=torch.float32)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **files)
    random = torch.Generator().manual_seed(1)
    worst = 0.0
    with torch.no_grad():
        for length in (1, 7, 60):
            ids = torch.randint(0, reference.config.vocab_size, (1, length), generator=random)
            want = reference(ids).logits
            worst = max(worst, ((model(ids).logits - want).abs().max() / want.abs().max()).item())
    wanted = token_ids(folder, files)
    same = wanted is None or token_ids(converted, {}) == wanted
    tokens = "none" if wanted is None else "the same" if same else "DIFFER"
    print(f"{source}: logits off by at most {worst:.2g} of the largest; tokens of {len(TEXTS)} texts: {tokens}")
    return same and worst <= TOLERANCE


if __name__ == "__main__":
    paths = sys.argv[1:]
    results = [check(paths[i], paths[i + 1]) for i in range(0, len(paths) - 1, 2)]
    sys.exit(0 if results and all(results) else 1)
