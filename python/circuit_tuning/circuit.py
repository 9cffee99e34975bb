"""Circuits: sets of edges, what they train, how they look."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Union

import numpy as np
import torch

from ._engine import call
from ._settings import toml
from .errors import InputError, UsageError
from .model import Graph, Model


class Slice(NamedTuple):
    """Part of a parameter that a circuit trains: `length` indices from `start` of dimension `dim`."""

    node: str
    tensor: str
    dim: int
    start: int
    length: int


class Circuit:
    """A set of edges of a model's graph.

    edges: ids, ascending, int64 [n]. scores: of every edge of the graph, float32 [edges]; zeros where there are none.
    """

    def __init__(self, graph: Graph, edges: Any, scores: Any = None, model: Optional[Model] = None) -> None:
        self.graph = graph
        self.edges = np.unique(np.asarray(edges, dtype=np.int64))
        if len(self.edges) and (self.edges[0] < 0 or self.edges[-1] >= len(graph)):
            raise InputError(f"[circuit] edge ids must be from 0 to {len(graph) - 1}.")
        self.scores = np.zeros(len(graph), np.float32) if scores is None else np.asarray(scores, np.float32)
        if self.scores.shape != (len(graph),):
            raise InputError(f"[circuit] found scores of shape {self.scores.shape}, expected ({len(graph)},): one an edge.")
        self.model = model

    @classmethod
    def of_names(cls, model: Model, names: Iterable[str]) -> "Circuit":
        """A circuit of edges by name, as "a3.h1->m4"."""
        return cls(model.graph, [model.graph.edge(name) for name in names], model=model)

    @classmethod
    def read(cls, path: Union[str, "os.PathLike[str]"], model: Model) -> "Circuit":
        """A circuit file: of this package, of the command line, or EAP-IG's JSON."""
        text, scores = call(model.engine().read_circuit, os.fspath(path), model.form())
        return cls(model.graph, json.loads(text)["edges"], scores.numpy(), model)

    def _model(self, model: Optional[Model]) -> Model:
        found = model or self.model
        if found is None:
            raise UsageError("[circuit] is of a recorded run and knows no model: give model=ct.Model(…).")
        return found

    @property
    def names(self) -> List[str]:
        """Names of the edges, in the order of their ids."""
        return self.graph.names(self.edges)

    @property
    def nodes(self) -> List[str]:
        """Writers and readers that an edge touches, each once, in the graph's order."""
        u, v = self.graph.ends(self.edges)
        return [self.graph.upstream[i] for i in np.unique(u)] + [self.graph.downstream[i] for i in np.unique(v)]

    def to_pandas(self) -> Any:
        """Columns edge, score, upstream, downstream; the strongest first."""
        import pandas

        u, v = self.graph.ends(self.edges)
        frame = pandas.DataFrame(
            {
                "edge": self.names,
                "score": self.scores[self.edges],
                "upstream": [self.graph.upstream[i] for i in u],
                "downstream": [self.graph.downstream[i] for i in v],
            }
        )
        return frame.sort_values("score", key=np.abs, ascending=False, kind="stable", ignore_index=True)

    def save(self, path: Union[str, "os.PathLike[str]"], model: Optional[Model] = None, **meta: str) -> None:
        """Writes the JSON that EAP-IG's Graph.from_json, MIB and `circuit` read."""
        m = self._model(model)
        call(
            m.engine().write_circuit,
            os.fspath(path),
            m.form(),
            torch.from_numpy(np.ascontiguousarray(self.scores)),
            self.edges.tolist(),
            json.dumps({"source": "circuit_tuning", **meta}),
        )

    def slices(self, model: Optional[Model] = None, **settings: Any) -> List[Slice]:
        """What training this circuit updates. settings: shared_biases, train_norms, train_embeddings,
        train_unembedding, as in tune."""
        m = self._model(model)
        with tempfile.TemporaryDirectory(prefix="circuit-") as folder:
            path = os.path.join(folder, "circuit.json")
            self.save(path, m)
            form = {f"discovery_{key}": value for key, value in m._form.items()}
            found = json.loads(call(m.engine().slices, toml("tune", {**form, **settings}), path))
        return [Slice(**one) for one in found]

    def mask(self, model: Optional[Model] = None, **settings: Any) -> Dict[str, torch.Tensor]:
        """{parameter: bool tensor of its shape}: True where training this circuit updates it. Parameters without a True
        are left out. For hooks and optimisers of your own."""
        m = self._model(model)
        if m.hf is None:
            raise UsageError("[mask] is of a transformers model: open it with ct.Model(hf_model, …).")
        parameters = dict(m.hf.named_parameters())
        masks: Dict[str, torch.Tensor] = {}
        for s in self.slices(m, **settings):
            if s.tensor not in masks:
                masks[s.tensor] = torch.zeros_like(parameters[s.tensor], dtype=torch.bool)
            masks[s.tensor].narrow(s.dim, s.start, s.length).fill_(True)
        return masks

    def edge_mask(self) -> Any:
        """bool [upstream, downstream]: the circuit as a matrix, names in graph.upstream and graph.downstream."""
        mask = np.zeros((len(self.graph.upstream), len(self.graph.downstream)), bool)
        mask[self.graph.ends(self.edges)] = True
        return mask

    def diff(self, other: "Circuit") -> Any:
        """A pandas.DataFrame of the edges that only one has: edge, change ("entered": other has it; "left"), the scores
        before (here) and after (there)."""
        import pandas

        if not self._same_graph(other):
            raise InputError("[diff] the circuits are of different graphs.")
        entered = np.setdiff1d(other.edges, self.edges)
        left = np.setdiff1d(self.edges, other.edges)
        ids = np.concatenate([entered, left])
        return pandas.DataFrame(
            {
                "edge": self.graph.names(ids),
                "change": ["entered"] * len(entered) + ["left"] * len(left),
                "before": self.scores[ids],
                "after": other.scores[ids],
            }
        )

    def jaccard(self, other: "Circuit") -> float:
        """Edges in both over edges in either; 1 for two empty circuits."""
        if not self._same_graph(other):
            raise InputError("[jaccard] the circuits are of different graphs.")
        either = len(np.union1d(self.edges, other.edges))
        return len(np.intersect1d(self.edges, other.edges)) / either if either else 1.0

    def __len__(self) -> int:
        return len(self.edges)

    def __contains__(self, name: str) -> bool:
        return self.graph.edge(name) in self.edges

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Circuit) and self._same_graph(other) and np.array_equal(self.edges, other.edges)

    def _same_graph(self, other: "Circuit") -> bool:
        mine, theirs = self.graph, other.graph
        return mine.upstream == theirs.upstream and mine.downstream == theirs.downstream

    def __hash__(self) -> int:
        return hash(self.edges.tobytes())

    def __repr__(self) -> str:
        return f"<Circuit: {len(self):,} of {len(self.graph):,} edges, {len(self.nodes):,} nodes>"

    def __getstate__(self) -> Dict[str, Any]:
        state = dict(self.__dict__)
        state["model"] = None
        return state

    def svg(self, model: Optional[Model] = None) -> str:
        """A drawing, as an SVG document."""
        m = self._model(model)
        return str(
            call(m.engine().draw, m.form(), torch.from_numpy(np.ascontiguousarray(self.scores)), self.edges.tolist())
        )

    def _repr_svg_(self) -> Optional[str]:
        return self.svg() if self.model is not None and len(self) else None
