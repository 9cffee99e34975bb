"""`python -m circuit_tuning` and the script `circuit`: the whole command line, on the torch that is installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path


def main() -> None:
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        sys.exit("[circuit] torch is not installed.")
    version = ".".join(importlib.metadata.version("torch").split(".")[:2])
    program = Path(__file__).parent / f"circuit_torch{version}"
    if not program.exists():
        sys.exit(f"[circuit] has no program for torch {version}. Build the package beside it: pip install --no-build-isolation .")
    libraries = str(Path(found.submodule_search_locations[0]) / "lib")
    environment = dict(os.environ)
    environment["LD_LIBRARY_PATH"] = ":".join(filter(None, [libraries, environment.get("LD_LIBRARY_PATH", "")]))
    os.execve(program, ["circuit", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
