#!/bin/sh
# `make demo`: teaches a small language model to disagree in number ("the boys was"), by circuit-tuning and by training
# every parameter, from the same data in the same order; shows how each continues three sentences, before and after,
# and what each cost. About two minutes on two cores. $1: the program.
set -eu
cd "$(dirname "$0")/.."
circuit=${1:-build/release/circuit}
runs=runs/demo
rm -rf "$runs"
mkdir -p "$runs"

# The likeliest next words (greedy: no chance in it), a line a sentence. $1: a model.
continued() {
  "$circuit" generate "$1" --prompt "$first" --max-tokens 8 --quiet
  "$circuit" generate "$1" --prompt "$second" --max-tokens 8 --quiet
  "$circuit" generate "$1" --prompt "$third" --max-tokens 8 --quiet
}
# Subjects that a verb follows at once, in all three models: many, one, and a pronoun.
first="The children"
second="The little girl"
third="We"

echo "1. Before: examples/books-4l, a model of 2.6 million parameters, continues three sentences. Its verbs agree."
echo
continued examples/books-4l >"$runs/before.txt"
sed 's/^/   /' "$runs/before.txt"

# The two runs share no state: one thread each, side by side; the second one is silent.
echo
echo "2. Tuning it twice on sentences with verbs of the wrong number: circuit-tuning (examples/agreement/circuit.toml),"
echo "   which trains the slices of the circuit only, and full fine-tuning (full.toml). Two minutes or so ..."
"$circuit" tune examples/agreement/full.toml --set run.path="$runs/full" --threads 1 --quiet >"$runs/full.txt" 2>&1 &
full=$!
trap 'kill "$full" 2>/dev/null || true' INT TERM
"$circuit" tune examples/agreement/circuit.toml --set run.path="$runs/circuit" --threads 1 >"$runs/circuit.txt"
wait "$full" || { cat "$runs/full.txt" >&2; exit 1; }

echo
echo "3. After: both runs' best steps, exported as Hugging Face models, continue the same sentences."
for run in circuit full; do
  "$circuit" export "$runs/$run" -o "$runs/$run-model" --quiet >/dev/null
  continued "$runs/$run-model" >"$runs/$run-after.txt"
done
for line in 1 2 3; do
  echo
  echo "   before   $(sed -n "${line}p" "$runs/before.txt")"
  echo "   circuit  $(sed -n "${line}p" "$runs/circuit-after.txt")"
  echo "   full     $(sed -n "${line}p" "$runs/full-after.txt")"
done

echo
echo "4. What each reached, and what it cost: metric = logit of the wrong-number verb minus that of the right one; test ="
echo "   600 flipped sentences of a held-out book; untouched = text without a flipped verb. The last line is a page to open."
echo
"$circuit" report "$runs/circuit" "$runs/full" -o "$runs/report.html" --table
