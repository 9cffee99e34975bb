#!/usr/bin/env bash
# tidy.sh [COMMIT]: clang-tidy, warnings as errors, over every source file, or over those that changed since COMMIT and
# those whose header did. Needs no build: only the compile commands of the preset `tidy`, which has no precompiled
# headers (g++'s mean nothing to clang-tidy). -fno-openmp, since clang comes without omp.h.
#
# Two thirds of a file's time go into the headers of others, which clang-tidy parses and searches: files of one target
# are checked together, as one that includes them. A file that cannot stand beside another, mostly because functions in
# unnamed namespaces share a name, goes into the next group.
set -euo pipefail
cd "$(dirname "$0")/.."
GROUP=${GROUP:-16}   # files checked together; 1: each alone
work=$PWD/build/tidy/groups

# together FLAGS NAME FILE...: checks the files, in as many goes as it takes; they have the flags in common.
together() {
  local flags=$1 name=$2 round=0 unit errors file later all_of output number
  shift 2
  while [ $# -gt 0 ]; do
    round=$((round + 1))
    unit=$work/$name-$round/$name-$round.cc
    mkdir -p "${unit%/*}"
    later=""
    while true; do
      number=0
      for file; do
        case " $later " in *" $file "*) continue ;; esac
        number=$((number + 1))
        echo "#include \"$PWD/$file\"  // NOLINT(bugprone-suspicious-include)"
      done >"$unit"
      if [ "$number" -eq 1 ]; then break; fi
      errors=$(eval "clang++ $flags -fno-openmp -w -ferror-limit=0 -fsyntax-only '$unit'" 2>&1 | grep ': error: ' || true)
      if [ -z "$errors" ]; then break; fi
      all_of=$later
      for file in "${@:2}"; do
        case "$errors" in *"$file:"*) case " $later " in *" $file "*) ;; *) later="$later $file" ;; esac ;; esac
      done
      # The errors are not of files standing together: each alone, so that clang-tidy says what is wrong.
      if [ "$later" = "$all_of" ]; then later="${*:2}"; fi
    done
    printf '[{"directory": "%s", "file": "%s", "command": "%s"}]\n' "$PWD" "$unit" \
      "$(sed 's/[\\"]/\\&/g' <<<"clang++ $flags -c $unit")" >"${unit%/*}/compile_commands.json"
    if ! output=$(clang-tidy -p "${unit%/*}" --quiet --header-filter='/(src|tests)/' $TIDY_ARGS \
        --extra-arg=-Wno-unknown-warning-option --extra-arg=-fno-openmp "$unit" 2>/dev/null); then
      printf 'tidy: %s:\n%s\n' "$(sed -n 's/^#include "\(.*\)".*/\1/p' "$unit" | tr '\n' ' ')" "$output" >&2
      failed=1
    fi
    # shellcheck disable=SC2086
    set -- $later
  done
}

if [ "${1:-}" = --together ]; then
  # A line of the list: the target, the flags and the files, parted by tabs.
  failed=0
  IFS=$'\t' read -r name flags files <<<"$2"
  # shellcheck disable=SC2086
  together "$flags" "$name" $files
  exit $failed
fi

# src/python is compiled beside PyPI's torch alone, and so are these, which stand for others there.
elsewhere=(':!src/python' ':!src/ranks/no_gloo.cc' ':!src/model/bf16_products_right.cc' ':!src/model/onednn_products.cc' ':!src/model/onednn_products.h')
PRESET=tidy ./scripts/setup.sh
cmake --preset tidy >build/tidy.log 2>&1 || { cat build/tidy.log >&2; exit 1; }

mapfile -t files < <(git ls-files 'src/*.cc' 'tests/*.cc' "${elsewhere[@]}")
what="every file"
if [ $# -eq 1 ]; then
  # Changed sources, and for a changed header the source of the same name: that is where its functions stand.
  mapfile -t files < <(git diff --name-only --diff-filter=d "$1" -- 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' "${elsewhere[@]}" |
    sed 's/\.h$/.cc/' | sort -u | while read -r f; do if [ -f "$f" ]; then echo "$f"; fi; done)
  what="changed since $1"
fi
echo "tidy: ${#files[@]} files ($what), at most $GROUP at a time"
if [ ${#files[@]} -eq 0 ]; then exit 0; fi

rm -rf "$work"
mkdir -p "$work"
# TARGET, FLAGS, FILE of every compile command, parted by tabs.
sed -n 's/^ *"command": "\(.*\)",$/\1/; t command; s/^ *"file": "\(.*\)",*$/\1/; t file; b
  :command; s/\\\(.\)/\1/g; s/^[^ ]* //; s/ -o [^ ]*CMakeFiles\/\([^ ]*\)\.dir\/.*$/\t\1/; h; b
  :file; H; g; s/^\(.*\)\t\(.*\)\n\(.*\)$/\2\t\1\t\3/; p' build/tidy/compile_commands.json >"$work/commands"
printf '%s\n' "${files[@]}" >"$work/files"
# Groups of one target, as "TARGET-NUMBER, FLAGS, FILES"; a file that no target has is an error of this script.
awk -F'\t' -v most="$GROUP" -v root="$PWD/" '
  NR == FNR { wanted[$0] = 1; next }
  { file = substr($3, length(root) + 1) }
  !(file in wanted) { next }
  {
    delete wanted[file]
    group = $1 "-" int(count[$1] / most)
    count[$1]++
    flags[group] = $2
    list[group] = list[group] " " file
  }
  END {
    for (file in wanted) { print "tidy: no target compiles " file >"/dev/stderr"; missing = 1 }
    for (group in list) printf "%s\t%s\t%s%c", group, flags[group], list[group], 0
    exit missing
  }' "$work/files" "$work/commands" >"$work/list"
export GROUP TIDY_ARGS=${TIDY_ARGS:-}
xargs -0 -P "${JOBS:-$(nproc)}" -n 1 "$0" --together <"$work/list"
