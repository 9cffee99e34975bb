#!/usr/bin/env python3
"""Blocks of every quantised type that is read, and their numbers as the Python package gguf gives them.

gguf_blocks.py OUT [SEED]   OUT/blocks.gguf: one tensor a type, of random bytes whose scales are finite halves;
                            OUT/blocks.safetensors: the same tensors in F32, F16 and BF16 as themselves

Needs gguf, numpy, safetensors. tests/gguf holds the files of seed 0; a test makes others where the packages are there.
"""
import os
import sys

import gguf
import numpy as np
from gguf.quants import dequantize
from safetensors.numpy import save

# Where the halves stand in a block: any other byte may have any value.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
ROWS, BLOCKS = 3, 2


def random_halves(rng, count):
    """Finite ones of either sign, zeros and subnormals among them."""
    bits = rng.integers(0, 0x7C00, count, dtype=np.uint16)
    bits[::5] %= 0x400
    return bits | (rng.integers(0, 2, count, dtype=np.uint16) << 15)


def main():
    out, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    rng = np.random.default_rng(seed)
    os.makedirs(out, exist_ok=True)
    writer = gguf.GGUFWriter(os.path.join(out, "blocks.gguf"), "none")
    expected = {}
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        _, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (ROWS * BLOCKS, size), dtype=np.uint8)
        for at in halves:
            blocks[:, at:at + 2] = random_halves(rng, len(blocks)).view(np.uint8).reshape(-1, 2)
        data = blocks.reshape(ROWS, BLOCKS * size)
        writer.add_tensor(name, data, raw_dtype=kind)
        expected[name] = ("F32", dequantize(data, kind))
    single = rng.standard_normal((ROWS, 7)).astype(np.float32)
    half = random_halves(rng, ROWS * 7).view(np.float16).reshape(ROWS, 7)
    brain = (single.view(np.uint32) >> 16).astype(np.uint16)
    writer.add_tensor("F32", single)
    writer.add_tensor("F16", half)
    writer.add_tensor("BF16", brain.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    expected.update(F32=("F32", single), F16=("F16", half), BF16=("BF16", brain))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    # BF16 is no dtype of numpy: its bits are written as I16, which the reader of the test views.
    tensors = {name: value.view(np.int16) if dtype == "BF16" else value for name, (dtype, value) in expected.items()}
    with open(os.path.join(out, "blocks.safetensors"), "wb") as file:
        file.write(save({name: np.ascontiguousarray(value) for name, value in tensors.items()}))


main()
