#!/bin/sh
# fuzz.sh DIR SECONDS: runs each fuzz program in DIR for SECONDS from the seeds in fuzz/seeds, as many at a time as there
# are processors (JOBS). Fails when one finds anything, the input is then left in DIR/findings, and when a seed is not what
# its name says: readers refuse those called broken_NAME and take the others.
set -eu

if [ $# -ne 2 ]; then
  echo "usage: fuzz.sh DIR SECONDS" >&2
  exit 2
fi
directory=$1
seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
findings=$directory/findings
mkdir -p "$findings"
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT

# What one target finds: its names, a line each, into $corpus/TARGET.found; what it prints, into $corpus/TARGET.log.
fuzz_target() {
  target=$(basename "$1")
  dictionary=$root/fuzz/$target.dict
  options=""
  longest=4096
  # A database is at least some pages long.
  if [ "$target" = run_db ]; then longest=65536; fi
  if [ -f "$dictionary" ]; then options="-dict=$dictionary"; fi
  mkdir "$corpus/$target"
  if [ -z "$(ls "$1")" ]; then
    echo "fuzz: $1 is empty"
    echo "$target: no seeds" >>"$corpus/$target.found"
    return
  fi
  for seed in "$1"*; do
    want=accepted
    case "$(basename "$seed")" in broken_*) want=refused ;; esac
    if ! CIRCUIT_FUZZ_VERDICT=1 "$directory/${target}_fuzz" "$seed" 2>&1 | grep -q "^verdict: $want\$"; then
      echo "fuzz: the seed $seed is not $want"
      echo "seed:$(basename "$seed")" >>"$corpus/$target.found"
    fi
  done
  # shellcheck disable=SC2086
  if ! "$directory/${target}_fuzz" -max_total_time="$seconds" -max_len="$longest" -rss_limit_mb=2048 -timeout=20 \
      -verbosity=0 -print_final_stats=1 -artifact_prefix="$findings/$target-" $options \
      "$corpus/$target" "$1"; then
    echo "$target" >>"$corpus/$target.found"
    # The input travels in the log, where the machine that found it does not stay.
    for input in "$findings/$target"-*; do echo "fuzz: $input:"; head -c 4096 "$input" | base64; done
  fi
}

jobs=${JOBS:-$(nproc)}
running=""
# Waits until at most $1 targets run, and shows what those that ended printed.
wait_until() {
  while [ "$(echo $running | wc -w)" -gt "$1" ]; do
    first=${running%% *}
    wait "${first%%:*}" || true
    cat "$corpus/${first#*:}.log" >&2
    running=${running#* }
  done
}
for seeds in "$root"/fuzz/seeds/*/; do
  wait_until $((jobs - 1))
  target=$(basename "$seeds")
  echo "fuzz: $target, $seconds s" >&2
  fuzz_target "$seeds" >"$corpus/$target.log" 2>&1 &
  running="$running$!:$target "
done
wait_until 0
found=$(cat "$corpus"/*.found 2>/dev/null | tr '\n' ' ')
if [ -n "$found" ]; then echo "fuzz: found something in: $found; inputs in $findings" >&2; exit 1; fi
