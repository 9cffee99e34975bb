"""What a circuit carries when it is run alone."""

from __future__ import annotations

import html
import os
import tempfile
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from ._pictures import svg
from ._settings import toml
from ._task import finished
from .circuit import Circuit
from .data import Source, records
from .errors import UsageError
from .model import Model
from .table import Table

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._keywords import EvaluateSettings


class Evaluation:
    """A circuit's evaluation. values: what `circuit evaluate --json` prints; each key is an attribute too.

    faithfulness: (m(circuit) − m(∅)) / (m(full) − m(∅)), None where it is not defined; faithfulness_interval: its 95 %
    bootstrap interval. sizes: faithfulness of circuits of other sizes from the same scores, where they were asked for.
    """

    def __init__(self, values: Dict[str, Any], sizes: Optional[Table]) -> None:
        self.values = values
        self.sizes = sizes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "values" or name not in self.values:
            raise AttributeError(name)
        return self.values[name]

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *self.values]

    def plot(self, ax: Any = None) -> Any:
        """Faithfulness against the circuit's size, with intervals, on matplotlib's axes. Returns the axes."""
        import matplotlib.pyplot as plt

        points = list(self.sizes or [])
        if not points:
            raise UsageError("[plot] there is no curve: give evaluate(…, sizes=[…]).")
        if ax is None:
            _, ax = plt.subplots(figsize=(6, 4))
        x = [p["edges"] for p in points]
        ax.plot(x, [p["faithfulness"] for p in points], marker="o")
        ax.fill_between(x, [p["low"] for p in points], [p["high"] for p in points], alpha=0.2, label="95 % interval")
        ax.axhline(1, color="grey", linewidth=0.8)
        ax.set_xscale("log")
        ax.set_xlabel("edges of the circuit")
        ax.set_ylabel("faithfulness")
        ax.legend()
        return ax

    def __repr__(self) -> str:
        f = self.values.get("faithfulness")
        return f"<Evaluation of {self.values.get('edges')} edges: faithfulness {_estimate(f)}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(key)}</td><td>{html.escape(_estimate(value))}</td></tr>"
            for key, value in self.values.items()
            if not isinstance(value, list)
        )
        table = f"<table>{rows}</table>"
        return table + svg(self.plot, (6, 4)) + self.sizes._repr_html_() if self.sizes else table


def _estimate(value: Any) -> str:
    if isinstance(value, dict) and "value" in value:
        return f"{value['value']:.4g} ({value.get('low', float('nan')):.4g} to {value.get('high', float('nan')):.4g})"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def evaluate(
    model: Model,
    data: Source,
    circuit: Circuit,
    *,
    sizes: Optional[Sequence[int]] = None,
    against: Optional[Circuit] = None,
    ablation_data: Optional[Source] = None,
    **settings: Unpack[EvaluateSettings],
) -> Evaluation:
    """Runs a circuit alone, all other edges ablated.

    sizes: circuits of so many strongest edges of the same scores, a point of the curve each. against: a reference circuit,
    for precision, recall and AUROC. settings: metric, ablation, curve (CPR and CMD over MIB's sizes), redundancy, baselines
    (circuits of the same size: random `draws`, by magnitude and by wanda; in `.baselines`), …: `help(ct.evaluate)` lists them.
    """
    given = records(data)
    other = records(ablation_data) if ablation_data is not None else None
    with tempfile.TemporaryDirectory(prefix="circuit-") as folder:
        places = {r.path: r.name for r in (given, other) if r is not None}

        def written(c: Optional[Circuit], name: str) -> str:
            if c is None:
                return ""
            path = os.path.join(folder, name + ".json")
            c.save(path, model)
            places[path] = name
            return path

        def run(c: Circuit, name: str, more: Dict[str, Any]) -> Dict[str, Any]:
            values, _ = finished(
                model.engine().evaluate,
                toml("evaluate", {**settings, **more}),
                written(c, name),
                given.path,
                other.path if other else "",
                written(against, "against"),
                model.threads,
                places=places,
            )
            return dict(values)

        values = run(circuit, "circuit", {})
        if sizes is None:
            return Evaluation(values, None)
        rows = []
        order = abs(circuit.scores).argsort(kind="stable")[::-1]
        for size in sorted(set(sizes)):
            part = Circuit(circuit.graph, order[:size], circuit.scores, model)
            one = run(part, "circuit", {"curve": False, "redundancy": 0, "baselines": False})
            low, high = one.get("faithfulness_interval") or (None, None)
            rows.append([len(part), one["faithfulness"], low, high])
        return Evaluation(values, Table(["edges", "faithfulness", "low", "high"], rows, "faithfulness by size"))
