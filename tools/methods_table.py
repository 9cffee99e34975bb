#!/usr/bin/env python3
"""Measures every scoring method on two small models and writes the tables of docs/choosing-a-method.md.

    python3 tools/methods_table.py [--circuit build/release/circuit] [--records N] [--out docs/choosing-a-method.md]

Run it from the repository's root. Records are split in two: every other one is scored, the circuits are judged on the
rest. Each method is one `circuit discover --ungrouped` and one `circuit evaluate`, on one thread. The scores of `exact`
are the truth for the others: Pearson's r and Spearman's rho over all edges with a bootstrap interval over edges (ranks
are those of all edges), equal signs, and the overlap of the top 5 % by |score|. Tables go to stdout and between the two marker
lines of --out. The pronoun task lies in --shared and is skipped, saying so, where that is absent; then
--out is left as it is. Standard library only.
"""

import argparse
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

METHODS = ["exact", "eap", "eap-ig-inputs", "eap-ig-activations", "eap-ig-activations-own", "relp", "gim", "clean-corrupted",
           "edge-pruning", "magnitude", "wanda", "random"]
NEED_PAIRS = {"eap-ig-inputs", "clean-corrupted"}
GROUPED = {"edge-pruning"}  # refuse --ungrouped where heads share keys and values
NO_EFFECTS = {"edge-pruning", "magnitude", "wanda"}  # their scores estimate no effect and have no sign
RANDOM_SEEDS = [0, 1, 2]  # one draw of random scores says little about CPR
TOP_SHARE = 0.05
CURVE_SHARE = 0.1  # the point of the faithfulness curve that is shown
RESAMPLES = 1000
BEGIN, END = "<!-- methods_table: begin -->", "<!-- methods_table: end -->"


class Failure(Exception):
    """A one-line error."""


def agreement_records(path):
    """examples/agreement with the answers exchanged: `correct` is the grammatical verb, which the model prefers."""
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        for readout in record["readouts"]:
            readout["correct"], readout["wrong"] = readout["wrong"], readout["correct"]
        yield record


def pronoun_records(path):
    """Clean and corrupted token ids, as a record with a counterfactual; the answers are those of the clean text."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        readout = {"position": len(row["clean_ids"]), "correct_id": row["answer_id"], "wrong_id": row["wrong_id"]}
        yield {"text_ids": row["clean_ids"], "counterfactual_ids": row["corrupted_ids"], "readouts": [readout]}


def settings(shared):
    pronoun = shared / "models/stories260K"
    return [
        ("Subject-verb agreement, books-4l", Path("examples/books-4l"), Path("examples/agreement/dev.jsonl"), agreement_records),
        ("Pronouns, stories260K", pronoun, pronoun / "task_pronoun.jsonl", pronoun_records),
    ]


def run(command):
    """Stdout, wall seconds and CPU seconds of a command on one thread."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ranks(values):
    """Ranks from 0, equal values at their mean rank."""
    order, rank = sorted(range(len(values)), key=values.__getitem__), [0.0] * len(values)
    first = 0
    while first < len(order):
        end = first
        while end < len(order) and values[order[end]] == values[order[first]]:
            end += 1
        for i in order[first:end]:
            rank[i] = (first + end - 1) / 2
        first = end
    return rank


def correlation(pairs):
    n = len(pairs)
    mean_x, mean_y = sum(x for x, _ in pairs) / n, sum(y for _, y in pairs) / n
    xy = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    xx, yy = sum((x - mean_x) ** 2 for x, _ in pairs), sum((y - mean_y) ** 2 for _, y in pairs)
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else math.nan


def with_bootstrap(x, y):
    """Correlation of x and y, with its 95 % bootstrap interval over their elements."""
    pairs, rng = list(zip(x, y)), random.Random(0)
    drawn = sorted(correlation(rng.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    return interval(correlation(pairs), drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES) - 1])


def interval(value, low, high):
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def strongest(scores):
    return set(sorted(range(len(scores)), key=lambda e: -abs(scores[e]))[: int(TOP_SHARE * len(scores))])


def same_sign(scores, exact, edges):
    """Share of the edges whose score has the sign of the exact one; a score of 0 has none."""
    return percent(sum(scores[e] * exact[e] > 0 for e in edges) / len(edges))


def percent(share):
    return f"{100 * share:.0f} %"


def against_exact(scores, exact):
    top, scored = strongest(exact), [e for e, score in enumerate(scores) if score != 0]
    return [with_bootstrap(scores, exact), with_bootstrap(ranks(scores), ranks(exact)), percent(len(scored) / len(scores)),
            same_sign(scores, exact, scored), same_sign(scores, exact, top), percent(len(top & strongest(scores)) / len(top))]


def area(value):
    return "not defined" if value is None else interval(value["value"], value["low"], value["high"])


def table(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]) + "\n"


def measure(circuit, name, model, records, limit, folder):
    """The Markdown of one setting."""
    halves = {"score": records[0::2], "judge": records[1::2]}
    for half, part in halves.items():
        halves[half] = part[:limit] if limit else part
        (folder / f"{half}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in halves[half]), encoding="utf-8")
    pairs = all("counterfactual" in r or "counterfactual_ids" in r for r in records)
    ablation = "counterfactual" if pairs else "mean"
    options = ["--ablation", ablation, "--threads", "1", "--quiet"]
    judged = ["--ablation-data", str(folder / "score.jsonl")] if not pairs else []
    exact = None
    rows = [["method", "wall s", "CPU s", "Pearson r", "Spearman ρ", "edges scored", "same sign, of those",
             f"same sign, top {percent(TOP_SHARE)}", f"overlap of top {percent(TOP_SHARE)}"]]
    circuits = [["method", "wall s", "CPU s", "CPR (higher is better)", "CMD (lower is better)", f"f at {percent(CURVE_SHARE)} of edges, by \\|S\\|"]]
    for method, seed in [(m, s) for m in METHODS for s in (RANDOM_SEEDS if m == "random" else [0])]:
        label = f"`{method}`" + (f", seed {seed}" if method == "random" else "")
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        shares = config.get("num_key_value_heads", 0) not in (0, config.get("num_attention_heads"))
        reason = "needs pairs" if method in NEED_PAIRS and not pairs else "refuses `--ungrouped`" if method in GROUPED and shares else ""
        if reason:
            rows.append([label, reason] + [""] * (len(rows[0]) - 2))
            circuits.append([label, reason] + [""] * (len(circuits[0]) - 2))
            continue
        print(f"{name}: {label} …", file=sys.stderr)
        out = folder / f"{method}.json"
        _, wall, cpu = run([circuit, "discover", str(model), str(folder / "score.jsonl"), "--ungrouped", "--method", method,
                            "--seed", str(seed), "-o", str(out), *options])
        scores = [edge["score"] for edge in json.loads(out.read_text(encoding="utf-8"))["edges"].values()]
        exact = exact or scores  # METHODS begins with exact
        compared = [""] * (len(rows[0]) - 3) if method in NO_EFFECTS else against_exact(scores, exact)
        rows.append([label, f"{wall:.1f}", f"{cpu:.1f}", *compared])
        text, wall, cpu = run([circuit, "evaluate", str(model), str(folder / "judge.jsonl"), "--circuit", str(out),
                               "--redundancy", "0", "--json", *options, *judged])
        judgement, cost = json.loads(text), [f"{wall:.1f}", f"{cpu:.1f}"]
        if judgement["faithfulness"] is None:
            circuits.append([label, *cost] + ["not defined"] * 3)
            continue
        point = next(p for p in judgement["curve"]["magnitude"] if p["share"] == CURVE_SHARE)
        circuits.append([label, *cost, area(judgement["cpr"]), area(judgement["cmd"]), area(point["faithfulness"])])
    ends = ", ".join(f"m({end}) {area(judgement['intervals'][end])}" for end in ("full", "empty"))
    return (f"### {name}\n\nModel `{model}`, {len(exact):,} edges, `logit_diff`, `--ablation {ablation}`, all positions, 1 thread. "
            f"{len(halves['score'])} records scored, {len(halves['judge'])} others judged; on those {ends}.\n\n"
            f"    circuit discover {model} score.jsonl --ungrouped --method METHOD {' '.join(options[:4])} -o METHOD.json\n"
            f"    circuit evaluate {model} judge.jsonl --circuit METHOD.json --redundancy 0 {' '.join(options[:4])}"
            f"{' --ablation-data score.jsonl' if judged else ''} --json\n\n{table(rows)}\n{table(circuits)}")


def write_between_markers(path, text):
    page = path.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise Failure(f"{path}: expected one line {BEGIN} and after it one line {END}.")
    path.write_text(page[: page.index(BEGIN) + len(BEGIN)] + "\n\n" + text + "\n" + page[page.index(END):], encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Measures every scoring method; writes the tables of docs/choosing-a-method.md.")
    parser.add_argument("--circuit", default="build/release/circuit", help="the program")
    parser.add_argument("--records", type=int, default=0, metavar="N", help="records scored, and judged; 0 (default): half of the file")
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="folder with models/stories260K")
    parser.add_argument("--out", type=Path, default=Path("docs/choosing-a-method.md"), help="page with the two marker lines")
    args = parser.parse_args()
    if args.records < 0:
        raise Failure(f"--records: found {args.records}, expected 0 or more.")
    if not Path(args.circuit).is_file():
        raise Failure(f"{args.circuit}: no such file. Build it with make build, or name it with --circuit.")
    if not args.out.is_file():
        raise Failure(f"{args.out}: no such file. Run this from the repository's root.")
    parts, wanted = [], settings(args.shared)
    for name, model, path, read in wanted:
        if not path.is_file():
            print(f"skipped: {name}: {path} is absent.", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            parts.append(measure(args.circuit, name, model, list(read(path)), args.records, Path(folder)))
    text = "\n".join(parts)
    print(text)
    if len(parts) < len(wanted):
        print(f"{args.out} is left as it is: a setting was skipped.", file=sys.stderr)
        return
    write_between_markers(args.out, text)


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError, KeyError, ValueError) as error:
        sys.exit(f"methods_table.py: {error}")
