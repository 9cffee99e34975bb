#!/usr/bin/env python3
"""A model of a billion parameters in BF16, made at random: is it loaded, scored and tuned in 16 GB, and does the plan hold?

one_billion.py --binary build/release/circuit [--folder DIR] [--records 16] [--steps 3] [--edges 200] [--most 17]
Llama-3.2-1B's config.json with random weights and a small tokenizer; `discover` of mean ablation and `tune` of circuit-tuning
on records of examples/agreement. Prints what each planned and what it took at most (resident memory); exit code 1 where
that is over 16 GB, or the plan more than 1.15 times off. Needs torch and safetensors to write the model (2.5 GB).
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 2048, "head_dim": 64,
    "initializer_range": 0.02, "intermediate_size": 8192, "max_position_embeddings": 131072, "num_attention_heads": 32,
    "num_hidden_layers": 16, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "vocab_size": 128256,
    "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"},
    "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": None, "eos_token_id": None}
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def make(folder):
    import torch
    from safetensors.torch import save_file
    c, generator = CONFIG, torch.Generator().manual_seed(1)
    d, kv = c["hidden_size"], c["num_key_value_heads"] * c["head_dim"]

    def random(*shape):
        return (torch.randn(shape, generator=generator) * 0.02).bfloat16()
    tensors = {"model.embed_tokens.weight": random(c["vocab_size"], d), "model.norm.weight": torch.ones(d).bfloat16()}
    for layer in range(c["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        for name, out, inner in (("self_attn.q_proj", d, d), ("self_attn.k_proj", kv, d), ("self_attn.v_proj", kv, d),
                                 ("self_attn.o_proj", d, d), ("mlp.gate_proj", c["intermediate_size"], d),
                                 ("mlp.up_proj", c["intermediate_size"], d), ("mlp.down_proj", d, c["intermediate_size"])):
            tensors[f"{at}{name}.weight"] = random(out, inner)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}{name}.weight"] = torch.ones(d).bfloat16()
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1))
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        if (ROOT / "examples/books-4l" / name).exists():
            shutil.copy(ROOT / "examples/books-4l" / name, folder)
    print(f"made: {sum(t.numel() for t in tensors.values()):,} parameters in BF16")


def resident(pid):
    """Bytes that a process holds now; 0 once it has ended."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def run(command, most):
    """Peak resident bytes, seconds and stderr. Kills what takes more than `most` bytes: a machine that swaps is no machine."""
    start = time.time()
    with tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=err)
        killed = False
        while True:
            ended, status, used = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            if resident(child.pid) > most:
                killed = True
                child.kill()
            time.sleep(0.05)
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        text = err.read()
    if killed or child.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {f'killed above {most / 1e9:.0f} GB' if killed else child.returncode}\n{text}")
    return used.ru_maxrss * 1024, time.time() - start, text


def planned(text):
    """Bytes that the program last said it plans for; the whole stands first in its line about memory."""
    lines = [line for line in text.splitlines() if "memory" in line and "about" in line]
    if not lines:
        return 0, ""
    amount, unit = re.search(r"about ([0-9.]+) (KiB|MiB|GiB|B)\b", lines[-1]).groups()
    return float(amount) * UNITS[unit], lines[-1].strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--folder", type=pathlib.Path, help="of the model; made where it is not there")
    parser.add_argument("--records", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--edges", type=int, default=200, help="of the circuit: what of the model is trained")
    parser.add_argument("--most", type=float, default=17, help="GB: a process that takes more is killed")
    o = parser.parse_args()
    bad = False
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = o.folder or scratch / "model"
        if not folder.exists():
            # In a process of its own: what this one has held counts as a child's before it becomes the program.
            maker = multiprocessing.Process(target=make, args=(folder,))
            maker.start()
            maker.join()
        # The plan is for the longest record: all are as long.
        lines = (ROOT / "examples/agreement/dev.jsonl").read_text().splitlines()[:100]
        records = [max(lines, key=len)] * o.records
        (scratch / "records.jsonl").write_text("\n".join(records) + "\n")
        (scratch / "run.toml").write_text(
            f'[model]\npath = "{folder}"\n[data]\ntrain = "{scratch}/records.jsonl"\ndev = "{scratch}/records.jsonl"\n'
            f'[discovery]\nmetric = "logit_diff"\nablation = "mean"\nevery = 2\n[selection]\nkind = "top-edges"\nn = {o.edges}\n'
            f'[tuning]\nmethod = "circuit"\nsteps = {o.steps}\nbatch = {o.records}\n'
            f'[optimizer]\nkind = "adamw"\nlr = 1e-5\n[run]\npath = "{scratch}/run"\n')
        binary = o.binary.resolve()
        for name, command in {
                "discover": [binary, "discover", folder, scratch / "records.jsonl", "--ablation", "mean", "--metric",
                             "logit_diff", "--top-edges", str(o.edges), "--dtype", "bf16", "-o", scratch / "circuit.json"],
                "tune": [binary, "tune", scratch / "run.toml", "--dtype", "bf16"]}.items():
            peak, seconds, text = run(command, o.most * 1e9)
            plan, line = planned(text)
            share = peak / plan if plan else float("nan")
            ok = peak <= 16e9 and 1 / 1.15 <= share <= 1.15
            bad = bad or not ok
            print(f"{name}: {seconds:.0f} s, at most {peak / 1e9:.2f} GB, planned {plan / 1e9:.2f} GB, "
                  f"{share:.2f} of it{'' if ok else '  <- not within 16 GB and 1.15'}\n  {line}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
