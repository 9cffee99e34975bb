"""Scores and circuits against the command line, and their own properties."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import circuit_tuning as ct
from conftest import MODEL


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "circuit_tuning", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def records_file(rows, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("method", ["eap", "eap-ig-activations"])
def test_scores_are_the_command_lines_bytes(m, rows, records_file, tmp_path, method):
    found = ct.discover(m, rows, method=method, ablation="mean", n=200)
    out = tmp_path / "c.json"
    command("discover", MODEL, records_file, "--ablation", "mean", "--method", method, "--top-edges", 200, "-o", out, "--quiet",
            "--threads", torch.get_num_threads())
    written = json.loads(out.read_text())["edges"]
    names = found.graph.names(np.arange(len(found)))
    assert len(written) == len(names)
    for name, value in zip(names, found.values):
        assert np.float32(written[name]["score"]) == value, name
    assert {name for name in names if written[name]["in_graph"]} == set(found.circuit.names)


def test_batches_change_no_score(m, rows):
    one = ct.discover(m, rows, ablation="mean", batch=1).values
    all_ = ct.discover(m, rows, ablation="mean", batch=16).values
    assert np.abs(one - all_).max() <= 1e-5 * np.abs(all_).max()


def test_the_models_weights_are_shared(m, hf, rows):
    before = ct.discover(m, rows, ablation="mean").values
    again = ct.discover(m, rows, ablation="mean").values
    with torch.no_grad():
        hf.transformer.h[0].mlp.c_fc.weight.mul_(0.5)
    after = ct.discover(m, rows, ablation="mean").values
    assert np.array_equal(before, again)
    assert np.abs(before - after).max() > 1e-3 * np.abs(before).max()


def test_ids_need_no_tokenizer(hf, m, rows, tokenizer):
    ids = []
    for row in rows[:4]:
        ids.append({"text_ids": tokenizer(row["text"])["input_ids"][:5],
                    "readouts": [{"position": 3, "correct_id": 10, "wrong_id": 11}]})
    scores = ct.discover(ct.Model(hf, None), ids, ablation="zero")
    assert len(scores) == m.n_edges
    with pytest.raises(ct.InputError):
        ct.discover(ct.Model(hf, None), rows, ablation="zero")


def test_tables(m, rows):
    scores = ct.discover(m, rows, ablation="mean", n=50)
    frame = scores.to_pandas()
    assert list(frame.columns[:2]) == ["edge", "score"]
    assert frame.in_circuit.sum() == 50 and frame.in_circuit[:50].all()
    assert frame.score.abs().is_monotonic_decreasing
    matrix = scores.matrix()
    assert np.isnan(matrix).sum() == matrix.size - len(scores)
    assert scores[frame.edge[0]] == frame.score[0]
    assert set(scores.top(50).names) == set(scores.circuit.names)
    assert len(scores.top(50, selection="greedy")) <= 50
    nodes = scores.nodes()
    assert np.isclose(nodes["input"], np.nansum(matrix[scores.graph.upstream.index("input")].astype(float)))
    assert len(scores.to_transformer_lens()) == len(scores)
    assert "<table" in scores._repr_html_() and "<svg" in scores._repr_html_()


def test_circuits(m, rows, tmp_path):
    scores = ct.discover(m, rows, ablation="mean", n=60)
    circuit = scores.circuit
    circuit.save(tmp_path / "c.json")
    again = ct.Circuit.read(tmp_path / "c.json", m)
    assert again == circuit and np.array_equal(again.scores, circuit.scores)
    assert ct.Circuit.of_names(m, circuit.names) == circuit
    assert circuit.names[0] in circuit and circuit.jaccard(again) == 1
    other = scores.top(50)
    difference = circuit.diff(other)
    assert list(difference.change) == ["left"] * 10 and 0 < circuit.jaccard(other) < 1
    assert circuit.edge_mask().sum() == 60
    assert circuit._repr_svg_().find("<svg") > 0
    with pytest.raises(ct.InputError):
        ct.Circuit.of_names(m, ["m3->a0.h0<q>"])


def test_masks_are_the_slices(m, hf, rows):
    circuit = ct.discover(m, rows, ablation="mean", n=40).circuit
    masks = circuit.mask()
    total = sum(int(mask.sum()) for mask in masks.values())
    sizes = {name: p.shape for name, p in hf.named_parameters()}
    expected = 0
    for s in circuit.slices():
        shape = list(sizes[s.tensor])
        shape[s.dim] = s.length
        expected += int(np.prod(shape))
    assert total == expected > 0


def test_pickles(m, rows):
    import pickle

    scores = ct.discover(m, rows, ablation="mean", n=30)
    again = pickle.loads(pickle.dumps(scores))
    assert np.array_equal(again.values, scores.values) and again.circuit == scores.circuit
    circuit = pickle.loads(pickle.dumps(scores.circuit))
    assert circuit == scores.circuit
    assert len(pickle.loads(pickle.dumps(ct.records(rows)))) == len(rows)
    assert pickle.loads(pickle.dumps(ct.Model(MODEL))).n_edges == m.n_edges
    with pytest.raises(TypeError):
        pickle.dumps(m)


def test_what_is_evaluated_is_what_is_exported(m, rows, records_file, tmp_path):
    circuit = ct.discover(m, rows, ablation="mean", n=150).circuit
    here = ct.evaluate(m, rows, circuit, ablation="mean", curve=False, redundancy=0)
    circuit.save(tmp_path / "c.json")
    there = json.loads(command("evaluate", MODEL, records_file, "--circuit", tmp_path / "c.json", "--ablation", "mean",
                               "--no-curve", "--redundancy", 0, "--json", "--quiet", "--threads", torch.get_num_threads()))
    assert here.values == there
    curve = ct.evaluate(m, rows, circuit, ablation="mean", curve=False, redundancy=0, sizes=[20, 150])
    assert curve.sizes["faithfulness"][1] == here.faithfulness
    assert curve.sizes["edges"] == [20, 150]
    assert "<svg" in curve._repr_html_() and "<svg" not in here._repr_html_()


def test_baselines_are_those_of_the_command(m, rows, records_file, tmp_path):
    circuit = ct.discover(m, rows, ablation="mean", method="wanda", n=60).circuit
    here = ct.evaluate(m, rows, circuit, ablation="mean", curve=False, redundancy=0, baselines=True, draws=2)
    circuit.save(tmp_path / "c.json")
    there = json.loads(command("evaluate", MODEL, records_file, "--circuit", tmp_path / "c.json", "--ablation", "mean",
                               "--no-curve", "--redundancy", 0, "--baselines", "--draws", 2, "--json", "--quiet",
                               "--threads", torch.get_num_threads()))
    assert here.values == there
    assert [b["name"] for b in here.baselines] == ["random", "magnitude", "wanda"]
    assert len(here.baselines[0]["draws"]) == 2


def test_data_forms(m, rows):
    import pandas

    values = ct.discover(m, rows, ablation="mean").values
    assert np.array_equal(values, ct.discover(m, pandas.DataFrame(rows), ablation="mean").values)
    assert np.array_equal(values, ct.discover(m, iter(rows), ablation="mean").values)
    datasets = pytest.importorskip("datasets")
    assert np.array_equal(values, ct.discover(m, datasets.Dataset.from_list(rows), ablation="mean").values)


def test_a_target_is_reached_on_held_out_records(m, dev):
    rows = [json.loads(line) for line in dev.read_text().splitlines()[:160]]
    scored, held = rows[:80], rows[80:]
    found = ct.discover(m, scored, ablation="mean", target_faithfulness=0.8, held_out=held)
    e = ct.evaluate(m, held, found.circuit, ablation="mean", curve=False, redundancy=0)
    target = found.found["target"]
    assert target["target_faithfulness"] == 0.8
    assert e.faithfulness == pytest.approx(target["faithfulness"], abs=1e-4) and e.faithfulness >= 0.8
    assert target["held_out"] == "records" and len(found.circuit) < m.n_edges


def test_a_blocks_score_is_what_patching_its_output_does(m, hf, tokenizer):
    """Gradients at outputs, integrated from the ablated to the clean one, against transformers with that output taken away.
    An output bias is no part of a node. Not of the first MLP: without it LayerNorm sees little but noise, and the integral
    converges too slowly to be a test."""
    texts = ["The man", "The women of the house", "They", "A boy and a girl", "The king of the islands"]
    rows = [{"text": text, "readouts": [{"correct": " is", "wrong": " are"}]} for text in texts]
    found = ct.discover(m, rows, ablation="zero", method="eap-ig-activations-own", ig_steps=50)
    correct, wrong = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in (" is", " are"))
    assert len(correct) == len(wrong) == 1

    def metric():
        values = []
        for text in texts:
            logits = hf(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1]
            values.append((logits[correct[0]] - logits[wrong[0]]).item())
        return float(np.mean(values))

    def zeros(module, inputs):
        return tuple(torch.zeros_like(value) for value in inputs)

    clean, scores = metric(), found.nodes()
    assert clean == pytest.approx(found.metric, abs=1e-4)
    effects, sums = [], []
    for layer, block in enumerate(hf.transformer.h):
        heads = [name for name in scores.index if name.startswith(f"a{layer}.")]
        with block.attn.c_proj.register_forward_pre_hook(zeros):
            effects.append(clean - metric())
            sums.append(scores[heads].sum())
        if layer == 0:
            continue
        with block.mlp.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output) + module.c_proj.bias):
            effects.append(clean - metric())
            sums.append(scores[f"m{layer}"])
    assert sums == pytest.approx(effects, abs=0.005)
    assert np.abs(effects).max() > 0.3


def test_a_tasks_memory_goes_back(m, rows):
    """Its tensors lie in a region whose pages are the system's again when it ends; what it returns stays."""

    def region():
        """(size, resident) in kB of the largest mapping: address space as large as the machine's memory."""
        sizes = [[0, 0]]
        with open("/proc/self/smaps") as smaps:
            for line in smaps:
                if line.startswith("Size:"):
                    sizes.append([int(line.split()[1]), 0])
                elif line.startswith("Rss:"):
                    sizes[-1][1] = int(line.split()[1])
        return max(sizes)

    size, _ = region()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    if abs(size - memory) > 64:
        pytest.skip("the system grants no such region")
    own = torch.arange(1 << 20, dtype=torch.float32)
    scores = [ct.discover(m, rows, ablation="mean", batch=16) for _ in range(3)]
    assert region()[1] < 1024
    assert all(np.array_equal(s.values, scores[0].values) for s in scores)
    assert torch.equal(own, torch.arange(1 << 20, dtype=torch.float32))


def test_threads_change_rounding_alone():
    """Of products large enough to be another library's than the small ones; MKL rounds otherwise on one thread than on more."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(n_layer=3, n_embd=768, n_head=12, vocab_size=64, n_positions=64, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)
    m = ct.Model(GPT2LMHeadModel(config).eval())
    rows = [{"text_ids": torch.randint(0, 64, (40,)).tolist(), "readouts": [{"position": 40, "correct_id": 5, "wrong_id": 6}]}
            for _ in range(8)]
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(ct.discover(m, rows, ablation="mean").values)
    finally:
        torch.set_num_threads(threads)
    largest = np.abs(found[0]).max()
    assert largest > 0
    for other in found[1:]:
        assert np.abs(found[0] - other).max() < 2e-6 * largest
    # Workers multiply as their thread does; MKL by itself may round otherwise on three threads than on two.
    if "oneDNN" in command("--version"):
        assert np.array_equal(found[1], found[2])
