#!/usr/bin/env bash
# sanitize.sh [TEST ...]: builds these test programs (default: all but those that train or score for minutes) with
# AddressSanitizer and UndefinedBehaviorSanitizer together, -O1, and runs them. Every finding ends a program.
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh
if [ $# -eq 0 ]; then
  # Where bytes from elsewhere are read and where indices are computed; the end-to-end programs run `circuit` itself.
  set -- core_test io_test text_test model_test graph_test task_test intervention_test selection_test input_test
fi
test -f build/sanitize/CTestTestfile.cmake || cmake --preset sanitize
cmake --build build/sanitize -j "${JOBS:-$(nproc)}" --target "$@"
echo "sanitizers: address and undefined behaviour over $*; leaks are not looked for (libtorch keeps its tables)"
pattern=$(IFS='|'; echo "^($*)\$")
ASAN_OPTIONS=detect_leaks=0:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
  ctest --test-dir build/sanitize -R "$pattern" --parallel "${JOBS:-$(nproc)}" --output-on-failure --no-tests=error \
  --timeout 1200
