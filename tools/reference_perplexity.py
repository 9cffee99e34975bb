#!/usr/bin/env python3
"""reference_perplexity.py MODEL TEXT SCORE: the perplexity of a text by transformers, held against what `circuit score
MODEL TEXT --json` printed (SCORE). MODEL is an export of circuit's: transformers must load it. Needs torch and
transformers.
"""
import json
import math
import sys

import torch
import transformers

TOLERANCE = 5e-5  # of the perplexity: float32's rounding over some hundred tokens


def main():
    model_path, text_path, score = sys.argv[1:]
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
    ids = tokenizer(open(text_path, encoding="utf-8").read(), return_tensors="pt").input_ids
    with torch.no_grad():
        loss = model(ids, labels=ids).loss.item()
    found = json.loads(score)
    found = found["files"][0] if "files" in found else found[0] if isinstance(found, list) else found
    share = abs(found["perplexity"] / math.exp(loss) - 1)
    print(f"perplexity {math.exp(loss):.6f} by transformers; the difference is {share:.2g} of it")
    if not share <= TOLERANCE:
        sys.exit(f"reference_perplexity.py: above {TOLERANCE:g}")


main()
