#!/usr/bin/env bash
# pypi_torch.sh [TEST ...]: the Python package, installed with pip beside PyPI's torch (C++20), and its tests; the test
# programs whose kernels a torch changes (or these) of the same build, and examples/embed against the library of it. Then every
# family against fixtures that today's transformers makes anew, models that this program writes in transformers, and the
# chat templates that trl ships; and the documentation's site, with the package's reference. Says so, and ends with 0, where PyPI cannot be reached.
# CIRCUIT_TORCH_VENV: see pypi_venv.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
PRESET=pypi ./scripts/setup.sh
start=$SECONDS
venv=$(./scripts/pypi_venv.sh)
if [ -z "$venv" ]; then exit 0; fi
installed=$((SECONDS - start))
start=$SECONDS
export CMAKE_BUILD_PARALLEL_LEVEL=${JOBS:-$(nproc)}
build=build/python
# Its own environment of the package: the fixtures' packages are the venv's.
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall .
packaged=$((SECONDS - start))
start=$SECONDS
# The package's checks, one process at a time, run beside the compiler.
("$venv/bin/python" -m mypy && "$venv/bin/python" -m pytest -q) >$build/checks.log 2>&1 &
checks=$!
if [ $# -eq 0 ]; then
  set -- model_test intervention_test scoring_test tuning_test
fi
cmake --build $build --target circuit circuit_library "$@"
# What is made anew is read by the tests that `make test` built, where it did.
fresh=build/release
if [ ! -x $fresh/tests/families_test ] || [ ! -x $fresh/src/text/text_test ]; then
  fresh=$build
  cmake --build $build --target families_test text_test
fi
wait $checks || { cat $build/checks.log >&2; exit 1; }
tail -3 $build/checks.log
built=$((SECONDS - start))
./scripts/docs.sh
start=$SECONDS
pattern=$(IFS='|'; echo "^($*)\$")
left_out=$(ctest --test-dir $build -N -E "$pattern" | sed -n 's/^ *Test *#[0-9]*: //p' | tr '\n' ' ')
$build/circuit --version
# PyPI's torch is a CUDA build: the program starts, and where there is no GPU says why.
if [ ! -e /proc/driver/nvidia ]; then
  said=$($build/circuit inspect examples/books-4l --device cuda 2>&1) && { echo "pypi: cuda without a driver was taken" >&2; exit 1; }
  case "$said" in *"no NVIDIA driver"*) echo "pypi: $said" ;; *) echo "pypi: cuda: $said" >&2; exit 1 ;; esac
fi
echo "pypi: tests left out: ${left_out:-none}"
ctest --test-dir $build -R "$pattern" --parallel "$CMAKE_BUILD_PARALLEL_LEVEL" --output-on-failure --no-tests=error
./scripts/embed.sh $build
rm -rf $build/families
"$venv/bin/python" tools/family_fixtures.py $build/families 2>$build/families.log || { tail -5 $build/families.log >&2; exit 1; }
CIRCUIT_FAMILY_FIXTURES=$PWD/$build/families $fresh/tests/families_test --gtest_brief=1
"$venv/bin/python" tools/check_exports.py --binary $build/circuit
# A hundred chat templates, 25 conversations each.
rm -rf $build/chat
mkdir $build/chat
cp "$("$venv/bin/python" -c 'import os, trl; print(os.path.dirname(trl.__file__))')"/chat_templates/*.jinja $build/chat
"$venv/bin/python" tools/chat_fixtures.py $build/chat $build/chat/conversations.jsonl --conversations 25
CIRCUIT_JINJA_CASES=$PWD/$build/chat/conversations.jsonl $fresh/src/text/text_test --gtest_brief=1 --gtest_filter='JinjaCases.*'
echo "pypi: packages installed in $installed s, ours in $packaged s, checked and tests built in $built s, run in $((SECONDS - start)) s"
