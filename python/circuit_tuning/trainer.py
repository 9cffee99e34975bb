"""transformers' Trainer, and TRL's trainers, which are Trainers: the circuit found again as they train."""

from __future__ import annotations

from typing import Any, List, Tuple

from transformers import TrainerCallback

from .circuit import Circuit
from .data import Source, records
from .errors import UsageError
from .model import Model
from .optimizer import CircuitAdamW
from .scores import discover


class CircuitCallback(TrainerCallback):
    """Finds the circuit again every `every` steps on `data` and has the trainer's CircuitAdamW train that one:

        opt = ct.CircuitAdamW(hf_model, c, lr=3e-4)
        Trainer(hf_model, …, optimizers=(opt, None), callbacks=[ct.CircuitCallback(m, data, every=8, n=2000)])

    every=0: never; the circuit stays. settings: as in discover. history: (step, circuit) of every discovery.
    """

    def __init__(self, model: Model, data: Source, *, every: int = 8, **settings: Any) -> None:
        if every < 0:
            raise UsageError(f"[every] found {every}, expected 0 or more.")
        self.model = model
        self.data = records(data)
        self.every = every
        self.settings = settings
        self.history: List[Tuple[int, Circuit]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        _circuit_optimizer(kwargs.get("optimizer"))
        trained = kwargs.get("model")
        if trained is not None and trained is not self.model.hf:
            raise UsageError("[callback] the trainer trains another model than the one that ct.Model was made of.")

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.every == 0 or state.global_step % self.every != 0:
            return
        optimizer = _circuit_optimizer(kwargs.get("optimizer"))
        found = discover(self.model, self.data, **self.settings).circuit
        optimizer.set_circuit(found)
        self.history.append((state.global_step, found))


def _circuit_optimizer(optimizer: Any) -> CircuitAdamW:
    inner = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
    if not isinstance(inner, CircuitAdamW):
        raise UsageError(
            f"[callback] the trainer's optimizer is a {type(inner).__name__}: give it optimizers=(ct.CircuitAdamW(…), None)."
        )
    return inner
