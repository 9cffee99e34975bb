#!/usr/bin/env bash
# ranks_netns.sh CIRCUIT: two network namespaces with addresses of their own and a wire between them, a rank in each: discover
# and tune make the bytes of one process. Needs root and iproute2; takes its namespaces away again.
set -euo pipefail
circuit=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
a=circuit-a-$$ b=circuit-b-$$
clean() { ip netns del "$a" 2>/dev/null || true; ip netns del "$b" 2>/dev/null || true; rm -rf "$work"; }
trap clean EXIT
ip netns add "$a"
ip netns add "$b"
ip link add va type veth peer name vb netns "$b"
ip link set va netns "$a"
ip -n "$a" addr add 10.199.0.1/24 dev va
ip -n "$b" addr add 10.199.0.2/24 dev vb
for n in "$a" "$b"; do ip -n "$n" link set lo up; done
ip -n "$a" link set va up
ip -n "$b" link set vb up
both() {
  local r=0
  for n in "$a" "$b"; do
    RANK=$r WORLD_SIZE=2 MASTER_ADDR=10.199.0.1 MASTER_PORT=29511 CIRCUIT_RANKS_TIMEOUT=60 ip netns exec "$n" "$circuit" "$@" --threads 1 --quiet >"$work/out.$r" &
    r=$((r + 1))
  done
  wait -n && wait -n
}
discover=(discover examples/books-4l examples/agreement/dev.jsonl --ablation mean --top-edges 200)
"$circuit" "${discover[@]}" -o "$work/one.json" --threads 1 --quiet >/dev/null
both "${discover[@]}" -o "$work/two.json"
cmp "$work/one.json" "$work/two.json"
tune=(tune examples/agreement/circuit.toml --set tuning.steps=4 --set evaluation.every=4 --set tuning.batch=4 --set tuning.accumulation=4)
"$circuit" "${tune[@]}" --set run.path="$work/one" --threads 1 --quiet >/dev/null
both "${tune[@]}" --set run.path="$work/two"
for file in slices optimizer; do cmp "$work"/{one,two}/checkpoints/step-000004/$file.safetensors; done
echo "ranks: two network namespaces made one process's bytes"
