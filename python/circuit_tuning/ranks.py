"""Several processes that work as one, over torch.distributed."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Callable, Optional, Type

import torch

from ._engine import call, ops
from .errors import InputError, UsageError

_uses = 0


class Ranks:
    """Inside `with ct.Ranks():` calls of this package are made by all processes of a torch.distributed group and work as one: batches of
    records, micro-batches of a step and evaluations are shared out, and every rank has the results, the same bytes as those of one
    process. The first rank alone writes a run's files. Every rank makes the same calls, in the same order, on the same model and data.

        torch.distributed.init_process_group("gloo")       # under torchrun
        with ct.Ranks():
            scores = ct.discover(m, records, batch=4)
            run = ct.tune(m, records, batch=4, accumulation=8, path="runs/x")

    group: of torch.distributed; None: the default one. timeout: seconds that a rank may let the others wait for an error that names it;
    waiting itself ends by the group's own timeout. An error on one rank is raised on all, and ends the `with`.
    """

    def __init__(self, group: Any = None, timeout: float = 1800.0) -> None:
        self.group = group
        self.timeout = timeout

    def __enter__(self) -> "Ranks":
        global _uses
        import torch.distributed as dist

        if not dist.is_available() or not dist.is_initialized():
            raise UsageError("[ranks] call torch.distributed.init_process_group first: it says who the ranks are.")
        group: Any = self.group if self.group is not None else dist.group.WORLD
        self.rank: int = dist.get_rank(group)
        self.count: int = dist.get_world_size(group)
        device = f"cuda:{torch.cuda.current_device()}" if dist.get_backend(group) == "nccl" else "cpu"
        _uses += 1
        call(ops.join_ranks, group.group_name, self.rank, self.count, device, float(self.timeout), _uses)
        global _current
        _current = self
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        global _current
        _current = None
        call(ops.leave_ranks, "" if error is None else str(error).split("\n")[0] or type(error).__name__)

    def from_first(self, text: str) -> str:
        """The first rank's `text`, on every rank."""
        import torch.distributed as dist

        box = [text]
        group: Any = self.group if self.group is not None else dist.group.WORLD
        dist.broadcast_object_list(box, src=dist.get_global_rank(group, 0), group=group)
        return box[0]

    def first_does(self, work: Callable[[], None]) -> None:
        """`work` on the first rank, which the others wait for; its error is raised on all."""
        error: Optional[Exception] = None
        if self.rank == 0:
            try:
                work()
            except Exception as found:
                error = found
        said = self.from_first("" if error is None else f"{type(error).__name__}: {error}")
        if error is not None:
            raise error
        if said:
            raise InputError(f"[ranks] rank 0 of {self.count}: {said}")


_current: Optional[Ranks] = None


def current() -> Optional[Ranks]:
    """The `with ct.Ranks()` that is open, if any."""
    return _current
