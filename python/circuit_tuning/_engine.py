"""The C++ engine for the torch that is installed: torch.classes and torch.ops of one library, chosen by torch's version."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List

import torch

from .errors import InputError, UsageError

_folder = Path(__file__).parent


def served_versions() -> List[str]:
    """The minor versions of torch that this installation has an engine for."""
    names = (re.fullmatch(r"engine_torch(\d+\.\d+)\.so", file.name) for file in _folder.glob("engine_torch*.so"))
    return sorted((name.group(1) for name in names if name), key=lambda v: [int(part) for part in v.split(".")])


def _load() -> str:
    version = ".".join(torch.__version__.split(".")[:2])
    library = _folder / f"engine_torch{version}.so"
    if not library.exists():
        raise ImportError(
            f"circuit_tuning has no engine for torch {version}: it serves {', '.join(served_versions()) or 'none'}. "
            f"Install one of those, or build this package from its source beside torch {version} with "
            "`pip install --no-build-isolation .`"
        )
    try:
        torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ImportError(f"circuit_tuning's engine for torch {version} cannot be loaded: {error}") from error
    return str(torch.ops.circuit_tuning.start())


__version__ = _load()
ops: Any = torch.ops.circuit_tuning
classes: Any = torch.classes.circuit_tuning


def error_of(message: str) -> Exception:
    """The exception for a message that a call into the engine ended with: "[place] what was found"."""
    text = message.split("\nException raised from")[0].strip().split("\n")[0]
    usage = text.startswith("[arguments") or "is not known. Known:" in text
    return UsageError(text) if usage else InputError(text)


def call(function: Any, *arguments: Any) -> Any:
    """function(*arguments) with the engine's errors as exceptions of this package."""
    try:
        return function(*arguments)
    except RuntimeError as error:
        raise error_of(str(error)) from None


def declared(name: str) -> List[Dict[str, Any]]:
    """The settings of a call as the engine declares them: key, type, default, choices or range, help."""
    settings: List[Dict[str, Any]] = json.loads(call(ops.settings, name))
    return settings
