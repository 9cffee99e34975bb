#!/usr/bin/env python3
"""python_keywords.py [--check]: writes python/circuit_tuning/_keywords.py, the types of the keyword arguments that the engine
declares, for editors and type checkers; --check: exits with 1 where it is not what it should be. Needs the package."""

import sys
from pathlib import Path

from circuit_tuning._settings import keywords

TYPES = {"flag": "bool", "integer": "int", "number": "float", "text": "str", "list": "Union[str, Sequence[str]]"}


def type_of(setting):
    choices = setting.get("choices")
    if choices and setting["type"] == "text":
        if set(choices) == {"yes", "no"}:
            return "bool"
        return "Literal[" + ", ".join(f'"{c}"' for c in choices) + "]"
    return TYPES[setting["type"]]


def written():
    lines = [
        '"""Types of the keyword arguments that the engine declares. Made by tools/python_keywords.py: not to be edited."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Literal, Sequence, TypedDict, Union",
    ]
    # What the calls have as arguments of their own, with another type.
    own = {"discover": set(), "evaluate": set(), "tune": {"path", "train", "dev", "test", "untouched", "replay"}, "analyse": {"data"}}
    for call in own:
        lines += ["", "", f"class {call.capitalize()}Settings(TypedDict, total=False):", f'    """Keyword arguments of {call}."""', ""]
        for keyword, setting in keywords(call).items():
            if keyword.isidentifier() and keyword not in own[call]:
                lines.append(f"    {keyword}: {type_of(setting)}")
    return "\n".join(lines) + "\n"


def main():
    target = Path(__file__).resolve().parents[1] / "python" / "circuit_tuning" / "_keywords.py"
    text = written()
    if "--check" in sys.argv[1:]:
        if not target.exists() or target.read_text() != text:
            sys.exit(f"{target.name} is not what the engine declares: run tools/python_keywords.py.")
    else:
        target.write_text(text)


if __name__ == "__main__":
    main()
