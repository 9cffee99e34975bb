#!/usr/bin/env bash
# embed.sh [BUILD]: installs libcircuit of the build folder BUILD (default: build/release) below BUILD/prefix, builds
# examples/embed against that alone, and runs it: discover, evaluate, tune ten steps, save. Then the saved model is looked at
# with the program, and the library's symbols: what is visible is public.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
if [ $# -eq 0 ]; then make --no-print-directory program; fi
out=$build/embed
rm -rf "$build/prefix" "$out"
cmake --build "$build" --target circuit circuit_library -j "${JOBS:-$(nproc)}"
mkdir -p "$out"
cmake --install "$build" --prefix "$build/prefix" >"$out/install.log" || { tail -20 "$out/install.log" >&2; exit 1; }
cmake -S examples/embed -B "$out/build" -DCMAKE_PREFIX_PATH="$PWD/$build/prefix" >"$out/configure.log" 2>&1 ||
  { tail -20 "$out/configure.log" >&2; exit 1; }
cmake --build "$out/build" >"$out/build.log" || { tail -20 "$out/build.log" >&2; exit 1; }
"$out/build/embed" examples/books-4l examples/agreement/train.jsonl examples/agreement/dev.jsonl "$out/saved"
"$build/circuit" score "$out/saved/tuned" examples/agreement/dev.jsonl --quiet
# Functions of the namespace that are strong and visible (templates and inline functions of others are weak): each stands in
# a header on a line that is marked, by its own name or its class's.
marked=$(grep -rh 'CIRCUIT_API' src --include=*.h)
nm -DC --defined-only "$build"/prefix/lib*/libcircuit.so | sed -n 's/.* T circuit:://p' | sed 's/(.*//' | sort -u >"$out/visible"
while read -r function; do
  grep -qw -e "${function%%::*}" -e "${function##*::}" <<<"$marked" ||
    { echo "embed: circuit::$function is visible, and no declaration of it is marked CIRCUIT_API" >&2; exit 1; }
done <"$out/visible"
echo "embed: $(wc -l <"$out/visible") functions of the library are visible, every one of a declaration that is marked"
[ -s "$out/visible" ]
