#!/usr/bin/env bash
# pypi_torch.sh [TEST ...]: the library and these test programs (default: those that compute with tensors) under PyPI's
# torch instead of Debian's, as C++20, and examples/embed against the library installed from that build. Then every
# family against fixtures that today's transformers makes anew, and models that this program writes in transformers. Says so, and ends with 0, where PyPI cannot be reached.
# CIRCUIT_TORCH_VENV: a Python environment with torch in it, made when it is not there (5.5 GB, some minutes); outside
# the checkout, so that one serves several.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${CIRCUIT_TORCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/circuit/torch}
PRESET=pypi ./scripts/setup.sh
torch_of() { "$venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])' 2>/dev/null; }
start=$SECONDS
if ! root=$(torch_of); then
  echo "pypi: installing torch into $venv"
  python3 -m venv "$venv"
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check torch transformers safetensors peft; then
    echo "pypi: SKIPPED: torch cannot be installed from PyPI" >&2
    exit 0
  fi
  root=$(torch_of)
fi
installed=$((SECONDS - start))
start=$SECONDS
build=build/pypi
cmake --preset pypi -DCIRCUIT_TORCH_ROOT="$root" >build/pypi.log || { tail -20 build/pypi.log >&2; exit 1; }
if [ $# -eq 0 ]; then
  set -- model_test graph_test task_test intervention_test scoring_test selection_test tuning_test evaluation_test \
    dynamics_test families_test
fi
cmake --build $build -j "${JOBS:-$(nproc)}" --target circuit circuit_library text_test "$@"
built=$((SECONDS - start))
start=$SECONDS
pattern=$(IFS='|'; echo "^($*)\$")
left_out=$(ctest --test-dir $build -N -E "$pattern" | sed -n 's/^ *Test *#[0-9]*: //p' | tr '\n' ' ')
$build/circuit --version
echo "pypi: tests left out: ${left_out:-none}"
ctest --test-dir $build -R "$pattern" --parallel "${JOBS:-$(nproc)}" --output-on-failure --no-tests=error
./scripts/embed.sh $build
if "$venv/bin/python" -c 'import transformers, safetensors' 2>/dev/null; then
  rm -rf $build/families
  "$venv/bin/python" tools/family_fixtures.py $build/families 2>$build/families.log || { tail -5 $build/families.log >&2; exit 1; }
  CIRCUIT_FAMILY_FIXTURES=$PWD/$build/families build/pypi/tests/families_test --gtest_brief=1 --gtest_filter='*Families*'
  "$venv/bin/python" tools/check_exports.py --binary $build/circuit
  # The hundred chat templates that the package trl ships, 25 conversations each.
  if "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest $build/trl trl; then
    rm -rf $build/chat
    mkdir $build/chat
    "$venv/bin/python" -c 'import glob, sys, zipfile
for wheel in glob.glob(sys.argv[1] + "/*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".jinja"):
                open(sys.argv[2] + "/" + name.rsplit("/", 1)[1], "wb").write(archive.read(name))' $build/trl $build/chat
    "$venv/bin/python" tools/chat_fixtures.py $build/chat $build/chat/conversations.jsonl --conversations 25
    CIRCUIT_JINJA_CASES=$PWD/$build/chat/conversations.jsonl $build/src/text/text_test --gtest_brief=1 --gtest_filter='JinjaCases.*'
  else
    echo "pypi: chat templates are not compared: trl cannot be downloaded"
  fi
else
  echo "pypi: fixtures are not made anew: $venv has no transformers"
fi
echo "pypi: torch installed in $installed s, built in $built s, run in $((SECONDS - start)) s"
