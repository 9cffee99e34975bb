#!/bin/sh
# `make demo`: teaches a small language model to disagree in number ("the keys is"), by circuit-tuning and by
# training every parameter, from the same data in the same order, and shows what each cost. About two minutes
# on two cores. $1: the program.
set -eu
cd "$(dirname "$0")/.."
circuit=${1:-build/release/circuit}
runs=runs/demo
rm -rf "$runs"
mkdir -p "$runs"

echo "Before: what the model prefers after 'The boys in the garden'"
"$circuit" generate examples/books-4l --prompt "The boys in the garden" --max-tokens 12 --quiet

# The two runs share no state: one thread each, side by side; the second one is silent.
echo
echo "Tuning twice (examples/agreement/circuit.toml and full.toml) ..."
"$circuit" tune examples/agreement/full.toml --set run.path="$runs/full" --threads 1 --quiet >"$runs/full.txt" 2>&1 &
full=$!
trap 'kill "$full" 2>/dev/null || true' INT TERM
"$circuit" tune examples/agreement/circuit.toml --set run.path="$runs/circuit" --threads 1 >"$runs/circuit.txt"
wait "$full" || { cat "$runs/full.txt" >&2; exit 1; }

"$circuit" export "$runs/circuit" -o "$runs/model" --quiet >/dev/null
echo
echo "After:"
"$circuit" generate "$runs/model" --prompt "The boys in the garden" --max-tokens 12 --quiet
echo
echo "Logit difference = wrong-number form minus right-number form; test = 600 flipped sentences of a held-out book."
"$circuit" report "$runs/circuit" "$runs/full" -o "$runs/report.html" --table
