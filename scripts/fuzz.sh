#!/bin/sh
# fuzz.sh DIR SECONDS: runs each fuzz program in DIR for SECONDS from the seeds in fuzz/seeds, one after the other. Fails
# when one finds anything, the input is then left in DIR/findings, and when a seed is not what its name says: readers
# refuse those called broken_NAME and take the others.
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

found=""
for seeds in "$root"/fuzz/seeds/*/; do
  target=$(basename "$seeds")
  dictionary=$root/fuzz/$target.dict
  options=""
  longest=4096
  # A database is at least some pages long.
  if [ "$target" = run_db ]; then longest=65536; fi
  if [ -f "$dictionary" ]; then options="-dict=$dictionary"; fi
  mkdir "$corpus/$target"
  echo "fuzz: $target, $seconds s" >&2
  if [ -z "$(ls "$seeds")" ]; then echo "fuzz: $seeds is empty" >&2; exit 1; fi
  for seed in "$seeds"*; do
    want=accepted
    case "$(basename "$seed")" in broken_*) want=refused ;; esac
    if ! CIRCUIT_FUZZ_VERDICT=1 "$directory/${target}_fuzz" "$seed" 2>&1 | grep -q "^verdict: $want\$"; then
      echo "fuzz: the seed $seed is not $want" >&2
      found="$found seed:$(basename "$seed")"
    fi
  done
  # shellcheck disable=SC2086
  if ! "$directory/${target}_fuzz" -max_total_time="$seconds" -max_len="$longest" -rss_limit_mb=2048 -timeout=20 \
      -verbosity=0 -print_final_stats=1 -artifact_prefix="$findings/$target-" $options \
      "$corpus/$target" "$seeds"; then
    found="$found $target"
    # The input travels in the log, where the machine that found it does not stay.
    for input in "$findings/$target"-*; do echo "fuzz: $input:" >&2; head -c 4096 "$input" | base64 >&2; done
  fi
done
if [ -n "$found" ]; then echo "fuzz: found something in:$found; inputs in $findings" >&2; exit 1; fi
