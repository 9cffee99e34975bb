#!/usr/bin/env bash
# ranks.sh [CIRCUIT [RANKS [ROUNDS]]]: seconds of a discovery and of a step at GPT-2-small shape by one process and by RANKS (2), one
# thread each, in turn in one run; efficiency = one's seconds / (RANKS x theirs), and what a step sends against what must travel.
set -euo pipefail
circuit=$(realpath "${1:-build/release/circuit}")
ranks=${2:-2}
rounds=${3:-3}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/model"
cp examples/books-4l/tokenizer* "$work/model"
cat >"$work/model/config.json" <<'J'
{"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": 3072,
 "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": true, "bos_token_id": 0, "eos_token_id": 0}
J
awk 'BEGIN { srand(1); for (i = 0; i < 64; ++i) { printf "{\"text_ids\": ["; for (t = 0; t < 32; ++t) printf "%s%d", t ? ", " : "", 1 + int(50000 * rand());
  printf "], \"readouts\": [{\"position\": 31, \"correct_id\": 5, \"wrong_id\": 6}]}\n" } }' >"$work/data.jsonl"
cat >"$work/tune.toml" <<J
[model]
path = "$work/model"
init = "random"
[data]
train = "$work/data.jsonl"
[tuning]
steps = 4
batch = 4
accumulation = 8
method = "circuit"
[discovery]
every = 2
batches = 8
ablation = "mean"
[selection]
n = 2000
[evaluation]
every = 4
J
run() {  # NAME RANKS
  local pids=() r
  rm -rf "$work/$1" "$work/$1.init" "$work/meet"
  for r in $(seq 0 $(($2 - 1))); do
    RANK=$r WORLD_SIZE=$2 CIRCUIT_RENDEZVOUS=$work/meet "$circuit" tune "$work/tune.toml" --set run.path="$work/$1" --threads 1 --quiet --json >"$work/$1.$r.json" &
    pids+=($!)
  done
  for r in "${pids[@]}"; do wait "$r"; done
  "$circuit" query "$work/$1" "SELECT min(seconds) FROM discoveries" --csv | tail -1 >>"$work/discovery.$2"
  "$circuit" query "$work/$1" "SELECT min(seconds) FROM steps WHERE step % 2 = 1" --csv | tail -1 >>"$work/step.$2"
}
for _ in $(seq "$rounds"); do
  run one 1
  run many "$ranks"
done
for what in discovery step; do
  paste "$work/$what.1" "$work/$what.$ranks" | awk -v what=$what -v n="$ranks" '
    { one = NR == 1 || $1 < one ? $1 : one; many = NR == 1 || $2 < many ? $2 : many }
    END { printf "%-10s one process %.2f s, %d ranks %.2f s: efficiency %.3f\n", what, one, n, many, one / (n * many) }'
done
trained=$("$circuit" query "$work/many" "SELECT avg(trainable_parameters) FROM steps" --csv | tail -1)
sent=$(sed -n 's/.*"sent_bytes": *\([0-9]*\).*/\1/p' "$work/many.0.json")
awk -v t="$trained" -v s="$sent" -v n="$ranks" 'BEGIN { must = t * 8 * (n - 1) / n;
  printf "sent       %.1f MB a step by a rank, of which slices %.1f MB (x %.3f)\n", s / 4e6, must / 1e6, s / 4 / must }'
cmp "$work/one/checkpoints/step-000004/slices.safetensors" "$work/many/checkpoints/step-000004/slices.safetensors" && echo "the same bytes"
