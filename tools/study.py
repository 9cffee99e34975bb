"""How a model unlearns agreement, from its own circuits: trains, analyses, and writes the tables of docs/study.md.

    python3 tools/study.py --jobs 2                          # half an hour on two cores; goes on where it was stopped
    python3 tools/study.py --seeds 2 --steps 60 --out runs/x # a short look

Runs of `circuit`, `complement` and `random` for every seed, each with `circuit analyse`. Means over seeds ± half the
95 % t interval. Standard library only.
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import sqlite3
import subprocess
import tempfile

METHODS = ("circuit", "complement", "random")
# Half-widths of the 95 % interval in standard errors, by degrees of freedom.
T = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def mean_of(values):
    """Mean and half-width as text; the half-width is left out for one value, a dash stands for none."""
    values = [v for v in values if v is not None]
    if not values:
        return "–"
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.3g}"
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return f"{mean:.3g} ± {T[len(values) - 1] * deviation / math.sqrt(len(values)):.2g}"


def call(binary, *arguments):
    return subprocess.run([binary, *arguments, "--quiet", "--threads", "1"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def test_circuit(options, folder):
    """Nodes and edges found on the test records: of a run's last model, or of the base model where the folder is no run."""
    kept = folder / "test-circuit.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as scratch:
            model = options.model
            if (folder / "run.db").exists():
                model = f"{scratch}/model"
                call(options.binary, "export", str(folder), "--step", str(options.steps), "-o", model)
            call(options.binary, "discover", model, options.test, "--ablation", "mean", "--mlp-block", "64", "--top-edges",
                 "100", "-o", str(kept))
    return json.loads(kept.read_text())


class Run:
    """One run's outcomes and analyses."""

    def __init__(self, options, method, seed):
        self.folder = pathlib.Path(options.out) / f"{method}-{seed}"
        self.binary = options.binary
        if not (self.folder / "report.html").exists():
            command = (["tune", "--resume", str(self.folder)] if self.folder.exists() else
                       ["tune", options.config, "--set", f"run.path={self.folder}", "--set", f"tuning.method={method}",
                        "--set", f"tuning.seed={seed}", "--set", f"tuning.steps={options.steps}",
                        "--set", f"optimizer.lr={options.lr}",
                        "--set", "discovery.mlp_block=64", "--set", "selection.n=100", "--set", "discovery.every=10",
                        "--set", "discovery.batches=8", "--set", "evaluation.every=100",
                        "--set", "evaluation.keep=all"])
            self.call(*command)
        kept = self.folder / "analyse.json"
        if not kept.exists():
            text = self.call("analyse", str(self.folder), "--json", "--records", "100", "--states", "4")
            kept.write_text(text)
        self.analyses = {each["analysis"]: each for each in json.loads(kept.read_text())}

        self.circuit = test_circuit(options, self.folder)

    def call(self, *arguments):
        return call(self.binary, *arguments)

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


def nodes(group, analysis, name, columns, count, wanted=lambda node: True):
    """Nodes by the mean of the first column over runs, with all columns."""
    values = {}
    for run in group:
        for row in run.rows(analysis, name):
            if wanted(row["node"]):
                values.setdefault(row["node"], []).append([row[c] for c in columns])
    order = sorted(values, key=lambda n: -abs(sum(v[0] for v in values[n])))
    return table(["node", *columns], [[f"`{n}`", *(mean_of(list(column)) for column in zip(*values[n]))] for n in order[:count]])


def is_head(node):
    return node.startswith("a")


def layers(group, last):
    """What the nodes of every layer write into the metric, summed, and where the squared change of the weights lies."""
    attributed, changed = {}, {}
    for index, run in enumerate(group):
        for row in run.rows("direct-logit", "direct_logit"):
            kind = row["node"].split(".")[0]
            pair = attributed.setdefault(kind, [[0.0, 0.0] for _ in group])[index]
            pair[0] += row["step_0"]
            pair[1] += row[last]
        rows = run.rows("parameter-change", "parameter_change")
        total = sum(row["change"] ** 2 for row in rows)
        for row in rows:
            kind = row["node"].split(".")[0]
            changed.setdefault(kind, [0.0] * len(group))[index] += row["change"] ** 2 / total
    kinds = sorted(set(attributed) | set(changed), key=lambda k: (k[0] not in "am", k[1:], k))
    rows = []
    for kind in kinds:
        pairs = attributed.get(kind)
        first, then = ([p[0] for p in pairs], [p[1] for p in pairs]) if pairs else ([], [])
        rows.append([f"`{kind}`", mean_of(first), mean_of(then), mean_of([t - f for f, t in zip(first, then)]),
                     mean_of(changed.get(kind, []))])
    return table(["layer", "attribution before", "after", "change", "share of the squared change of weights"], rows)


def two_sided_p(t, freedom):
    """Of Student's t, by Simpson's rule over its density."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    density = lambda x: scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2)
    # The tail as x = |t| + u / (1 - u), u from 0 to 1.
    count = 2000
    total = 0.0
    for i in range(count):
        u = i / count
        weight = 1 if i == 0 else 4 if i % 2 else 2
        total += weight * density(abs(t) + u / (1 - u)) / (1 - u) ** 2
    return min(1.0, 2 * total / (3 * count))


def edge_changes(group, steps, count):
    """|S| of the last three discoveries less that of the first three: a t test over seeds for every edge, q by BH."""
    query = ("SELECT upstream || '->' || downstream AS edge, avg(abs(score)) FILTER (WHERE step <= 20) AS first, "
             f"avg(abs(score)) FILTER (WHERE step >= {steps - 30}) AS last, "
             "avg(score) FILTER (WHERE step <= 20) AS signed_first, "
             f"avg(score) FILTER (WHERE step >= {steps - 30}) AS signed_last FROM edge_series GROUP BY upstream, downstream")
    edges = {}
    for run in group:
        for row in json.loads(run.call("query", str(run.folder), query, "--json")):
            edges.setdefault(row["edge"], []).append(row)
    tested = []
    for edge, rows in edges.items():
        changes = [r["last"] - r["first"] for r in rows]
        mean = sum(changes) / len(changes)
        deviation = math.sqrt(sum((c - mean) ** 2 for c in changes) / (len(changes) - 1))
        if deviation > 0:
            tested.append([two_sided_p(mean / deviation * math.sqrt(len(changes)), len(changes) - 1), edge, mean])
    tested.sort()
    q = 1.0
    found = []
    for rank in range(len(tested), 0, -1):
        p, edge, mean = tested[rank - 1]
        q = min(q, p * len(tested) / rank)
        if q <= 0.05:
            found.append((mean, q, edge))
    text = (f"Of {len(tested):,} edges, at a false discovery rate of 5 % over seeds: {sum(f[0] > 0 for f in found)} strengthened, "
            f"{sum(f[0] < 0 for f in found)} weakened. The largest of each:\n\n")
    rows = []
    for sign, direction in ((-1, "weakened"), (1, "strengthened")):
        for mean, q, edge in sorted(found, key=lambda f: f[0] * -sign):
            if mean * sign < 0 or sum(row[1] == direction for row in rows) == count:
                continue
            columns = zip(*([r[c] for c in ("first", "last", "signed_first", "signed_last")] for r in edges[edge]))
            rows.append([f"`{edge}`", direction, *(mean_of(list(c)) for c in columns), f"{q:.2g}"])
    return text + table(["edge", "", "\\|S\\| first", "\\|S\\| last", "S first", "S last", "q"], rows)


def heads_before(base, runs, count):
    """Heads by Σ |S| of their edges in the base's graph, with the sum of S of those they write, then and after."""
    strength = {}
    for edge, value in base["edges"].items():
        for end in edge.split("->"):
            node = end.split("<")[0]
            if is_head(node):
                strength[node] = strength.get(node, 0) + abs(value["score"])
    def largest(node, index):
        return max((e for e in base["edges"] if e.split("->")[index].split("<")[0] == node),
                   key=lambda e: abs(base["edges"][e]["score"]))
    rows = []
    for node in sorted(strength, key=lambda n: -strength[n])[:count]:
        written, read = largest(node, 0), largest(node, 1)
        rows.append([f"`{node}`", f"{strength[node]:.3f}", f"{base['nodes'][node]['score']:.3f}",
                     *(mean_of([run.circuit["nodes"][node]["score"] for run in group]) for group in runs.values()),
                     f"`{read}` {base['edges'][read]['score']:.3f}", f"`{written}` {base['edges'][written]['score']:.3f}"])
    return table(["head", "Σ \\|S\\| at it", "Σ S it writes, before", *(f"after {m}" for m in runs), "strongest it reads",
                  "strongest it writes"], rows)


def last_circuits(base, runs):
    def edges(circuit):
        return {edge for edge, value in circuit["edges"].items() if value["in_graph"]}

    def jaccard(a, b):
        return len(a & b) / len(a | b)

    def rho(a, b):
        ranks = []
        for circuit in (a, b):
            order = sorted(base["edges"], key=lambda e: abs(circuit["edges"][e]["score"]))
            ranks.append({edge: i for i, edge in enumerate(order)})
        n = len(base["edges"])
        return 1 - 6 * sum((ranks[0][e] - ranks[1][e]) ** 2 for e in base["edges"]) / (n * (n * n - 1))

    return table(["last model of", "Jaccard with the base's circuit", "ρ of \\|S\\| with the base's",
                  *(f"Jaccard with that of {m}, same seed" for m in runs)],
                 [[method, mean_of([jaccard(edges(r.circuit), edges(base)) for r in group]),
                   mean_of([rho(r.circuit, base) for r in group]),
                   *("–" if m == method else mean_of([jaccard(edges(a.circuit), edges(b.circuit)) for a, b in zip(group, other)])
                     for m, other in runs.items())] for method, group in runs.items()])


def last_of(run, analysis, name, column):
    rows = run.rows(analysis, name)
    return rows[-1][column] if rows else None


def stability(runs):
    rows = []
    for method, group in runs.items():
        core = [run.rows("core-circuit", "core_circuit") for run in group]
        # A method that draws its circuit once has nothing to compare.
        overlap = [o for o in (run.rows("overlap", "overlap") for run in group) if len(o) > 1]
        rows.append([method, mean_of([len(c) for c in core]),
                     mean_of([sum(e["in_first"] for e in c) / len(c) if c else None for c in core]),
                     mean_of([o[0]["last"] for o in overlap]), mean_of([o[0]["chance_with_last"] for o in overlap]),
                     mean_of([sum(r["previous"] for r in o[1:]) / (len(o) - 1) for o in overlap]),
                     mean_of([last_of(run, "rank-correlation", "rank_correlation", "first") for run in group])])
    return table(["method", "core edges", "of them in the base's circuit", "Jaccard first–last", "by chance",
                  "Jaccard of neighbours", "ρ of \\|S\\|, first–last"], rows)


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
    parser.add_argument("--model", default="examples/books-4l", help="of the configuration")
    parser.add_argument("--test", default="examples/agreement/test.jsonl")
    parser.add_argument("--out", default="runs/study")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", default="1e-3")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each")
    options = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        started = {m: [pool.submit(Run, options, m, s) for s in range(options.seeds)] for m in METHODS}
        runs = {method: [each.result() for each in group] for method, group in started.items()}
    group = runs["circuit"]
    last = f"step_{options.steps}"
    base = test_circuit(options, pathlib.Path(options.out))
    direct = ["step_0", last, "change"]
    parts = [("Outcome", outcomes(runs)),
             ("Heads of the base's circuit, on test", heads_before(base, runs, 10)),
             ("Layers: direct logit attribution and change of weights, circuit-tuning", layers(group, last)),
             ("Heads: direct logit attribution, circuit-tuning", nodes(group, "direct-logit", "direct_logit", direct, 8, is_head)),
             ("MLP blocks whose direct logit attribution changed most, circuit-tuning",
              nodes(group, "direct-logit", "direct_logit", ["change", "step_0", last], 8, lambda n: not is_head(n))),
             ("Edges that strengthened or weakened, circuit-tuning", edge_changes(group, options.steps, 10)),
             ("The same of the complement", edge_changes(runs["complement"], options.steps, 5)),
             ("What stays", stability(runs)),
             ("Circuits of the last models, on test", last_circuits(base, runs)),
             ("Faithfulness", faithfulness(runs)),
             ("Drift of W_V W_O, circuit-tuning",
              nodes([Heads(run) for run in group], "ov-drift", "ov_drift",
                    ["change", "relative_change", "share_of_sigma_1", "cos_principal_difference"], 8))]
    text = "".join(f"### {title}\n\n{body}\n" for title, body in parts)
    path = pathlib.Path(options.out) / "study.md"
    path.write_text(text)
    first = f"{options.out}/circuit-0"
    call(options.binary, "diff", f"{first}:0", first, "--svg", f"{options.out}/study-circuit.svg")
    print(text + f"written to {path}")


class Heads:
    """A run whose tables call a head a node."""

    def __init__(self, run):
        self.run = run

    def rows(self, analysis, name):
        return [{**row, "node": row["head"]} for row in self.run.rows(analysis, name)]


if __name__ == "__main__":
    main()
