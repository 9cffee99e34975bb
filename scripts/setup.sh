#!/bin/sh
# Installs the Debian packages the build needs and makes the OpenMP OpenBLAS the libblas in use.
# Does nothing (and needs no rights) when both are already so.
set -eu

packages="g++ cmake ninja-build ccache mold pkg-config libtorch-dev libopenblas0-openmp libopenblas-openmp-dev
nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libfmt-dev libonig-dev libutf8proc-dev libsqlite3-dev
libssl-dev libgtest-dev libgmock-dev libbenchmark-dev"
case "${PRESET:-release}" in
  fuzz) packages="$packages clang libclang-rt-dev" ;;
  tidy) packages="$packages clang-tidy clang-format" ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
  # Not Debian: the user brings the libraries; CMake names the first one that is missing.
  if [ -n "${CIRCUIT_SKIP_SETUP:-}" ]; then exit 0; fi
  echo "setup: this is not a Debian system. Install the equivalents of:" >&2
  echo "$packages" | tr '\n' ' ' >&2
  echo >&2
  echo "setup: then set CIRCUIT_SKIP_SETUP=1 and run make again." >&2
  exit 1
fi
if [ -n "${CIRCUIT_SKIP_SETUP:-}" ]; then exit 0; fi

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
