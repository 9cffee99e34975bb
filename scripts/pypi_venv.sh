#!/usr/bin/env bash
# pypi_venv.sh: makes the Python environment that the checks against PyPI's packages work in, where it is not there yet
# (5.5 GB, some minutes), and prints its folder. Prints nothing, and ends with 0, where PyPI cannot be reached.
# CIRCUIT_TORCH_VENV: the folder; outside the checkout, so that one serves several.
set -euo pipefail
venv=${CIRCUIT_TORCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/circuit/torch}
mkdir -p "$(dirname "$venv")"
# Two callers: the second waits for what the first one makes.
exec 9>"$venv.lock"
flock 9
if ! "$venv/bin/python" -c 'import torch, transformers, safetensors, peft, trl, datasets, pytest, mypy, matplotlib, nbclient, ipykernel' 2>/dev/null; then
  echo "pypi: installing torch, transformers and what goes with them into $venv" >&2
  python3 -m venv "$venv" >&2
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check torch transformers safetensors peft trl datasets \
    tokenizers sentencepiece tiktoken gguf pytest mypy pandas pandas-stubs types-tqdm \
    matplotlib nbformat nbclient ipykernel >&2; then
    echo "pypi: SKIPPED: torch cannot be installed from PyPI" >&2
    exit 0
  fi
fi
echo "$venv"
