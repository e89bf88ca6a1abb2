"""Expands a GGUF checkpoint to a Hugging Face directory in float32, by the reader of transformers.

    python expand_gguf.py FOLDER_WITH_GGUF_AND_TOKENIZER OUT
"""

import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM


def main(source: Path, out: Path) -> None:
    (gguf,) = source.glob("*.gguf")
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf.name, dtype=torch.float32)
    # The weights are plain float32 now; a model built anew does not remember that the file was quantised.
    config = model.config
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(source / name, out / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
