"""Circuit-restricted updates for training loops of others: torch's, transformers' Trainer, TRL."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
from torch.optim.adamw import adamw

from .circuit import Circuit, Slice
from .errors import UsageError


class CircuitAdamW(torch.optim.Optimizer):
    """AdamW (arXiv:1711.05101) over a circuit's slices alone: whatever the loss, every other element keeps its bytes,
    weight decay included.

    model: the transformers model that ct.Model was made of. circuit: what is trained; set_circuit changes it. on_return:
    "keep" or "reset", of a slice's moments while it is not in the circuit. settings: shared_biases, train_norms,
    train_embeddings, train_unembedding, as in ct.tune.

    Parameters without a slice stay in the optimizer, so that their gradients are set to zero as in any other.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        circuit: Circuit,
        lr: float = 3e-4,
        betas: Tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        on_return: str = "keep",
        **settings: Any,
    ) -> None:
        for name, value, good in (
            ("lr", lr, lr >= 0),
            ("betas", betas, all(0 <= b < 1 for b in betas)),
            ("eps", eps, eps > 0),
            ("weight_decay", weight_decay, weight_decay >= 0),
        ):
            if not good:
                raise UsageError(f"[{name}] found {value}, which is out of range.")
        if on_return not in ("keep", "reset"):
            raise UsageError(f"[on_return] found {on_return!r}, expected 'keep' or 'reset'.")
        if circuit.model is None or circuit.model.hf is not model:
            raise UsageError(
                "[circuit] was found on another model than the one that is to be trained. Use ct.Model(hf_model, …) of the "
                "same object, and a circuit of it."
            )
        self._parameters = dict(model.named_parameters())
        self._settings = settings
        self._on_return = on_return
        self._slices: List[Slice] = []
        super().__init__(
            list(self._parameters.values()), dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        )
        self.set_circuit(circuit)

    @property
    def slices(self) -> List[Slice]:
        """What is trained now."""
        return list(self._slices)

    @property
    def trainable(self) -> int:
        """How many numbers that is."""
        return sum(
            self._parameters[s.tensor].numel() // self._parameters[s.tensor].shape[s.dim] * s.length for s in self._slices
        )

    def set_circuit(self, circuit: Circuit) -> None:
        """Trains another circuit from the next step on."""
        slices = circuit.slices(**self._settings)
        frozen = sorted({s.tensor for s in slices if not self._parameters[s.tensor].requires_grad})
        if frozen:
            raise UsageError(f"[circuit] trains '{frozen[0]}' ({len(frozen)} in all), which has requires_grad=False.")
        if self._on_return == "reset":
            kept = {_key(s): s.tensor for s in slices}
            for name, parameter in self._parameters.items():
                states = self.state[parameter].get("slices", {}) if parameter in self.state else {}
                for key in [k for k in states if kept.get(k) != name]:
                    del states[key]
        self._slices = slices

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], Any]] = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        group_of = {id(p): group for group in self.param_groups for p in group["params"]}
        by_group: Dict[int, Tuple[Dict[str, Any], List[List[torch.Tensor]]]] = {}
        for s in self._slices:
            parameter = self._parameters[s.tensor]
            if parameter.grad is None:
                continue
            if parameter.grad.is_sparse:
                raise UsageError(f"[{s.tensor}] has a sparse gradient, which AdamW does not take.")
            group = group_of[id(parameter)]
            view = parameter.narrow(s.dim, s.start, s.length)
            state = self.state[parameter].setdefault("slices", {})
            moments = state.get(_key(s))
            if moments is None:
                moments = state[_key(s)] = {
                    "step": torch.zeros((), dtype=torch.float32),
                    "exp_avg": torch.zeros_like(view, memory_format=torch.contiguous_format),
                    "exp_avg_sq": torch.zeros_like(view, memory_format=torch.contiguous_format),
                }
            lists = by_group.setdefault(id(group), (group, [[], [], [], [], []]))[1]
            gradient = parameter.grad.narrow(s.dim, s.start, s.length)
            for values, value in zip(lists, (view, gradient, moments["exp_avg"], moments["exp_avg_sq"], moments["step"])):
                values.append(value)
        for group, (views, gradients, averages, squares, steps) in by_group.values():
            adamw(
                views,
                gradients,
                averages,
                squares,
                [],
                steps,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
                foreach=True,
            )
        return loss


def _key(s: Slice) -> str:
    return f"{s.dim}:{s.start}:{s.length}"
