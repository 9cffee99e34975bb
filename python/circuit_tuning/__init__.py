"""Circuit-tuning in Python: find the circuit of a task in a transformers model, see what it carries, tune only that.

    import circuit_tuning as ct
    m = ct.Model(hf_model, tokenizer)
    scores = ct.discover(m, records, method="eap-ig-inputs", ablation="counterfactual")
    circuit = scores.top(2000)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _docs
from ._engine import __version__, served_versions
from .circuit import Circuit, Slice
from .data import Records, records
from .errors import CircuitError, InputError, InternalError, OutOfMemory, UsageError
from .evaluation import Evaluation, evaluate
from .model import Graph, Model
from .optimizer import CircuitAdamW
from .ranks import Ranks
from .run import Analyses, Analysis, Run, Step, Tuning, analyse, tune
from .scores import Scores, discover
from .table import Table

if TYPE_CHECKING:
    from .trainer import CircuitCallback

_docs.describe(discover=discover, evaluate=evaluate, tune=tune, analyse=analyse)

__all__ = [
    "Analyses",
    "Analysis",
    "Circuit",
    "CircuitAdamW",
    "CircuitCallback",
    "CircuitError",
    "Evaluation",
    "Graph",
    "InputError",
    "InternalError",
    "Model",
    "OutOfMemory",
    "Ranks",
    "Records",
    "Run",
    "Scores",
    "Slice",
    "Step",
    "Table",
    "Tuning",
    "UsageError",
    "__version__",
    "analyse",
    "discover",
    "evaluate",
    "records",
    "served_versions",
    "tune",
]


def __getattr__(name: str) -> Any:
    # transformers is needed for this alone.
    if name == "CircuitCallback":
        from .trainer import CircuitCallback

        return CircuitCallback
    raise AttributeError(f"module 'circuit_tuning' has no attribute {name!r}")
