"""Keyword arguments from the settings that the engine declares. Nothing is listed here by hand."""

from __future__ import annotations

import difflib
import json
import math
from functools import lru_cache
from typing import Any, Dict, List, Mapping

from ._engine import declared
from .errors import UsageError

# Where two sections of a run's configuration have a setting of one name, the short name is that of the first of these.
_SECTIONS = ["tuning", "discovery", "selection", "optimizer", "data", "evaluation", "run", "model", "target", "policy"]


@lru_cache(maxsize=None)
def keywords(call: str) -> Dict[str, Dict[str, Any]]:
    """Settings of a call by keyword: the last part of the key where it is the only one, or the first by _SECTIONS; and
    the whole key with _ for the dot."""
    settings = declared(call)
    names: Dict[str, Dict[str, Any]] = {}

    def rank(setting: Dict[str, Any]) -> int:
        section = setting["key"].split(".")[0]
        return _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS)

    for setting in sorted(settings, key=rank):
        section, name = setting["key"].split(".", 1)
        names.setdefault(name, setting)
        if call == "tune":
            names.setdefault(f"{section}_{name}", setting)
    return names


def _written(value: Any, setting: Mapping[str, Any], keyword: str) -> str:
    """The value in TOML."""
    kind = setting["type"]
    if isinstance(value, bool) or hasattr(value, "dtype") and str(value.dtype) == "bool":
        if kind == "text" and set(setting.get("choices", [])) == {"yes", "no"}:
            return '"yes"' if value else '"no"'
        if kind != "flag":
            raise UsageError(f"[{keyword}] found a bool, expected {_expected(setting)}.")
        return "true" if value else "false"
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if kind == "integer" and isinstance(value, int):
        return str(value)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return str(int(value))
    if kind == "number" and isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"[{keyword}] found {value}, expected a finite number.")
        return repr(float(value))
    if kind in ("text", "list") and (isinstance(value, str) or hasattr(value, "__fspath__")):
        return json.dumps(str(value), ensure_ascii=False)
    if kind == "list" and isinstance(value, (list, tuple)):
        return json.dumps([str(one) for one in value], ensure_ascii=False)
    raise UsageError(f"[{keyword}] found {type(value).__name__} {value!r}, expected {_expected(setting)}.")


def _expected(setting: Mapping[str, Any]) -> str:
    if setting.get("choices"):
        return "one of " + ", ".join(setting["choices"])
    return {"flag": "a bool", "integer": "an int", "number": "a number", "text": "a str", "list": "a list of str"}[
        setting["type"]
    ]


def toml(call: str, values: Mapping[str, Any]) -> str:
    """The TOML text of keyword arguments; None stands for the default. Raises UsageError for one that is not known."""
    known = keywords(call)
    sections: Dict[str, List[str]] = {}
    seen: Dict[str, str] = {}
    for keyword, value in values.items():
        if keyword not in known:
            near = difflib.get_close_matches(keyword, known, 1)
            hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(sorted(known))}."
            raise UsageError(f"[{keyword}] is no keyword of {call}.{hint}")
        if value is None:
            continue
        setting = known[keyword]
        if setting["key"] in seen:
            raise UsageError(f"[{keyword}] says what {seen[setting['key']]} says too: give one of them.")
        seen[setting["key"]] = keyword
        section, name = setting["key"].split(".", 1)
        sections.setdefault(section, []).append(f"{name} = {_written(value, setting, keyword)}")
    return "".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())


def table(call: str) -> str:
    """A Markdown table of a call's keywords, for the documentation."""
    rows = ["| keyword | default | may be | meaning |", "| --- | --- | --- | --- |"]
    for keyword, setting in keywords(call).items():
        if call == "tune" and keyword != setting["key"].replace(".", "_", 1):
            continue
        may = ", ".join(setting.get("choices", [])) or setting["type"]
        rows.append(f"| `{keyword}` | `{setting['default']}` | {may} | {setting['help']} |")
    return "\n".join(rows) + "\n"
