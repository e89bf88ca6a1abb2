"""Decodes and encodes ggml's block types with gguf-py: test/golden/gguf_blocks.

TYPE.blocks.bin has blocks and TYPE.values.f32 the numbers they decode to: first come some whose scales are like those of
weights, then any bytes that decode to finite numbers. TYPE.encoded.bin is TYPE.input.f32 encoded, for the types that
mt-llama writes.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

SEED = 20261128
LIKE_WEIGHTS = 4
ANY_BYTES = 4

# A block has float16 numbers at these bytes, the only ones that can be NaN or infinite.
HALVES = {
    "F16": [0],
    "BF16": [],
    "Q8_0": [0],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
}


def write_blocks(root: Path) -> None:
    folder = root / "gguf_blocks"
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(SEED)
    for name, halves in HALVES.items():
        values, size = gguf.GGML_QUANT_SIZES[Type[name]]
        # A block of plain numbers has 32 of them here, so that there are enough.
        plain = 32 if values == 1 else 1
        blocks = []
        while len(blocks) < (LIKE_WEIGHTS + ANY_BYTES) * plain:
            block = generator.integers(0, 256, size, dtype=np.uint8)
            if len(blocks) < LIKE_WEIGHTS * plain:
                for at in halves:
                    block[at : at + 2] = np.float16([0.01 * generator.standard_normal()]).view(np.uint8)
                if name == "BF16":
                    block[:] = np.float32([0.01 * generator.standard_normal()]).view(np.uint8)[2:]
            if np.isfinite(gguf.dequantize(block.reshape(1, -1), Type[name])).all():
                blocks.append(block)
        packed = np.stack(blocks)
        packed.tofile(folder / f"{name}.blocks.bin")
        gguf.dequantize(packed, Type[name]).tofile(folder / f"{name}.values.f32")
    for name, limit in [("Q8_0", 127 * 65504), ("F16", 65504), ("BF16", 3.38e38)]:
        values = to_encode(generator, np.float32(limit))
        values.tofile(folder / f"{name}.input.f32")
        gguf.quantize(values, Type[name]).tofile(folder / f"{name}.encoded.bin")


def to_encode(generator: np.random.Generator, limit: np.float32) -> np.ndarray:
    """Makes rows of 32 numbers up to a limit: numbers like weights, halves, zeros, extremes."""
    rows = [0.02 * generator.standard_normal(32) for _ in range(12)]
    # The scale is 1: quants fall on halves and just beside them.
    halves = np.concatenate([[127], generator.integers(-126, 126, 31) + 0.5])
    rows += [halves, np.nextafter(np.float32(halves), np.float32(0)), np.nextafter(np.float32(halves), np.float32(limit))]
    rows += [np.zeros(32), -np.zeros(32), limit * generator.uniform(-1, 1, 32)]
    rows += [10.0**exponent * generator.standard_normal(32) for exponent in range(-45, 5)]
    values = np.clip(np.stack(rows).astype(np.float32), -limit, limit)
    values[-1, 0] = limit
    return values
