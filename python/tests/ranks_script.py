"""What test_ranks.py runs on every rank: scores, an evaluation and a run; rank r writes what it has to OUT/COUNT-r.pt."""

import os
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import circuit_tuning as ct
from conftest import MODEL, ROOT


def work(out):
    hf = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    m = ct.Model(hf, AutoTokenizer.from_pretrained(MODEL))
    data = ROOT / "examples" / "agreement"
    scores = ct.discover(m, data / "dev.jsonl", ablation="mean", batch=16)
    found = ct.evaluate(m, data / "dev.jsonl", scores.top(100), ablation="mean", curve=False, redundancy=0)
    ct.tune(m, data / "train.jsonl", path=out, method="circuit", every=2, steps=4, n=100, batch=4, accumulation=4, lr=1e-3,
            evaluation_every=4, discovery_ablation="mean").finish()
    return scores.values, found.faithfulness, {k: v.detach().clone() for k, v in hf.state_dict().items()}


if __name__ == "__main__":
    folder, mode = Path(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    if mode == "alone":
        torch.save(work(folder / "alone"), folder / "alone.pt")
        sys.exit()
    import torch.distributed as dist

    dist.init_process_group("gloo")
    rank = dist.get_rank()
    if mode == "work":
        with ct.Ranks():
            result = work(folder / "many")
        torch.save(result, folder / f"rank{rank}.pt")
    else:
        # One rank fails by itself: the others hear of it.
        try:
            with ct.Ranks(timeout=20):
                if rank == 1:
                    raise ValueError("the second rank has had enough")
                work(folder / "many")
        except (ct.CircuitError, ValueError) as error:
            (folder / f"rank{rank}.txt").write_text(str(error))
    os._exit(0)
