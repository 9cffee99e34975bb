#!/usr/bin/env python3
"""side_by_side.py [MODEL ...] [--rows SCORES,TUNING] [--json FILE]: what people use now and this package, side by side in one run.

MODEL: a folder, or gpt2-small-shape, which is made at random; default: examples/smollm2/model where it is, and the shape.
Scores, one thread, 16 pairs of 5 tokens (or as many as the model's file of pairs has): transformers' forward and backward alone; EAP
and EAP-IG (5 steps) written plainly on TransformerLens as EAP-IG's authors write them; ours. Each in a process of its own, for its
peak memory; seconds are without loading. TransformerLens 3 is needed, in an environment of its own or on PYTHONPATH: 4 has no
HookedTransformer. Peaks hold the interpreter and the libraries too; the row "imports, model" says how much they are. Tuning, two
threads, 16 x 41 tokens: transformers with AdamW in full, with PEFT's LoRA of rank 8, ours in full, on a circuit and LoRA; a step is the
median of those after the first, and both full losses are compared.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

STEPS, RATE = 6, 1e-5
ROOT = Path(__file__).resolve().parents[2]


def load(model):
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

    if model == "gpt2-small-shape":
        torch.manual_seed(0)
        return GPT2LMHeadModel(GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)).eval(), 50257
    hf = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    return hf, hf.config.vocab_size


def pairs(vocab, count=16, tokens=5):
    """[{"text_ids", "counterfactual_ids", "readouts"}] of random ids."""
    import random

    draw = random.Random(0)
    rows = []
    for _ in range(count):
        ids = [draw.randrange(1, vocab) for _ in range(tokens)]
        other = [*ids]
        other[1] = draw.randrange(1, vocab)
        a, b = draw.sample(range(1, vocab), 2)
        rows.append({"text_ids": ids, "counterfactual_ids": other,
                     "readouts": [{"position": tokens, "correct_id": a, "wrong_id": b}]})
    return rows


def metric_of(logits, rows):
    import torch

    last = logits[:, -1].float()
    at = torch.arange(len(rows))
    return (last[at, [r["readouts"][0]["correct_id"] for r in rows]] - last[at, [r["readouts"][0]["wrong_id"] for r in rows]]).sum()


def imports(model):
    import circuit_tuning as ct
    import peft  # noqa: F401

    start = time.perf_counter()
    hf, _ = load(model)
    ct.Model(hf)
    return time.perf_counter() - start


def plain(model):
    import torch

    hf, vocab = load(model)
    rows = pairs(vocab)
    ids = torch.tensor([r["text_ids"] for r in rows])
    start = time.perf_counter()
    metric_of(hf(input_ids=ids).logits, rows).backward()
    return time.perf_counter() - start


def lens(model, steps):
    """EAP (steps = 1) or EAP-IG over the embedding's path, with every node's output cached and every reader's gradient."""
    import torch
    from transformer_lens import HookedTransformer
    from transformer_lens import HookedTransformerConfig

    hf, vocab = load(model)
    config = hf.config
    if model == "gpt2-small-shape":
        cfg = HookedTransformerConfig(n_layers=12, d_model=768, d_head=64, n_heads=12, d_mlp=3072, n_ctx=1024, d_vocab=50257,
                                      act_fn="gelu_new", normalization_type="LNPre")
    else:
        cfg = HookedTransformerConfig(
            n_layers=config.num_hidden_layers, d_model=config.hidden_size, d_head=config.hidden_size // config.num_attention_heads,
            n_heads=config.num_attention_heads, n_key_value_heads=config.num_key_value_heads, d_mlp=config.intermediate_size,
            n_ctx=2048, d_vocab=vocab, act_fn="silu", gated_mlp=True, normalization_type="RMSPre", positional_embedding_type="rotary",
            rotary_dim=config.hidden_size // config.num_attention_heads, final_rms=True)
    del hf
    net = HookedTransformer(cfg)  # its values do not matter for its time
    net.set_use_attn_result(True)
    net.set_use_split_qkv_input(True)
    net.set_use_hook_mlp_in(True)
    rows = pairs(vocab)
    clean = torch.tensor([r["text_ids"] for r in rows])
    other = torch.tensor([r["counterfactual_ids"] for r in rows])
    batch, tokens, layers, heads = *clean.shape, cfg.n_layers, cfg.n_heads
    n_up = 1 + layers * (heads + 1)
    readers = [(f"blocks.{l}.hook_{x}_input", l, x) for l in range(layers) for x in "qkv"]
    readers += [(f"blocks.{l}.hook_mlp_in", l, "m") for l in range(layers)] + [(f"blocks.{layers - 1}.hook_resid_post", layers, "r")]
    start = time.perf_counter()
    difference = torch.zeros(batch, tokens, n_up, cfg.d_model)

    def keep(sign):
        def at(first, width):
            def hook(value, hook):
                part = value.detach()
                difference[:, :, first : first + width] += sign * (part if part.dim() == 4 else part.unsqueeze(2))

            return hook

        hooks = [("hook_embed", at(0, 1))]
        for l in range(layers):
            hooks += [(f"blocks.{l}.attn.hook_result", at(1 + l * (heads + 1), heads)),
                      (f"blocks.{l}.hook_mlp_out", at(1 + l * (heads + 1) + heads, 1))]
        return hooks

    with torch.no_grad():
        for ids, sign in ((other, 1), (clean, -1)):
            net.run_with_hooks(ids, fwd_hooks=keep(sign))
        embeddings = {name: net.embed(ids) for name, ids in (("clean", clean), ("other", other))}
    scores = torch.zeros(n_up, layers * (3 * heads + 1) + 1)

    def gradient(layer, kind):
        first = layers * (3 * heads + 1) if kind == "r" else layer * (3 * heads + 1) + {"q": 0, "k": heads, "v": 2 * heads, "m": 3 * heads}[kind]
        seen = n_up if kind == "r" else 1 + layer * (heads + 1) + (heads if kind == "m" else 0)

        def hook(value, hook):
            g = value if value.dim() == 4 else value.unsqueeze(2)
            scores[:seen, first : first + g.shape[2]] += torch.einsum("btuh,btrh->ur", difference[:, :, :seen], g)

        return hook

    backward = [(name, gradient(l, kind)) for name, l, kind in readers]
    for step in range(steps):
        share = (step + 1) / steps if steps > 1 else 1.0
        mixed = embeddings["other"] + share * (embeddings["clean"] - embeddings["other"])
        forward = [("hook_embed", lambda value, hook: mixed.requires_grad_())]
        with net.hooks(fwd_hooks=forward, bwd_hooks=backward):
            metric_of(net(clean), rows).backward()
        net.zero_grad()
    return time.perf_counter() - start


def ours(model, method, **settings):
    import circuit_tuning as ct

    hf, vocab = load(model)
    m = ct.Model(hf)
    start = time.perf_counter()
    ct.discover(m, pairs(vocab), method=method, ablation="counterfactual", metric="logit_diff", **settings)
    return time.perf_counter() - start


def train_ids(vocab):
    import random

    draw = random.Random(1)
    return [[draw.randrange(1, vocab) for _ in range(41)] for _ in range(16)]


def train_transformers(model, lora):
    import torch

    hf, vocab = load(model)
    hf.train()
    if lora:
        import peft

        hf = peft.get_peft_model(hf, peft.LoraConfig(r=8, target_modules="all-linear"))
    optimizer = torch.optim.AdamW([p for p in hf.parameters() if p.requires_grad], lr=RATE, weight_decay=0)
    ids = torch.tensor(train_ids(vocab))
    times, losses = [], []
    for _ in range(STEPS):
        start = time.perf_counter()
        loss = hf(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)
        losses.append(loss.item())
    return statistics.median(times[1:]), losses


def train_ours(model, method):
    import circuit_tuning as ct

    hf, vocab = load(model)
    records = [{"text_ids": ids, "readouts": [{"position": 40, "correct_id": 5, "wrong_id": 6}]} for ids in train_ids(vocab)]
    steps = list(ct.tune(ct.Model(hf), records, method=method, steps=STEPS, every=STEPS, n=2000, batch=16, lr=RATE, clip=0.0,
                         evaluation_every=STEPS, discovery_ablation="zero"))
    return statistics.median([s.seconds for s in steps[1:]]), [s.loss for s in steps]


ROWS = {
    "scores": {
        "imports, model": (1, lambda m: imports(m)),
        "transformers: forward, backward": (1, lambda m: plain(m)),
        "TransformerLens: EAP": (1, lambda m: lens(m, 1)),
        "TransformerLens: EAP-IG (5)": (1, lambda m: lens(m, 5)),
        "ours: EAP": (1, lambda m: ours(m, "eap")),
        "ours: EAP-IG (5)": (1, lambda m: ours(m, "eap-ig-inputs", ig_steps=5)),
    },
    "tuning": {
        "transformers: full": (2, lambda m: train_transformers(m, False)),
        "transformers: LoRA r = 8 (PEFT)": (2, lambda m: train_transformers(m, True)),
        "ours: full": (2, lambda m: train_ours(m, "full")),
        "ours: circuit": (2, lambda m: train_ours(m, "circuit")),
        "ours: LoRA": (2, lambda m: train_ours(m, "lora")),
    },
}


def measure(model, group, row):
    """In this process."""
    import torch

    threads, work = ROWS[group][row]
    torch.set_num_threads(threads)
    found = work(model)
    seconds, losses = found if isinstance(found, tuple) else (found, [])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"model": Path(model).name, "group": group, "row": row, "seconds": seconds, "peak_mb": peak, "losses": losses}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--rows", default="scores,tuning")
    parser.add_argument("--json")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.models[0], *options.one)
        return
    smollm2 = ROOT / "examples" / "smollm2" / "model"
    models = options.models or [*([str(smollm2)] if smollm2.is_dir() else []), "gpt2-small-shape"]
    found = []
    for model in models:
        for group in options.rows.split(","):
            for row in ROWS[group]:
                done = subprocess.run([sys.executable, __file__, model, "--one", group, row], capture_output=True, text=True)
                if done.returncode != 0:
                    print(f"{row}: failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                    continue
                found.append(json.loads(done.stdout.strip().splitlines()[-1]))
                one = found[-1]
                print(f"{one['model']:<18} {one['row']:<34} {one['seconds']:9.3f} s {one['peak_mb']:8.0f} MB", flush=True)
    for model in {one["model"] for one in found}:
        curves = {one["row"]: one["losses"] for one in found if one["model"] == model and one["losses"]}
        theirs, mine = curves.get("transformers: full"), curves.get("ours: full")
        if theirs and mine:
            most = max(abs(a - b) for a, b in zip(theirs, mine))
            print(f"{model:<18} loss of {len(mine)} steps, transformers against ours, both full: {theirs[0]:.6f} to {theirs[-1]:.6f}, "
                  f"largest difference {most:.1e}")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
