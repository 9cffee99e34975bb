#!/usr/bin/env python3
"""Edge scores of a Llama-like model by transformers and hooks alone, held against a circuit file.

reference_scores.py MODEL RECORDS CIRCUIT.json [--steps M]   MODEL: a Hugging Face directory; RECORDS: pairs of equal
                                                            length with one readout after the text; without --steps
                                                            the scores are eap's, with it those of eap-ig-inputs

Prints the largest difference as a share of the largest score, and fails where it is above 1e-5. Nothing of circuit is
used but the names of its nodes. Needs torch and transformers.
"""
import argparse
import json
import sys

import torch
import transformers

from family_fixtures import STANDARD, Heads, Run, at, part_of, rows_of, through_norm

TOLERANCE = 1e-5


class Embedding:
    """Makes the embedding a leaf, or another tensor, while it is entered."""

    def __init__(self, model, value=None):
        self.module, self.value = model.get_input_embeddings(), value

    def __enter__(self):
        def hook(module, args, out):
            return (out if self.value is None else self.value).detach().requires_grad_()
        self.handle = self.module.register_forward_hook(hook)

    def __exit__(self, *_):
        self.handle.remove()


def run_of(model, ids, embedding=None):
    with Embedding(model, embedding):
        return Run(model, STANDARD, ids)


def writers(model, run):
    """What each node adds to the stream, [nodes, tokens, d_model], with their names."""
    heads = Heads(model.config, STANDARD, run.layers[0])
    names, out = ["input"], [run.seen["embedding"].detach()[0]]
    for l, layer in enumerate(run.layers):
        z, w_o = run.seen[f"{l}.z"].detach()[0], rows_of(at(layer, STANDARD["o"]))
        for h in range(heads.n):
            mine = slice(h * heads.d, (h + 1) * heads.d)
            names.append(f"a{l}.h{h}")
            out.append(z[:, mine] @ w_o[:, mine].T)
        names.append(f"m{l}")
        out.append(run.seen[f"{l}.mlp"].detach()[0])
    return names, torch.stack(out)


def readers(model, run):
    """The gradient at what each node reads of the stream, [nodes, tokens, d_model]."""
    heads = Heads(model.config, STANDARD, run.layers[0])
    names, out = [], []
    for l, layer in enumerate(run.layers):
        norm, x = part_of(layer, STANDARD["attention_norm"]), run.seen[f"{l}.attention_norm"]
        for part, count in (("q", heads.n), ("k", heads.kv), ("v", heads.kv)):
            for h in range(count):
                columns = torch.arange(h * heads.d, (h + 1) * heads.d)
                d = run.seen[f"{l}.{part}"].grad[..., columns]
                head = "h" if count == heads.n else "kv"  # heads that several query heads share
                names.append(f"a{l}.{head}{h}<{part}>")
                out.append(through_norm(norm, x, d @ rows_of(at(layer, STANDARD[part]))[columns])[0])
        names.append(f"m{l}")
        out.append(through_norm(part_of(layer, STANDARD["mlp_norm"]), run.seen[f"{l}.mlp_norm"],
                                run.seen[f"{l}.mlp_in"].grad)[0])
    names.append("logits")
    out.append(run.seen["final"].grad[0])
    return names, torch.stack(out).detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("records")
    parser.add_argument("circuit")
    parser.add_argument("--steps", type=int, default=0)
    arguments = parser.parse_args()
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, attn_implementation="eager",
                                                              dtype=torch.float32).eval()
    model.requires_grad_(False)
    token = lambda text: tokenizer(text, add_special_tokens=False).input_ids[0]
    records = [json.loads(line) for line in open(arguments.records, encoding="utf-8")]
    total = 0
    for record in records:
        ids, other = (torch.tensor([tokenizer(record[key], add_special_tokens=False).input_ids])
                      for key in ("text", "counterfactual"))
        assert ids.shape == other.shape, record
        clean, corrupted = run_of(model, ids), run_of(model, other)
        up, a_clean = writers(model, clean)
        _, a_corrupted = writers(model, corrupted)
        correct, wrong = (token(record["readouts"][0][key]) for key in ("correct", "wrong"))
        gradients = 0
        steps = arguments.steps or 1
        for k in range(steps):
            run = clean
            if arguments.steps:
                begin, end = corrupted.seen["embedding"], clean.seen["embedding"]
                run = run_of(model, ids, begin + k / steps * (end - begin))
            (run.logits[0, -1, correct] - run.logits[0, -1, wrong]).backward()
            down, d = readers(model, run)
            gradients = gradients + d.double() / steps
        total = total + torch.einsum("utd,vtd->uv", (a_clean - a_corrupted).double(), gradients) / len(records)
    scores = {}
    for u, writer in enumerate(up):
        for v, reader in enumerate(down):
            scores[f"{writer}->{reader}"] = float(total[u, v])
    compare(scores, json.load(open(arguments.circuit)))


def compare(scores, circuit):
    edges = circuit["edges"]
    found = {name: edge["score"] for name, edge in edges.items()}
    missing = [name for name in found if name not in scores]
    if missing:
        sys.exit(f"reference_scores.py: {len(missing)} edges are not known here, such as {missing[:3]}")
    largest = max(abs(scores[name]) for name in found)
    worst = max(found, key=lambda name: abs(scores[name] - found[name]))
    share = abs(scores[worst] - found[worst]) / largest
    print(f"{len(found)} edges; the largest score is {largest:.6g}; the largest difference is {share:.2g} of it, at {worst}")
    if not share <= TOLERANCE:
        sys.exit(f"reference_scores.py: above {TOLERANCE:g}")


main()
