"""Checks `mt-llama convert FILE.gguf DIR` against transformers: does DIR load, and score as the GGUF itself does?

    check_convert.py FILE.gguf DIR [TOKENIZER_DIR]

transformers' own GGUF loader gives the reference (float32; convert with float32 too, or expect bfloat16's rounding).
TOKENIZER_DIR holds the model's original tokenizer.json, whose ids are compared with DIR's.
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


def main(gguf: str, converted: str, tokenizer_dir: str | None) -> None:
    tokenizer = AutoTokenizer.from_pretrained(converted)
    model = AutoModelForCausalLM.from_pretrained(converted, dtype=torch.float32)
    folder, name = os.path.split(os.path.abspath(gguf))
    reference = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    worst = 0.0
    with torch.no_grad():
        for text in TEXTS[:-1]:
            ids = tokenizer(text, return_tensors="pt").input_ids
            want = reference(ids).logits
            worst = max(worst, ((model(ids).logits - want).abs().max() / want.abs().max()).item())
    print(f"logits: off by at most {worst:.2g} of the largest")

    original = AutoTokenizer.from_pretrained(tokenizer_dir) if tokenizer_dir else None
    for text in TEXTS:
        ids = tokenizer(text).input_ids
        if original and ids != original(text).input_ids:
            sys.exit(f"{text!r}: {ids}, the original has {original(text).input_ids}")
    print(f"tokens: {len(TEXTS)} texts agree" if original else "tokens: not compared")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
