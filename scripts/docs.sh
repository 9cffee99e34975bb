#!/usr/bin/env bash
# docs.sh: the documentation as a site, build/docs/site/index.html, with the reference of the Python package; broken links
# are errors. Needs the package installed in the environment of pypi_venv.sh. Says so, and ends with 0, where PyPI cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(./scripts/pypi_venv.sh)
if [ -z "$venv" ]; then exit 0; fi
tools=build/docs/tools
if [ ! -x $tools/bin/mkdocs ]; then
  python3 -m venv $tools
  $tools/bin/pip install --quiet --disable-pip-version-check mkdocs-material 'mkdocstrings[python]'
fi
"$venv/bin/python" tools/docs_pages.py build/docs/pages
$tools/bin/mkdocs build --strict --quiet
echo "docs: build/docs/site/index.html, $(find build/docs/site -name '*.html' | wc -l) pages"
