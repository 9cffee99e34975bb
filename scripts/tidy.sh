#!/usr/bin/env bash
# tidy.sh [COMMIT]: clang-tidy, warnings as errors, over every source file, or over those that changed since COMMIT and
# those that include a header of ours that did. Needs no build: only the compile commands of the preset `tidy`, which has
# no precompiled headers (g++'s mean nothing to clang-tidy). -fno-openmp, since clang comes without omp.h.
set -euo pipefail
cd "$(dirname "$0")/.."
PRESET=tidy ./scripts/setup.sh
cmake --preset tidy >build/tidy.log 2>&1 || { cat build/tidy.log >&2; exit 1; }

mapfile -t files < <(git ls-files 'src/*.cc' 'tests/*.cc')
what="every file"
if [ $# -eq 1 ]; then
  # Changed sources, and for a changed header the source of the same name: that is where its functions stand.
  mapfile -t files < <(git diff --name-only --diff-filter=d "$1" -- 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' |
    sed 's/\.h$/.cc/' | sort -u | while read -r f; do if [ -f "$f" ]; then echo "$f"; fi; done)
  what="changed since $1"
fi
echo "tidy: ${#files[@]} files ($what)"
if [ ${#files[@]} -eq 0 ]; then exit 0; fi
printf '%s\n' "${files[@]}" | xargs -P "${JOBS:-$(nproc)}" -n 4 \
  clang-tidy -p build/tidy --quiet \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-fno-openmp
