#!/usr/bin/env bash
# Installs libcircuit below build/prefix, builds examples/embed against that alone, and runs it: discover, evaluate, tune ten
# steps, save. Then the saved model is looked at with the program, and the library's symbols: what is visible is public.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf build/prefix build/embed build/embed-out
make --no-print-directory install PREFIX="$PWD/build/prefix" >build/install.log || { tail -20 build/install.log >&2; exit 1; }
cmake -S examples/embed -B build/embed -DCMAKE_PREFIX_PATH="$PWD/build/prefix" >build/embed.log
cmake --build build/embed >>build/embed.log || { tail -20 build/embed.log >&2; exit 1; }
build/embed/embed examples/books-4l examples/agreement/train.jsonl examples/agreement/dev.jsonl build/embed-out
build/release/circuit score build/embed-out/tuned examples/agreement/dev.jsonl --quiet
# Functions of the namespace that are strong and visible; templates and inline functions of others are weak.
visible=$(nm -DC --defined-only build/prefix/lib*/libcircuit.so | grep -c ' T circuit::')
marked=$(grep -rho 'CIRCUIT_API' src --include=*.h | wc -l)
echo "embed: $visible functions of the library are visible, $marked declarations are marked"
[ "$visible" -le "$marked" ]
