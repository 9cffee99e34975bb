#!/usr/bin/env bash
# sanitize.sh [TEST ...]: builds these test programs (default: those that read files and compute indices) with
# AddressSanitizer and UndefinedBehaviorSanitizer together, -O1, and runs them. Every finding ends a program. The
# end-to-end programs, input_test and runs_test, run a `circuit` that is built so too.
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh
if [ $# -eq 0 ]; then
  set -- core_test io_test text_test model_test graph_test task_test intervention_test selection_test
fi
test -f build/sanitize/CTestTestfile.cmake || cmake --preset sanitize
start=$SECONDS
cmake --build build/sanitize -j "${JOBS:-$(nproc)}" --target "$@"
built=$((SECONDS - start))
pattern=$(IFS='|'; echo "^($*)\$")
left_out=$(ctest --test-dir build/sanitize -N -E "$pattern" | sed -n 's/^ *Test *#[0-9]*: //p' | tr '\n' ' ')
echo "sanitizers: address and undefined behaviour over $*"
echo "sanitizers: left out: ${left_out:-none}; leaks are not looked for (libtorch keeps its tables)"
start=$SECONDS
ASAN_OPTIONS=detect_leaks=0:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
  ctest --test-dir build/sanitize -R "$pattern" --parallel "${JOBS:-$(nproc)}" --output-on-failure --no-tests=error \
  --timeout 1200
echo "sanitizers: built in $built s, run in $((SECONDS - start)) s"
