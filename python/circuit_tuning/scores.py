"""Edge scores of a model on records, and the circuits in them."""

from __future__ import annotations

import html
import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

import numpy as np
import torch

from ._engine import call
from ._pictures import svg
from ._task import finished
from .circuit import Circuit
from .data import Source, records
from .errors import UsageError
from .model import Model

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._keywords import DiscoverSettings


class Scores:
    """A score per edge: how much the metric changes, on average over the records, when the edge is ablated.

    values: float32 [edges], by edge id. metric: mean of the metric on the records. circuit: the edges that were selected.
    sum_rule_error: largest violation of the scores' sum rule; 0 for methods without one.
    """

    def __init__(self, model: Optional[Model], values: Any, found: Dict[str, Any], settings: Dict[str, Any]) -> None:
        self.model = model
        self.graph = model.graph if model is not None else None
        self.values = np.asarray(values, np.float32)
        self.settings = settings
        self.found = {key: value for key, value in found.items() if key != "selected"}
        self.metric: float = found["metric"]
        self.examples: int = found["examples"]
        self.sum_rule_error: float = found["sum_rule_error"]
        self.stability: Any = None  # share of the resamples that select an edge, float32 [edges]
        self._selected: List[int] = found["selected"]

    @property
    def circuit(self) -> Circuit:
        """The circuit that discover selected."""
        return Circuit(self.graph, self._selected, self.values, self.model)  # type: ignore[arg-type]

    def top(self, n: int, **settings: Any) -> Circuit:
        """The n strongest edges, or what another selection takes: selection="greedy", signed=True, and their own settings,
        as in discover."""
        assert self.model is not None
        edges = call(
            self.model.engine().select, self.model.form(n=n, **settings), torch.from_numpy(self.values)
        )
        return Circuit(self.model.graph, edges, self.values, self.model)

    def to_pandas(self) -> Any:
        """Columns edge, score, upstream, downstream, in_circuit (and stability), a row an edge, the strongest first."""
        import pandas

        assert self.graph is not None
        ids = np.arange(len(self.graph))
        u, v = self.graph.ends(ids)
        selected = np.zeros(len(ids), bool)
        selected[self._selected] = True
        columns = {
            "edge": self.graph.names(ids),
            "score": self.values,
            "upstream": np.asarray(self.graph.upstream, object)[u],
            "downstream": np.asarray(self.graph.downstream, object)[v],
            "in_circuit": selected,
        }
        if self.stability is not None:
            columns["stability"] = self.stability
        return pandas.DataFrame(columns).sort_values(
            "score", key=np.abs, ascending=False, kind="stable", ignore_index=True
        )

    def matrix(self) -> Any:
        """float32 [upstream, downstream]; NaN where there is no edge. Names: graph.upstream, graph.downstream."""
        assert self.graph is not None
        matrix = np.full((len(self.graph.upstream), len(self.graph.downstream)), np.nan, np.float32)
        matrix[self.graph.ends(np.arange(len(self.graph)))] = self.values
        return matrix

    def nodes(self) -> Any:
        """A pandas.Series: of every writer the sum of its edges' scores, the strongest first."""
        import pandas

        assert self.graph is not None
        sums = np.nansum(self.matrix().astype(np.float64), axis=1)
        return pandas.Series(sums, index=self.graph.upstream, name="score").sort_values(key=np.abs, ascending=False)

    def to_transformer_lens(self) -> Dict[str, Any]:
        """{(TransformerLens hook of the writer, its head or None, hook of the reader, its head or None): score}."""
        assert self.graph is not None
        u, v = self.graph.ends(np.arange(len(self.graph)))
        writers = [_lens_writer(name) for name in self.graph.upstream]
        readers = [_lens_reader(name) for name in self.graph.downstream]
        return {writers[i] + readers[j]: float(s) for i, j, s in zip(u, v, self.values)}

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Scores and selected circuit as JSON, which EAP-IG, MIB and `circuit` read."""
        self.circuit.save(path, None, **{key: str(value) for key, value in self.settings.items()})

    def plot(self, ax: Any = None) -> Any:
        """The matrix as a picture, on matplotlib's axes. Returns the axes."""
        import matplotlib.pyplot as plt

        assert self.graph is not None
        if ax is None:
            _, ax = plt.subplots(figsize=(8, 5))
        matrix = self.matrix()
        bound = float(np.nanquantile(np.abs(matrix), 0.999)) or 1.0
        image = ax.imshow(matrix, cmap="RdBu_r", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
        for axis, names in ((ax.xaxis, self.graph.downstream), (ax.yaxis, self.graph.upstream)):
            ticks = np.linspace(0, len(names) - 1, min(len(names), 12)).astype(int)
            axis.set_ticks(ticks, [names[i] for i in ticks], fontsize=7)
        ax.tick_params("x", rotation=60)
        ax.set_xlabel("reader")
        ax.set_ylabel("writer")
        ax.set_title(f"edge scores ({self.settings.get('method', 'eap')})")
        ax.figure.colorbar(image, ax=ax, label="score")
        return ax

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, edge: str) -> float:
        assert self.graph is not None
        return float(self.values[self.graph.edge(edge)])

    def __repr__(self) -> str:
        return f"<Scores of {len(self):,} edges: metric {self.metric:.4g} over {self.examples} records>"

    def _repr_html_(self) -> str:
        table = str(self.to_pandas().head(10).to_html())
        return f"<p>{html.escape(repr(self))}</p>" + svg(self.plot, (8, 5)) + table

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "model": None}


def _lens_writer(name: str) -> Any:
    if name == "input":
        return "hook_embed", None
    layer, _, part = name[1:].partition(".")
    if name[0] == "a":
        return f"blocks.{layer}.attn.hook_result", int(part[1:])
    return (f"blocks.{layer}.hook_mlp_out", part or None)


def _lens_reader(name: str) -> Any:
    if name == "logits":
        return "ln_final.hook_normalized", None
    layer, _, part = name[1:].partition(".")
    if name[0] == "a":
        head, _, letter = part.partition("<")
        number = int("".join(c for c in head if c.isdigit()))
        return f"blocks.{layer}.hook_{letter[0]}_input", number
    return f"blocks.{layer}.hook_mlp_in", part or None


def discover(
    model: Model,
    data: Source,
    *,
    ablation_data: Optional[Source] = None,
    held_out: Optional[Source] = None,
    **settings: Unpack[DiscoverSettings],
) -> Scores:
    """Edge scores of a model on contrast records, and the circuit of the strongest edges.

    data: see records(). ablation_data: records whose mean the mean ablations take; None: data. held_out: records that
    target_faithfulness is judged on; None: the second half of data. settings: method (eap, eap-ig-inputs, …), metric,
    ablation, n, …: `help(ct.discover)` lists them all with their defaults.
    Ctrl-C ends it within a batch. Source: EAP, arXiv:2310.10348; EAP-IG, arXiv:2403.17806.
    """
    if settings.get("target_faithfulness") and settings.get("n") is not None:
        raise UsageError("[n] is what target_faithfulness looks for: give one of them.")
    given = records(data)
    other = records(ablation_data) if ablation_data is not None else None
    judged = records(held_out) if held_out is not None else None
    places = {r.path: r.name for r in (given, other, judged) if r is not None}
    found, tensors = finished(
        model.engine().discover,
        model.form(**settings),
        given.path,
        other.path if other else "",
        judged.path if judged else "",
        model.threads,
        places=places,
    )
    if judged is not None and "target" in found:
        found["target"]["held_out"] = judged.name
    scores = Scores(model, tensors["scores"].numpy(), found, dict(settings))
    if "stability" in tensors:
        scores.stability = tensors["stability"].numpy()
    return scores
