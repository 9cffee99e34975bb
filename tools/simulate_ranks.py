#!/usr/bin/env python3
"""simulate_ranks.py [--check FILE.json] [--json]: seconds and memory of a circuit-tuning step on many ranks, from shapes and
bandwidths, as docs/ranks.md describes what travels. Prints the tables of docs/ranks.md: Llama-like models of 8 and 70 billion
parameters on 8, 64 and 512 cards. --check: measured steps of bench/ranks.sh, held against the same formulas.

A step is: the micro-batches' work, shared out; an exchange of the slices' gradients to their owners and of their new values to
all; the owners' update. Nothing overlaps. It leaves out launches, imbalance, and what a discovery selects.
"""

import argparse
import json
import math
import sys
from dataclasses import dataclass


@dataclass
class Shape:
    name: str
    layers: int
    d_model: int
    d_mlp: int
    heads: int
    kv_heads: int
    d_head: int
    vocab: int

    @property
    def parameters(self):
        attention = self.d_model * self.d_head * (2 * self.heads + 2 * self.kv_heads)
        return self.layers * (attention + 3 * self.d_model * self.d_mlp) + 2 * self.vocab * self.d_model

    def kept_per_token(self, element, recompute):
        """Bytes of activations that one token keeps for the backward."""
        attention = self.d_head * (2 * self.heads + 2 * self.kv_heads)
        layer = 2 * self.d_model + attention + 3 * self.d_mlp
        return element * (self.layers * self.d_model + layer if recompute else self.layers * layer)


@dataclass
class Machine:
    name: str
    flops: float  # of products, reached
    memory: float  # bytes of a card
    bandwidth: float  # bytes a second of a card's memory
    near: float  # bytes a second from a card to the others of its node, and from them
    far: float  # the same beyond the node
    node: int  # cards in a node
    latency: float = 2e-5  # seconds of a message


@dataclass
class Job:
    share: float  # of the parameters that the circuit trains
    batches: int  # micro-batches of a step
    sequences: int  # in one
    tokens: int  # of a sequence
    every: int  # K
    discovery: float = 0.95  # of a forward and backward, for each batch that is scored
    recompute: bool = True  # activations are made again: a third of the work more
    element: int = 2  # bytes of a weight
    master: int = 4  # bytes of a master copy
    states: int = 8  # bytes of an optimiser's states


def nodes_of_range(first, last):
    """Nodes of the binary tree of micro-batches that a range of leaves is made of."""
    count = 0
    while first < last:
        size = first & -first if first else 1 << (last.bit_length() - 1)
        while first + size > last:
            size >>= 1
        first += size
        count += 1
    return count


def share_of(parts, rank, ranks):
    return parts * rank // ranks, parts * (rank + 1) // ranks


def step(shape, machine, job, ranks, stage=2):
    """Seconds by part, bytes sent by the busiest rank, and bytes of memory of a rank."""
    ranges = [share_of(job.batches, r, ranks) for r in range(ranks)]
    most = max(last - first for first, last in ranges)
    tokens = job.sequences * job.tokens
    attention = 12 * shape.layers * job.tokens * shape.heads * shape.d_head  # of a token, forward and backward
    plain = tokens * (6 * (shape.parameters - shape.vocab * shape.d_model) + attention) / machine.flops
    work = most * plain * ((4 / 3 if job.recompute else 1) + job.discovery / job.every)
    slices = job.share * shape.parameters
    # A node that is one micro-batch travels as it is, a sum in float32.
    sent = 0.0
    for first, last in ranges:
        nodes = nodes_of_range(first, last)
        gradient = job.element if last - first == 1 else 4
        sent = max(sent, (nodes * gradient + job.element) * slices * (ranks - 1) / ranks)
    outside = 0 if ranks <= machine.node else (ranks - machine.node) / ranks
    wire = sent * ((1 - outside) / machine.near + outside / machine.far) if ranks > 1 else 0
    gather = 0.0
    if stage == 3 and ranks > 1:
        # Every layer is gathered for the forward and again for the backward of each micro-batch.
        gather = 2 * most * job.element * shape.parameters * (ranks - 1) / ranks
        gather *= (1 - outside) / machine.near + outside / machine.far
    messages = 2 * (ranks - 1) * machine.latency if ranks > 1 else 0
    owned = slices / ranks
    update = owned * (2 * (job.master + job.states) + 4 + job.element) / machine.bandwidth
    weights = job.element * shape.parameters / (ranks if stage == 3 else 1)
    if stage == 3:
        weights += 2 * job.element * shape.parameters / shape.layers
    sums = 0 if most < 2 else 4 * int(math.log2(most))
    memory = {
        "weights": weights,
        "gradients": slices * (job.element + sums),
        "state": owned * (job.states + (job.master if job.element < 4 else 0)),
        "activations": tokens * shape.kept_per_token(job.element, job.recompute),
    }
    return {
        "work": work,
        "wire": wire + messages,
        "gather": gather,
        "update": update,
        "seconds": work + wire + messages + gather + update,
        "sent": sent,
        "memory": sum(memory.values()),
        "memory_by": memory,
    }


SHAPES = [
    Shape("8 B", 32, 4096, 14336, 32, 8, 128, 128256),
    Shape("70 B", 80, 8192, 28672, 64, 8, 128, 128256),
]
# 989 TFLOP/s of BF16 products at a share of 0.4; eight cards by NVLink, nodes by 400 Gbit/s a card.
CARD = Machine("80 GB card", 0.4 * 989e12, 80e9, 3.35e12, 450e9, 50e9, 8)


def tables():
    rows = []
    for shape in SHAPES:
        for ranks in (8, 64, 512):
            for stage in (2, 3):
                job = Job(share=0.1, batches=512, sequences=1, tokens=2048, every=8)
                found = step(shape, CARD, job, ranks, stage)
                alone = step(shape, CARD, job, 1, stage)
                rows.append(
                    {
                        "shape": shape.name,
                        "ranks": ranks,
                        "stage": stage,
                        "seconds": found["seconds"],
                        "wire_share": (found["wire"] + found["gather"]) / found["seconds"],
                        "efficiency": alone["work"] / (ranks * found["seconds"]),
                        "sent": found["sent"],
                        "memory": found["memory"],
                        "fits": found["memory"] <= CARD.memory,
                    }
                )
    return rows


def check(path):
    """Measured in float32: {"cores", "trained", "batches", "bandwidth", "rows": [{"ranks", "seconds"}]}, the first alone."""
    with open(path, encoding="utf-8") as file:
        measured = json.load(file)
    alone = measured["rows"][0]["seconds"]
    worst = 0.0
    for row in measured["rows"]:
        ranks = row["ranks"]
        most = max(last - first for first, last in (share_of(measured["batches"], r, ranks) for r in range(ranks)))
        # Processes beyond the cores take turns: the whole work over the cores at least.
        work = alone * max(most / measured["batches"], 1 / measured["cores"])
        ranges = [share_of(measured["batches"], r, ranks) for r in range(ranks)]
        nodes = max(nodes_of_range(first, last) for first, last in ranges)
        sent = 4 * (nodes + 1) * measured["trained"] * (ranks - 1) / ranks
        wire = sent * max(1, ranks / measured["cores"]) / measured["bandwidth"]
        seconds = work + wire
        worst = max(worst, abs(seconds / row["seconds"] - 1))
        print(f"{ranks} ranks: {seconds:.2f} s by the formulas, {row['seconds']:.2f} s measured ({seconds / row['seconds'] - 1:+.1%})")
    print(f"the worst is off by {worst:.1%}")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check")
    parser.add_argument("--json", action="store_true")
    o = parser.parse_args()
    if o.check:
        sys.exit(0 if check(o.check) < 0.15 else 1)
    rows = tables()
    if o.json:
        print(json.dumps(rows, indent=1))
        return
    print("| model | cards | stages | a step | of it travelling | efficiency | sent by a card | memory of a card | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for r in rows:
        fits = "" if r["fits"] else "does not fit 80 GB"
        print(
            f"| {r['shape']} | {r['ranks']} | {'1, 2' if r['stage'] == 2 else '1, 2, 3'} | {r['seconds']:.2f} s | {r['wire_share']:.1%} | "
            f"{r['efficiency']:.2f} | {r['sent'] / 1e9:.1f} GB | {r['memory'] / 1e9:.0f} GB | {fits} |"
        )


if __name__ == "__main__":
    main()
