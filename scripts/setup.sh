#!/bin/sh
# Installs the Debian packages the build needs, makes the OpenMP OpenBLAS the libblas in use and fetches the
# report page's chart bundles with npm. Does nothing (and needs no rights) when all is already so.
set -eu
cd "$(dirname "$0")/.."

packages="g++ cmake ninja-build ccache pkg-config libtorch-dev libgloo-dev libopenblas0-openmp libopenblas-openmp-dev
nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libfmt-dev libonig-dev libutf8proc-dev libsqlite3-dev
libssl-dev"
# NEED=program: without what only the tests need.
if [ "${NEED:-all}" != program ]; then packages="$packages libgtest-dev libgmock-dev"; fi
case "${PRESET:-release}" in
  fuzz) packages="$packages clang libclang-rt-dev" ;;
  pypi) packages="$packages python3-venv" ;;
  tidy) packages="$packages clang clang-tidy clang-format" ;;
esac

# The bundles that the report page inlines: in build/npm, as src/report/page/package.json has them.
bundles=build/npm
bundles_missing() {
  cmp -s src/report/page/package.json "$bundles/package.json" || return 0
  for b in vega vega-lite vega-embed; do
    test -f "$bundles/node_modules/$b/build/$b.min.js" || return 0
  done
  return 1
}
install_bundles() {
  bundles_missing || return 0
  if ! command -v npm >/dev/null 2>&1; then
    echo "setup: npm is needed for the report's charts (src/report/page/package.json): install it and run make again." >&2
    exit 1
  fi
  echo "setup: fetching the chart bundles of the report page" >&2
  # The packages alone, not the tree of 94 that they would install: the bundles hold all they need.
  rm -rf "$bundles.new"
  mkdir -p "$bundles.new/node_modules" "$bundles.new/packed"
  specs=$(sed -n '/"dependencies"/,/}/s/^ *"\([a-z0-9-]*\)": "\([0-9.]*\)",*$/\1@\2/p' src/report/page/package.json)
  # shellcheck disable=SC2086
  npm pack --silent --loglevel=error --pack-destination "$bundles.new/packed" $specs >/dev/null
  for spec in $specs; do
    folder=$bundles.new/node_modules/${spec%@*}
    mkdir "$folder"
    tar -xzf "$bundles.new/packed/${spec%@*}-${spec#*@}.tgz" -C "$folder" --strip-components=1
  done
  rm -rf "$bundles" "$bundles.new/packed"
  cp src/report/page/package.json "$bundles.new/package.json"
  mv "$bundles.new" "$bundles"
}

if ! command -v dpkg-query >/dev/null 2>&1; then
  # Not Debian: the user brings the libraries; CMake names the first one that is missing.
  if [ -n "${CIRCUIT_SKIP_SETUP:-}" ]; then install_bundles; exit 0; fi
  echo "setup: this is not a Debian system. Install the equivalents of:" >&2
  echo "$packages" | tr '\n' ' ' >&2
  echo >&2
  echo "setup: then set CIRCUIT_SKIP_SETUP=1 and run make again." >&2
  exit 1
fi
if [ -n "${CIRCUIT_SKIP_SETUP:-}" ]; then install_bundles; exit 0; fi

# Where nodejs does not come from Debian, npm came with it: ask for the program, not for the package.
if bundles_missing && ! command -v npm >/dev/null 2>&1; then packages="$packages npm"; fi
missing=""
for p in $packages; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done

root=""
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null 2>&1; then root="sudo"; else root="none"; fi
fi
need_root() {
  if [ "$root" = none ]; then
    echo "setup: needs root (or sudo) to run: $*" >&2
    exit 1
  fi
}

if [ -n "$missing" ]; then
  need_root "apt-get install$missing"
  echo "setup: installing$missing" >&2
  $root apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing >&2
fi

# Debian's libtorch pulls in the reference BLAS (35 times slower); the OpenMP OpenBLAS obeys --threads.
link=libblas.so.3-$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
want=$(update-alternatives --list "$link" 2>/dev/null | grep openblas-openmp || true)
have=$(readlink "/etc/alternatives/$link" 2>/dev/null || true)
if [ -n "$want" ] && [ "$have" != "$want" ]; then
  need_root "update-alternatives --set $link $want"
  echo "setup: making $want the libblas in use" >&2
  $root update-alternatives --set "$link" "$want" >&2
fi

install_bundles
