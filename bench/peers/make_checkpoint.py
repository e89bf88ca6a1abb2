"""Writes Hugging Face checkpoints of random weights at the shapes of shapes.json: models/SHAPE.

    python make_checkpoint.py SHAPE...

The same seed gives the same weights; figures depend on shapes alone.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
SEED = 1


def main(name: str) -> None:
    shape = json.loads((HERE / "shapes.json").read_text())[name]
    dtype = getattr(torch, shape.pop("stored"))
    torch.manual_seed(SEED)
    config = LlamaConfig(**shape, max_position_embeddings=2048, dtype=dtype)
    LlamaForCausalLM._from_config(config, dtype=dtype).save_pretrained(HERE / "models" / name)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        main(name)
