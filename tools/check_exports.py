#!/usr/bin/env python3
"""What this program writes, loaded by transformers: check_exports.py --binary build/release/circuit

Every adapter of tests/adapters that can be merged is merged by `circuit apply` into its base, one of tests/families;
transformers loads the folder that this writes and must give the logits that PEFT gave, to 1e-5 of their spread.
Needs torch, transformers and safetensors. Exit code 1 when anything differs.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
TOLERANCE = 1e-5


def difference(folder, ids, expected):
    config = transformers.AutoConfig.from_pretrained(folder)
    wrapped = hasattr(config, "text_config")
    auto = transformers.AutoModelForImageTextToText if wrapped else transformers.AutoModelForCausalLM
    model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits
    return ((logits - expected).abs().max() / (expected.max() - expected.min())).item()


def apply(binary, base, change, out):
    done = subprocess.run([binary, "apply", str(base), str(change), "-o", str(out)], capture_output=True, text=True)
    return done.returncode == 0, done.stderr.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    arguments = parser.parse_args()
    binary = str(pathlib.Path(arguments.binary).resolve())
    bad, done, refused = [], 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "out"
        for adapter in sorted((TESTS / "adapters").iterdir()):
            base = TESTS / "families" / json.loads((adapter / "reference.json").read_text())["base"]
            shutil.rmtree(out, ignore_errors=True)
            written, why = apply(binary, base, adapter, out)
            if not written:
                refused += 1
                if "init_lora_weights" not in why:
                    bad.append(f"{adapter.name}: {why}")
                continue
            reference = load_file(adapter / "reference.safetensors")
            share = difference(out, reference["ids"], reference["logits"])
            done += 1
            if not share < TOLERANCE:
                bad.append(f"{adapter.name}: {share:.1e} of the spread")
    print(f"exports: {done} adapters merged here and loaded by transformers {transformers.__version__}, {refused} refused")
    for line in bad:
        print(f"exports: {line}", file=sys.stderr)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
