"""How a model unlearns agreement, from its own circuits: trains, analyses, and writes the tables of docs/study.md.

    python3 tools/study.py                      # about an hour on one core; goes on where it was stopped
    python3 tools/study.py --seeds 2 --steps 60 # a short look

Runs of `circuit`, `complement` and `random` for every seed, each with `circuit analyse`. Means over seeds with half the
95 % t interval. Standard library only.
"""
import argparse
import json
import math
import pathlib
import sqlite3
import subprocess

METHODS = ("circuit", "complement", "random")
# Half-widths of the 95 % interval in standard errors, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def mean_of(values):
    """Mean and half-width as text; the half-width is left out for one value."""
    values = [v for v in values if v is not None]
    if not values:
        return "undefined"
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.3g}"
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return f"{mean:.3g} ± {T[len(values) - 1] * deviation / math.sqrt(len(values)):.2g}"


class Run:
    """One run's outcomes and analyses."""

    def __init__(self, options, method, seed):
        self.folder = pathlib.Path(options.out) / f"{method}-{seed}"
        self.binary = options.binary
        if not (self.folder / "report.html").exists():
            command = (["tune", "--resume", str(self.folder)] if self.folder.exists() else
                       ["tune", options.config, "--set", f"run.path={self.folder}", "--set", f"tuning.method={method}",
                        "--set", f"tuning.seed={seed}", "--set", f"tuning.steps={options.steps}",
                        "--set", "discovery.mlp_block=64", "--set", "selection.n=100", "--set", "discovery.every=10",
                        "--set", "discovery.batches=8", "--set", "evaluation.every=100",
                        "--set", "evaluation.keep=all"])
            self.call(*command)
        kept = self.folder / "analyse.json"
        if not kept.exists():
            text = self.call("analyse", str(self.folder), "--json", "--records", "100", "--states", "4")
            kept.write_text(text)
        self.analyses = {each["analysis"]: each for each in json.loads(kept.read_text())}

    def call(self, *arguments):
        return subprocess.run([self.binary, *arguments, "--quiet", "--threads", "1"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def rows(self, analysis, table):
        """A table as dictionaries; empty where the analysis was not done."""
        for each in self.analyses[analysis]["tables"]:
            if each["name"] == table:
                return [dict(zip(each["columns"], row)) for row in each["rows"]]
        return []

    def summary(self):
        database = sqlite3.connect(self.folder / "run.db")
        return json.loads(database.execute("SELECT value FROM meta WHERE key = 'summary'").fetchone()[0])


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def outcomes(runs):
    names = ("test/metric", "test/accuracy", "untouched/perplexity")
    first = next(iter(runs.values()))[0].summary()["before"]
    rows = [["before", *(f"{first[name]:.3g}" for name in names), "", ""]]
    for method, group in runs.items():
        summaries = [run.summary() for run in group]
        rows.append([method, *(mean_of([s["after"][name] for s in summaries]) for name in names),
                     mean_of([s["largest_trainable"] / s["all_parameters"] for s in summaries]),
                     mean_of([s["touched_share"] for s in summaries])])
    return table(["method", *names, "trainable at most", "touched"], rows)


def nodes(group, analysis, name, columns, count):
    """Nodes by the mean of the first column over runs, with all columns."""
    values = {}
    for run in group:
        for row in run.rows(analysis, name):
            values.setdefault(row["node"], []).append([row[c] for c in columns])
    order = sorted(values, key=lambda n: -abs(sum(v[0] for v in values[n])))
    return table(["node", *columns], [[f"`{n}`", *(mean_of(list(column)) for column in zip(*values[n]))] for n in order[:count]])


def trends(group, least):
    found = {}
    for run in group:
        for row in run.rows("trends", "trends"):
            found.setdefault((row["edge"], row["direction"]), []).append(row)
    rows = [[f"`{edge}`", direction, f"{len(all_)} of {len(group)}", mean_of([r["slope_per_100_steps"] for r in all_]),
             mean_of([r["first"] for r in all_]), mean_of([r["last"] for r in all_])]
            for (edge, direction), all_ in found.items() if len(all_) >= least]
    rows.sort(key=lambda row: -abs(float(row[3].split()[0])))
    counts = [[sum(r["direction"] == d for r in run.rows("trends", "trends")) for run in group]
              for d in ("strengthened", "weakened")]
    return (f"Strengthened {mean_of(counts[0])}, weakened {mean_of(counts[1])} edges a run.\n\n" +
            table(["edge", "direction", "seeds", "slope per 100 steps", "|S| first", "|S| last"], rows))


def last_of(run, analysis, name, column):
    rows = run.rows(analysis, name)
    return rows[-1][column] if rows else None


def stability(runs):
    rows = []
    for method, group in runs.items():
        core = [run.rows("core-circuit", "core_circuit") for run in group]
        overlap = [run.rows("overlap", "overlap") for run in group]
        rows.append([method, mean_of([len(c) for c in core]),
                     mean_of([sum(e["in_first"] for e in c) / len(c) if c else None for c in core]),
                     mean_of([o[0]["last"] for o in overlap]), mean_of([o[0]["chance_with_last"] for o in overlap]),
                     mean_of([sum(r["previous"] for r in o[1:]) / (len(o) - 1) for o in overlap]),
                     mean_of([last_of(run, "rank-correlation", "rank_correlation", "first") for run in group])])
    return table(["method", "core edges", "of them in the base's circuit", "Jaccard first–last", "by chance",
                  "Jaccard of neighbours", "ρ of |S|, first–last"], rows)


def faithfulness(runs):
    rows = []
    for method, group in runs.items():
        own = [run.rows("faithfulness", "faithfulness") for run in group]
        cross = [run.rows("faithfulness", "cross_application") for run in group]
        base_on_last = [next((r["faithfulness"] for r in c if r["circuit_step"] == 0 and r["model_step"] == o[-1]["model_step"]), None)
                        for c, o in zip(cross, own)]
        last_on_base = [next((r["faithfulness"] for r in reversed(c) if r["model_step"] == 0), None) for c in cross]
        rows.append([method, mean_of([o[0]["faithfulness"] for o in own]), mean_of([o[-1]["faithfulness"] for o in own]),
                     mean_of(base_on_last), mean_of(last_on_base)])
    return table(["method", "first circuit, base model", "last circuit, last model", "first circuit, last model",
                  "last circuit, base model"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="build/release/circuit")
    parser.add_argument("--config", default="examples/agreement/circuit.toml")
    parser.add_argument("--out", default="runs/study")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    runs = {}
    for seed in range(options.seeds):
        for method in METHODS:
            runs.setdefault(method, []).append(Run(options, method, seed))
    group = runs["circuit"]
    last = f"step_{options.steps}"
    parts = [("Outcome", outcomes(runs)),
             ("Direct logit attribution, circuit-tuning", nodes(group, "direct-logit", "direct_logit", ["step_0", last, "change"], 10)),
             ("Node strength, circuit-tuning", nodes(group, "node-strength", "node_strength", ["first", "last", "mean"], 12)),
             ("Edges that strengthened or weakened, circuit-tuning", trends(group, (options.seeds + 1) // 2)),
             ("What stays", stability(runs)),
             ("Faithfulness", faithfulness(runs)),
             ("Drift of W_V W_O, circuit-tuning",
              nodes([Heads(run) for run in group], "ov-drift", "ov_drift",
                    ["change", "relative_change", "share_of_sigma_1", "cos_principal_difference"], 8))]
    text = "".join(f"### {title}\n\n{body}\n" for title, body in parts)
    path = pathlib.Path(options.out) / "study.md"
    path.write_text(text)
    print(text + f"written to {path}")


class Heads:
    """A run whose tables call a head a node."""

    def __init__(self, run):
        self.run = run

    def rows(self, analysis, name):
        return [{**row, "node": row["head"]} for row in self.run.rows(analysis, name)]


if __name__ == "__main__":
    main()
