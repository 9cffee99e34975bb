"""Two builds of the program, the same six runs: are run.db, exports and circuits the same bytes?

    python3 tools/same_results.py --before OLD/circuit --after build/release/circuit

For a redesign that must not change a result. The six configurations cross families (GPT-2, Llama with grouped keys,
Gemma 2, GPT-NeoX, Qwen 3, OPT), methods of tuning, scorers, selectors, optimisers and dtypes; each is tuned, resumed from
its end, exported as model and as delta (or adapter), discovered, evaluated and analysed. Models other than books-4l are
made from their config.json with random weights. What stands for a version or a time is left out, and only that.
Standard library only. Exit code 1 when anything differs.
"""
import argparse
import hashlib
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile

BOOKS = pathlib.Path("examples/books-4l")
TASK = pathlib.Path("examples/agreement")
COMMON = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4,
          "vocab_size": 4096, "max_position_embeddings": 128, "bos_token_id": 4095, "eos_token_id": 4095}
FAMILIES = {
    "llama": {**COMMON, "model_type": "llama", "num_key_value_heads": 2, "hidden_act": "silu", "rms_norm_eps": 1e-5,
              "tie_word_embeddings": False},
    "gemma2": {**COMMON, "model_type": "gemma2", "num_key_value_heads": 2, "head_dim": 12,
               "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "query_pre_attn_scalar": 12,
               "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window": 8},
    "gpt_neox": {**COMMON, "model_type": "gpt_neox", "rotary_pct": 0.5, "use_parallel_residual": True,
                 "hidden_act": "gelu", "layer_norm_eps": 1e-5, "tie_word_embeddings": False},
    "qwen3": {**COMMON, "model_type": "qwen3", "num_key_value_heads": 2, "head_dim": 12, "hidden_act": "silu",
              "rms_norm_eps": 1e-6, "tie_word_embeddings": True},
    "opt": {**COMMON, "model_type": "opt", "ffn_dim": 80, "activation_function": "relu", "do_layer_norm_before": True,
            "word_embed_proj_dim": 48, "tie_word_embeddings": True},
}
# name: model, dtype, settings
RUNS = {
    "circuit": ("books-4l", "f32", {"selection.n": 300, "tuning.steps": 12, "discovery.smoothing": 0.5}),
    "fixed": ("llama", "f32", {
        "tuning.method": "fixed", "discovery.method": "eap-ig-activations", "discovery.ig_steps": 3,
        "selection.kind": "top-nodes", "selection.n": 6, "optimizer.kind": "sgd", "optimizer.lr": 0.05,
        "data.replay": TASK / "untouched.txt", "data.window": 32, "evaluation.circuit_records": 8}),
    "complement": ("gemma2", "f32", {
        "tuning.method": "complement", "selection.n": 60, "discovery.every": 3, "tuning.accumulation": 2,
        "tuning.train_norms": "true", "tuning.recompute": "true", "run.keep_scores": "every"}),
    "random": ("gpt_neox", "bf16", {
        "tuning.method": "random", "discovery.mlp_block": 20, "selection.n": 60, "tuning.regulariser": 0.1,
        "selection.extra_random": 0.2, "optimizer.rates": "m*=0.5", "optimizer.schedule": "cosine"}),
    "lora": ("qwen3", "f32", {
        "tuning.method": "lora", "lora.rank": 2, "lora.circuit": "true", "selection.n": 80,
        "discovery.ungrouped": "true", "discovery.metric": "prob_diff"}),
    "full": ("opt", "f32", {
        "tuning.method": "full", "optimizer.weight_decay": 0.1, "tuning.readout_weight": 3, "evaluation.keep": "all"}),
}
TIMES = re.compile(r"second|created|version|\btime\b")


def make_models(folder):
    for name, config in FAMILIES.items():
        model = folder / name
        model.mkdir()
        (model / "config.json").write_text(json.dumps(config))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(BOOKS / file, model)


def call(binary, folder, *arguments):
    done = subprocess.run([str(binary), *map(str, arguments), "--quiet", "--threads", "1"], cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{binary} {' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def work(binary, folder, root, only):
    """Everything the six runs leave, under `folder`."""
    make_models(folder)
    (folder / "empty.toml").write_text("")  # every setting that is not a default is given with --set
    for name, (model, dtype, settings) in RUNS.items():
        if only and name not in only:
            continue
        pretrained = model == "books-4l"
        keys = {"model.path": root / BOOKS if pretrained else folder / model,
                "model.init": "pretrained" if pretrained else "random",
                "data.train": TASK / "train.jsonl", "data.dev": TASK / "dev.jsonl", "tuning.steps": 6, "tuning.batch": 4,
                "tuning.seed": 5, "evaluation.every": 3, "run.path": folder / name, **settings}
        keys = {k: root / v if isinstance(v, pathlib.Path) and not v.is_absolute() else v for k, v in keys.items()}
        small = (root / TASK / "dev.jsonl").read_text().splitlines(keepends=True)[:24]
        (folder / "dev.jsonl").write_text("".join(small))
        keys["data.dev"] = folder / "dev.jsonl"
        sets = [item for key, value in keys.items() for item in ("--set", f"{key}={value}")]
        call(binary, folder, "tune", folder / "empty.toml", *sets, "--dtype", dtype)
        call(binary, folder, "export", folder / name, "-o", folder / f"{name}-model")
        call(binary, folder, "export", folder / name, "--adapter" if name == "lora" else "--delta", "-o",
             folder / f"{name}-change")
        exported = folder / f"{name}-model"
        call(binary, folder, "discover", exported, folder / "dev.jsonl", "--ablation", "mean", "--top-edges", "40",
             "-o", folder / f"{name}-circuit.json")
        for file, arguments in {
                "evaluate": ["evaluate", exported, folder / "dev.jsonl", "--circuit", folder / f"{name}-circuit.json",
                             "--ablation", "mean", "--json"],
                "score": ["score", exported, folder / "dev.jsonl", "--json"],
                "text": ["generate", exported, "--prompt", "The old man", "--max-tokens", "12"],
                "inspect": ["inspect", exported, "--json"]}.items():
            (folder / f"{name}-{file}.out").write_text(call(binary, folder, *arguments))
        call(binary, folder, "report", folder / name, "-o", folder / f"{name}.html")


def rows_of(path):
    """run.db as text, a line a row, without columns and keys for versions and times."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    lines = []
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        columns = [c[1] for c in db.execute(f"PRAGMA table_info({table})")]
        kept = [i for i, c in enumerate(columns) if not TIMES.search(c)]
        for row in db.execute(f"SELECT * FROM {table}"):
            if table == "meta" and TIMES.search(str(row[0])):
                continue
            cells = [hashlib.sha256(v).hexdigest() if isinstance(v, bytes) else repr(v) for v in (row[i] for i in kept)]
            lines.append(re.sub(r'"seconds":[^,}]*', '"seconds":0', f"{table}({', '.join(columns[i] for i in kept)}): "
                                + ", ".join(cells)))
    db.close()
    return lines


def content(path):
    if path.suffix == ".db":
        return rows_of(path)
    if path.suffix == ".html":  # holds times and the version; its length says little, so it is compared without them
        return [re.sub(r'"seconds":[^,}]*|[0-9.]+ ?(s|min|h)\b|\d+\.\d+\.\d+|"[A-Za-z0-9+/=]{40,}"', "", path.read_text())]
    if path.suffix in (".out", ".toml", ".json", ".jsonl"):
        text = re.sub(r'"(seconds|version|created)": *[^,}\n]*', "", path.read_text())
        return text.splitlines()
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + length])
        meta = header.get("__metadata__", {})
        for key in [key for key in meta if TIMES.search(key) and key != "format_version"]:
            del meta[key]
        return [json.dumps(header, sort_keys=True), hashlib.sha256(data[8 + length:]).hexdigest()]
    return [hashlib.sha256(data).hexdigest()]


def compare(before, after, pages):
    ignored = ("log.txt",)
    names = sorted({p.relative_to(f) for f in (before, after) for p in f.rglob("*")
                    if p.is_file() and p.name not in ignored and not p.name.endswith(("-wal", "-shm"))
                    and (pages or p.suffix != ".html")})
    differing = 0
    for name in names:
        if not (before / name).exists() or not (after / name).exists():
            print(f"{name}: only {'before' if (before / name).exists() else 'after'}")
            differing += 1
            continue
        a, b = content(before / name), content(after / name)
        if a != b:
            differing += 1
            first = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            print(f"{name}: differs at line {first + 1} of {len(a)} and {len(b)}")
            for lines in (a, b):
                print("   ", (lines[first] if first < len(lines) else "(end)")[:300])
    print(f"{len(names)} files of {len(RUNS)} runs: {differing} differ")
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, type=pathlib.Path)
    parser.add_argument("--after", default="build/release/circuit", type=pathlib.Path)
    parser.add_argument("--only", action="append", choices=list(RUNS))
    parser.add_argument("--pages", action="store_true", help="compare report pages too")
    parser.add_argument("--keep", type=pathlib.Path, help="keep what `before` made in this folder, and use it next time")
    options = parser.parse_args()
    root = pathlib.Path.cwd()
    base = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="same-results-"))
    base.mkdir(exist_ok=True)
    place = base / "work"  # both work in the same place, since runs hold absolute paths
    for name, binary in (("before", options.before), ("after", options.after)):
        if (base / name).exists():
            if name == "before":
                continue
            shutil.rmtree(base / name)
        if place.exists():
            shutil.rmtree(place)
        place.mkdir()
        work(binary.resolve(), place, root, options.only)
        place.rename(base / name)
    differing = compare(base / "before", base / "after", options.pages)
    if not options.keep:
        shutil.rmtree(base)
    raise SystemExit(1 if differing else 0)


if __name__ == "__main__":
    main()
