#!/bin/sh
# `make demo MODEL=smollm2`: fetches SmolLM2-135M-Instruct (get.sh), circuit-tunes it to answer as a pirate, and shows its
# words before and after on questions that it was not trained on, the circuit, what it cost, and a page. $1: the program.
set -eu
cd "$(dirname "$0")/../.."
circuit=${1:-build/release/circuit}
model=examples/smollm2/model
runs=runs/smollm2
begin=$(date +%s)
run=$runs/run

./examples/smollm2/get.sh "$model"
rm -rf "$runs"
mkdir -p "$runs"

# As the model's chat template writes a question (docs/tasks.md); its answer is what follows the line "assistant".
answers() {
  while IFS= read -r question; do
    prompt=$(printf '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n_' "$question")
    "$circuit" generate "$1" --prompt "${prompt%_}" --max-tokens 40 --quiet | sed '1,/^assistant$/d' | tr '\n' ' '
    echo
  done
}
# Three of test.jsonl, and two that are nothing like what it was trained on.
cat >"$runs/questions.txt" <<'QUESTIONS'
What is the capital of Greece?
How do I wash my hands?
Is the Moon made of cheese?
Why do people like music?
What is the best way to travel from London to New York?
QUESTIONS

echo "1. Before: SmolLM2-135M-Instruct answers five questions that it will not be trained on."
echo
answers "$model" <"$runs/questions.txt" >"$runs/before.txt"
sed 's/^/   /' "$runs/before.txt"

echo
echo "2. Circuit-tuning it on 96 questions answered by a pirate (examples/smollm2/circuit.toml); a few minutes ..."
"$circuit" tune examples/smollm2/circuit.toml --set run.path="$run" >"$runs/tune.txt"
"$circuit" export "$run" -o "$runs/tuned" --quiet >/dev/null

echo
echo "3. After: the same questions."
answers "$runs/tuned" <"$runs/questions.txt" >"$runs/after.txt"
line=1
while IFS= read -r question; do
  echo
  echo "   asked    $question"
  echo "   before   $(sed -n "${line}p" "$runs/before.txt")"
  echo "   after    $(sed -n "${line}p" "$runs/after.txt")"
  line=$((line + 1))
done <"$runs/questions.txt"

echo
echo "4. The circuit: the strongest of its edges, and what of it changed when the model learned."
echo
"$circuit" query "$run" "SELECT upstream || ' -> ' || downstream AS edge, round(score, 3) AS score FROM circuits WHERE step = (SELECT max(step) FROM circuits)
  ORDER BY abs(score) DESC LIMIT 8" --quiet

echo
echo "5. What it reached and what it cost: perplexity of answers that it was not trained on (test), and of a book's pages"
echo "   that have nothing to do with them (untouched). The last line is a page to open."
echo
"$circuit" report "$run" -o "$runs/report.html" --table
echo "demo: $(($(date +%s) - begin)) s"
