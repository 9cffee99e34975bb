#!/usr/bin/env python3
"""docs_pages.py FOLDER: the Markdown that the documentation's site is made of: README.md as its first page, docs/, the examples'
pages, the notebooks' text and the Python reference. The keyword arguments are those of the engine that is installed. Links to what
the site does not have become their text."""

import json
import re
import shutil
import sys
from pathlib import Path

import circuit_tuning
from circuit_tuning._settings import table

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
SETTINGS = ["discover", "evaluate", "tune", "analyse"]


def place(source):
    """Where a file of the repository stands on the site, or None."""
    name = source.as_posix()
    if name == "README.md":
        return Path("index.md")
    if name == "CHANGELOG.md":
        return Path("changelog.md")
    if name.startswith("docs/"):
        return Path(name[len("docs/"):])
    if re.fullmatch(r"examples/[^/]+/README\.md", name):
        return Path("examples") / (source.parent.name + ".md")
    if re.fullmatch(r"examples/[^/]+/[^/]+\.(png|svg)", name):
        return Path(name)
    if re.fullmatch(r"notebooks/[^/]+\.ipynb", name):
        return Path("notebooks") / (source.stem + ".md")
    return None


def linked(text, source):
    """The page's text with its links as they are on the site."""
    here = place(source).parent

    def moved(found):
        mark, words, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found.group(0)
        path, anchor, rest = target.partition("#")
        full = (ROOT / source.parent / path).resolve()
        at = place(full.relative_to(ROOT)) if full.is_file() and ROOT in full.parents else None
        if at is None:
            return words
        up = "../" * len(here.parts)
        return f"{mark}[{words}]({up}{at.as_posix()}{anchor}{rest})"

    return LINK.sub(moved, text)


def notebook(path):
    """The cells of a notebook in Markdown."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def reference():
    """Every public name, and below a call the settings that the engine declares for it."""
    parts = ["# Python reference\n\n`import circuit_tuning as ct`; how they go together: [In Python](python.md).\n"]
    for name in sorted(circuit_tuning.__all__, key=str.lower):
        if name.startswith("_"):
            continue
        parts.append(f"::: circuit_tuning.{name}\n")
        if name in SETTINGS:
            parts.append(f"Keyword arguments of `{name}`:\n\n{table(name)}")
    return "\n".join(parts)


def main():
    out = Path(sys.argv[1])
    if out.exists():
        shutil.rmtree(out)
    sources = ["README.md", "CHANGELOG.md", *sorted(ROOT.glob("docs/*")), *sorted(ROOT.glob("examples/*/README.md")),
               *sorted(ROOT.glob("examples/*/*.png")), *sorted(ROOT.glob("examples/*/*.svg")), *sorted(ROOT.glob("notebooks/*.ipynb"))]
    for source in (Path(s).relative_to(ROOT) if Path(s).is_absolute() else Path(s) for s in sources):
        at = place(source)
        (out / at).parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            (out / at).write_text(linked((ROOT / source).read_text(), source))
        elif source.suffix == ".ipynb":
            (out / at).write_text(notebook(ROOT / source))
        else:
            shutil.copy(ROOT / source, out / at)
    (out / "reference.md").write_text(reference())


if __name__ == "__main__":
    main()
