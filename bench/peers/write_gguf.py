"""Writes a checkpoint of models/ as GGUF, for node-llama-cpp: models/SHAPE/DTYPE.gguf.

    python write_gguf.py SHAPE DTYPE        DTYPE is float32, bfloat16 or float16

The vocabulary is made up: only the shapes matter, and prompts come as token ids.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors import safe_open

HERE = Path(__file__).parent
TYPES = {
    "float32": gguf.GGMLQuantizationType.F32,
    "bfloat16": gguf.GGMLQuantizationType.BF16,
    "float16": gguf.GGMLQuantizationType.F16,
}
NAMES = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, n_blocks=128)


def main(shape: str, dtype: str) -> None:
    folder = HERE / "models" / shape
    config = json.loads((folder / "config.json").read_text())
    out = folder / f"{dtype}.gguf"
    # The file is written under another name first, so that one that is there is whole.
    part = out.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    add_config(writer, config)
    add_vocabulary(writer, config["vocab_size"])
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        for name in tensors.keys():
            values = interleave(name, tensors.get_tensor(name).to(torch.float32).numpy(), config)
            # llama.cpp takes vectors in float32 only.
            kind = TYPES[dtype] if values.ndim > 1 else TYPES["float32"]
            writer.add_tensor(
                NAMES.get_name(name, try_suffixes=(".weight",)), gguf.quants.quantize(values, kind), raw_dtype=kind
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.rename(out)


def add_config(writer: gguf.GGUFWriter, config: dict) -> None:
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    special = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]
    bytes_ = [(f"<0x{i:02X}>", gguf.TokenType.BYTE) for i in range(256)]
    words = [(f"w{i}", gguf.TokenType.NORMAL) for i in range(size - len(special) - len(bytes_))]
    tokens, types = zip(*(special + bytes_ + words))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * size)
    writer.add_token_types(types)


def interleave(name: str, values: np.ndarray, config: dict) -> np.ndarray:
    """Orders the rows of q and k as llama.cpp does, with the two halves of a RoPE pair side by side."""
    if ".q_proj." not in name and ".k_proj." not in name:
        return values
    heads = config["num_attention_heads" if ".q_proj." in name else "num_key_value_heads"]
    halves = values.reshape(heads, 2, -1, values.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
