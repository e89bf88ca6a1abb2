"""Writes a tiny LLaMA in GGUF with gguf-py, in one file and in parts: test/golden/gguf_split."""

from pathlib import Path

import numpy as np
from gguf import GGUFWriter

SEED = 20261128
VOCABULARY, HIDDEN, INTERMEDIATE, HEADS = 10, 8, 12, 2


def write_split(root: Path) -> None:
    folder = root / "gguf_split"
    folder.mkdir(exist_ok=True)
    for name, settings in {
        "whole": {},
        "parts": dict(split_max_tensors=5),
        "metadata-first": dict(split_max_tensors=5, small_first_shard=True),
    }.items():
        generator = np.random.default_rng(SEED)
        writer = GGUFWriter(folder / f"{name}.gguf", "llama", **settings)
        writer.add_context_length(32)
        writer.add_embedding_length(HIDDEN)
        writer.add_block_count(1)
        writer.add_feed_forward_length(INTERMEDIATE)
        writer.add_head_count(HEADS)
        writer.add_layer_norm_rms_eps(1e-5)
        for tensor, *shape in [
            ("token_embd", VOCABULARY, HIDDEN),
            ("blk.0.attn_norm", HIDDEN),
            ("blk.0.attn_q", HIDDEN, HIDDEN),
            ("blk.0.attn_k", HIDDEN, HIDDEN),
            ("blk.0.attn_v", HIDDEN, HIDDEN),
            ("blk.0.attn_output", HIDDEN, HIDDEN),
            ("blk.0.ffn_norm", HIDDEN),
            ("blk.0.ffn_gate", INTERMEDIATE, HIDDEN),
            ("blk.0.ffn_up", INTERMEDIATE, HIDDEN),
            ("blk.0.ffn_down", HIDDEN, INTERMEDIATE),
            ("output_norm", HIDDEN),
            ("output", VOCABULARY, HIDDEN),
        ]:
            writer.add_tensor(f"{tensor}.weight", generator.standard_normal(shape).astype(np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
