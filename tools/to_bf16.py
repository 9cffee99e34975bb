#!/usr/bin/env python3
"""Copies a Hugging Face model folder with its float32 tensors rounded to bfloat16.

    python3 tools/to_bf16.py MODEL OUT

Reads MODEL/model.safetensors and writes OUT/model.safetensors: the same names, shapes, order and metadata,
F32 tensors as BF16 (rounded to nearest, ties to even; NaN stays NaN), every other dtype byte for byte.
OUT/config.json says torch_dtype "bfloat16"; tokenizer.json and tokenizer_config.json are copied.
Standard library only.
"""

import array
import json
import os
import shutil
import struct
import sys


def round_to_bf16(data):
    """float32 bytes (little endian) to bfloat16 bytes."""
    words = array.array("I", data)
    if sys.byteorder == "big":
        words.byteswap()
    halves = array.array("H", bytes(2 * len(words)))
    for i, w in enumerate(words):
        if w & 0x7FFFFFFF > 0x7F800000:
            halves[i] = w >> 16 | 0x40  # rounding could turn a NaN into infinity: keep it a quiet NaN
        else:
            # Adding half a unit less one, plus the lowest kept bit, rounds to nearest with ties to even.
            halves[i] = (w + 0x7FFF + (w >> 16 & 1)) >> 16
    if sys.byteorder == "big":
        halves.byteswap()
    return halves.tobytes()


def convert_safetensors(source, target):
    with open(source, "rb") as file:
        blob = file.read()
    (length,) = struct.unpack_from("<Q", blob)
    header = json.loads(blob[8 : 8 + length])  # dicts keep the file's order
    data = memoryview(blob)[8 + length :]

    new_header, pieces = {}, {}
    for name, entry in header.items():
        if name == "__metadata__":
            new_header[name] = entry
            continue
        begin, end = entry["data_offsets"]
        piece = bytes(data[begin:end])
        dtype = entry["dtype"]
        if dtype == "F32":
            piece, dtype = round_to_bf16(piece), "BF16"
        pieces[name] = piece
        new_header[name] = {"dtype": dtype, "shape": entry["shape"], "data_offsets": [begin, end]}

    # Offsets follow the order of the data, which need not be the header's.
    offset = 0
    by_offset = sorted(pieces, key=lambda n: (header[n]["data_offsets"], n))
    for name in by_offset:
        new_header[name]["data_offsets"] = [offset, offset + len(pieces[name])]
        offset += len(pieces[name])
    text = json.dumps(new_header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(target, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in by_offset:
            file.write(pieces[name])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    convert_safetensors(os.path.join(model, "model.safetensors"), os.path.join(out, "model.safetensors"))
    with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["torch_dtype"] = "bfloat16"
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(os.path.join(model, name), os.path.join(out, name))


if __name__ == "__main__":
    main()
