"""Waiting for work in the engine: progress bars, warnings, Ctrl-C, errors."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import torch

from ._engine import call, error_of
from .errors import InternalError, OutOfMemory, UsageError
from .ranks import current

_POLL_MS = 100
# Whether work shows a bar; None: where the standard error is a terminal or the code runs in a notebook.
show_progress: Optional[bool] = None


def _bar_wanted() -> bool:
    if (ranks := current()) is not None and ranks.rank > 0:
        return False
    if show_progress is not None:
        return show_progress
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Waiting:
    """One task of the engine, until it is done."""

    def __init__(self, task: Any, places: Mapping[str, str]) -> None:
        self.task = task
        self.places = places  # texts of messages, by what stands for them: temporary files are nobody's business
        self.bar: Any = None
        self.done = False

    def named(self, text: str) -> str:
        for path, name in self.places.items():
            text = text.replace(path, name)
        return text

    def events(self) -> List[Dict[str, Any]]:
        """News: steps, and the end. Shows the rest. Raises what the work ended with."""
        seen: List[Dict[str, Any]] = []
        try:
            for event in json.loads(self.task.poll(_POLL_MS)):
                kind = event["event"]
                if kind == "progress":
                    self._draw(event)
                elif kind == "warning":
                    warnings.warn(self.named(event["text"]), stacklevel=5)
                elif kind == "message":
                    pass
                elif kind == "error":
                    self.done = True
                    raise self._exception(event)
                else:
                    self.done = kind == "done"
                    seen.append(event)
        except BaseException:
            self.close()
            raise
        if self.done:
            self.close()
        return seen

    def _exception(self, event: Dict[str, Any]) -> BaseException:
        text = self.named(event["message"])
        kinds: Dict[str, Callable[[str], BaseException]] = {
            "usage": UsageError,
            "memory": OutOfMemory,
            "internal": InternalError,
            "interrupted": lambda _: KeyboardInterrupt(),
        }
        return kinds.get(event["kind"], error_of)(text)

    def _draw(self, event: Dict[str, Any]) -> None:
        if not _bar_wanted():
            return
        from tqdm.auto import tqdm

        if self.bar is not None and self.bar.desc != event["title"] + ": ":
            self.bar.close()
            self.bar = None
        if self.bar is None:
            self.bar = tqdm(total=event["total"] or None, desc=event["title"], leave=False)
        self.bar.set_postfix_str(event["detail"], refresh=False)
        self.bar.update(event["done"] - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def end(self) -> None:
        """Stops the work and waits for it."""
        self.task.stop()
        while not self.done:
            for event in json.loads(self.task.poll(_POLL_MS)):
                self.done = self.done or event["event"] in ("done", "error")
        self.close()


def finished(begin: Callable[..., Any], *arguments: Any, places: Optional[Mapping[str, str]] = None) -> Tuple[Any, Dict[str, torch.Tensor]]:
    """The JSON and the tensors of work that begin(*arguments) begins. Ctrl-C ends it within a batch."""
    places = places or {}
    try:
        waiting = Waiting(call(begin, *arguments), places)
    except (ValueError, TypeError) as error:
        text = str(error)
        for path, name in places.items():
            text = text.replace(path, name)
        raise type(error)(text) from None
    try:
        while not waiting.done:
            waiting.events()
    except BaseException:
        if not waiting.done:
            waiting.end()
        raise
    return json.loads(waiting.task.json()), dict(waiting.task.tensors())
