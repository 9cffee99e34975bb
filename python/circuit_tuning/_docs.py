"""Signatures and docstrings of calls whose keyword arguments the engine declares."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List

from ._settings import keywords

_TYPES: Dict[str, Any] = {"flag": bool, "integer": int, "number": float, "text": str, "list": List[str]}


def describe(**calls: Callable[..., Any]) -> None:
    """Gives each call a signature with its keywords, and their meanings below its docstring."""
    for call, function in calls.items():
        known = {
            keyword: setting
            for keyword, setting in keywords(call).items()
            if call != "tune" or keyword == setting["key"].split(".", 1)[1] or keywords(call)[setting["key"].split(".", 1)[1]] is not setting
        }
        own = inspect.signature(function)
        plain = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = {p.name for p in plain}
        more = [
            inspect.Parameter(
                keyword, inspect.Parameter.KEYWORD_ONLY, default=setting["default"], annotation=_TYPES[setting["type"]]
            )
            for keyword, setting in known.items()
            if keyword not in taken and keyword.isidentifier()
        ]
        function.__signature__ = own.replace(parameters=plain + more)  # type: ignore[attr-defined]
        lines = [f"    {keyword} = {setting['default']!r}: {setting['help']}" for keyword, setting in known.items()]
        function.__doc__ = (function.__doc__ or "") + "\n\n    Settings, with their defaults:\n\n" + "\n".join(lines) + "\n"
