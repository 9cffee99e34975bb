#!/usr/bin/env bash
# release.sh VERSION: makes a release of a clean tree. CHANGELOG.md must have the heading "## VERSION, unreleased".
#   commit     the version in CMakeLists.txt, the date in CHANGELOG.md, the base that CI's clang-tidy compares with
#   dist/      source archive, Debian package, SHA256SUMS
#   tag        vVERSION, last: when the archive, unpacked elsewhere, built, passed its tests and made the package, and the
#              unpacked package's program and library worked
# When anything fails the commit is taken back and nothing is left in dist/. Pushing and publishing are yours.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "release: $*" >&2; exit 1; }

[ $# -eq 1 ] || fail "usage: scripts/release.sh VERSION"
version=$1
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "$version is not three numbers with points between, as 0.2.0"
[ -z "$(git status --porcelain)" ] || fail "the tree has changes: commit them first"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || fail "the tag v$version exists"
grep -qx "## $version, unreleased" CHANGELOG.md || fail "CHANGELOG.md has no heading '## $version, unreleased'"
./scripts/setup.sh
command -v dpkg-shlibdeps >/dev/null || fail "dpkg-shlibdeps is missing: apt-get install dpkg-dev"

before=$(git rev-parse HEAD)
work=$(mktemp -d)
name=circuit-$version
take_back() {
  status=$?
  rm -rf "$work"
  if [ $status -ne 0 ]; then
    git reset -q --hard "$before"
    rm -rf "dist/$name"
    echo "release: failed; the commit is taken back" >&2
  fi
}
trap take_back EXIT

sed -i "s/^project(circuit VERSION [0-9.]* /project(circuit VERSION $version /" CMakeLists.txt
sed -i "s/^## $version, unreleased$/## $version, $(date +%F)/" CHANGELOG.md
sed -i "s/^find_package(circuit [0-9.]* REQUIRED)/find_package(circuit ${version%.*} REQUIRED)/" examples/embed/CMakeLists.txt
echo "$before" >.ci/base
git commit -qam "Release $version"

mkdir -p "dist/$name"
out=$PWD/dist/$name
git archive --prefix="$name/" HEAD | xz -T0 >"$out/$name.tar.xz"
echo "release: building $name.tar.xz in a new folder and running its tests"
tar -xJf "$out/$name.tar.xz" -C "$work"
cd "$work/$name"
mkdir -p build
cp -r "$OLDPWD/build/npm" build/ 2>/dev/null || true  # the page's chart bundles, when they are here
make --no-print-directory test CMAKE_ARGS=-DCMAKE_INSTALL_PREFIX=/usr
cmake --build build/release --target circuit circuit_library
(cd build/release && cpack -B package)
package=$(ls build/release/package/*.deb)
cp "$package" "$out/"

echo "release: trying the package's program and library"
dpkg-deb -x "$package" "$work/unpacked"
"$work/unpacked/usr/bin/circuit" --version | grep -qx "circuit $version" || fail "the package's program is another version"
cmake -S examples/embed -B build/embed -DCMAKE_PREFIX_PATH="$work/unpacked/usr" >build/embed.log
cmake --build build/embed >>build/embed.log || { tail -20 build/embed.log >&2; fail "examples/embed does not build against the package"; }
build/embed/embed examples/books-4l examples/agreement/train.jsonl examples/agreement/dev.jsonl build/embed-out
cd "$OLDPWD"

(cd "$out" && sha256sum -- * >SHA256SUMS)
git tag -a "v$version" -m "circuit $version"
echo "release: tagged v$version; in dist/$name:"
ls -l "$out"
