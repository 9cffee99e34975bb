"""Runs: in place, step by step, the command line's bytes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import circuit_tuning as ct
from conftest import MODEL, ROOT

TRAIN = ROOT / "examples" / "agreement" / "train.jsonl"
SETTINGS = dict(method="circuit", every=2, steps=6, n=100, batch=8, lr=1e-3, evaluation_every=3)


def state(hf):
    return {name: p.detach().clone() for name, p in hf.named_parameters()}


def test_a_run_tunes_in_place_and_nothing_else(m, hf, rows, tmp_path):
    before = state(hf)
    touched = {}
    run = ct.tune(m, TRAIN, dev=rows, path=tmp_path / "run", **SETTINGS)
    seen = []
    for step in run:
        seen.append(step)
        for s in ct.Run(tmp_path / "run").circuit_at(step.step - 1, m).slices():
            touched.setdefault(s.tensor, torch.zeros_like(before[s.tensor], dtype=torch.bool)).narrow(
                s.dim, s.start, s.length
            ).fill_(True)
    assert [s.step for s in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[0].metric is not None and seen[1].metric is None and seen[2].evaluation["dev/metric"]
    changed = 0
    for name, p in hf.named_parameters():
        different = p.detach() != before[name]
        changed += int(different.sum())
        assert not (different & ~touched.get(name, torch.zeros_like(different))).any(), name
    assert changed > 0
    assert run.result["steps"] == 6 and "best_step" in run.result


def test_a_temporary_run_goes_with_the_process():
    code = f"""
import circuit_tuning as ct
from transformers import AutoModelForCausalLM
run = ct.tune(ct.Model(AutoModelForCausalLM.from_pretrained({str(MODEL)!r})), [{{"text_ids": [5, 6, 7, 8]}}], steps=1, method="full", batch=1)
run.finish()
path = run.path
del run
print(ct.Run(path).path)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    path = Path(done.stdout.strip().splitlines()[-1]) if done.stdout else None
    assert done.returncode == 0 and path, done.stderr
    assert not path.exists() and not path.parent.exists()


@pytest.mark.parametrize("method", ["circuit", "full", "random"])
def test_the_command_lines_bytes(m, hf, tmp_path, method):
    settings = {**SETTINGS, "method": method}
    ct.tune(m, TRAIN, path=tmp_path / "here", **settings).finish()
    config = f"""
[model]
path = "{MODEL}"
[data]
train = "{TRAIN}"
[tuning]
method = "{method}"
steps = 6
batch = 8
[discovery]
every = 2
[selection]
n = 100
[optimizer]
lr = 1e-3
[evaluation]
every = 3
[run]
path = "{tmp_path}/there"
"""
    (tmp_path / "c.toml").write_text(config)
    program = [sys.executable, "-m", "circuit_tuning"]
    threads = ["--threads", str(torch.get_num_threads()), "--quiet"]
    subprocess.run([*program, "tune", tmp_path / "c.toml", *threads], check=True, capture_output=True)
    subprocess.run([*program, "export", tmp_path / "there", "-o", tmp_path / "model", "--step", "6", *threads], check=True)
    from transformers import AutoModelForCausalLM

    # The files of the model are BF16: an export is rounded to that.
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.bfloat16)
    for (name, a), (_, b) in zip(hf.named_parameters(), theirs.named_parameters()):
        assert torch.equal(a.to(torch.bfloat16), b), name
    losses = [ct.Run(tmp_path / name).steps["loss"] for name in ("here", "there")]
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_stop_and_resume(m, hf, rows, tmp_path):
    whole = ct.tune(m, rows, path=tmp_path / "whole", **SETTINGS).finish().steps["loss"]
    from transformers import AutoModelForCausalLM, AutoTokenizer

    second = ct.Model(AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32), AutoTokenizer.from_pretrained(MODEL))
    with ct.tune(second, rows, path=tmp_path / "parts", **SETTINGS) as run:
        for step in run:
            if step.step == 4:
                break
    assert len(ct.Run(tmp_path / "parts").steps) in (4, 5)
    with torch.no_grad():  # whatever became of the model: the run goes on from its own checkpoint
        for p in second.hf.parameters():
            p.mul_(1.5)
    ct.tune(second, rows, path=tmp_path / "parts", resume=True, **SETTINGS).finish()
    assert ct.Run(tmp_path / "parts").steps["loss"] == whole
    for (name, a), (_, b) in zip(hf.named_parameters(), second.hf.named_parameters()):
        assert torch.equal(a, b), name


def test_a_folder_stays_as_it_is(rows, tmp_path):
    run = ct.tune(ct.Model(MODEL), rows, path=tmp_path / "run", **SETTINGS).finish()
    assert len(run.steps) == 6 and run.report().exists()


def test_bad_runs_leave_nothing(m, rows, tmp_path):
    for settings, error in (
        ({"stepz": 3}, ct.UsageError),
        ({"steps": 0}, ct.UsageError),
        ({"model_path": "x"}, ct.UsageError),
        ({"patience": 1}, ct.InputError),
        ({"untouched": rows}, ct.UsageError),
    ):
        with pytest.raises((error, ct.CircuitError)):
            ct.tune(m, rows, path=tmp_path / "run", **settings).finish()
        assert not list(tmp_path.glob("run*")), settings
    (tmp_path / "run").mkdir()
    with pytest.raises(ct.InputError, match="there already"):
        ct.tune(m, rows, path=tmp_path / "run", **SETTINGS)
    with pytest.raises(ct.InputError, match="no run"):
        ct.Run(tmp_path)


def test_runs_are_read(m, rows, tmp_path):
    text = ["The sea was calm that morning.", "Nobody in the village had seen the ship."]
    run = ct.tune(m, rows, dev=rows, untouched=text, path=tmp_path / "run", **{**SETTINGS, "every": 1, "steps": 9}).finish()
    frame = run.steps.to_pandas()
    assert list(frame.step) == list(range(9))
    assert set(run.evaluations["name"]) >= {"dev/metric", "untouched/perplexity"}
    assert run.summary["steps"] == 9
    first, last = run.circuit_at(0), run.circuit_at(8)
    assert len(first) == 100 and set(first.diff(last).change) <= {"entered", "left"}
    assert ct.Run(run.path).circuit_at(0, m).names == first.names
    trends = ct.analyse(run).trends
    assert trends.findings and "<h4>" in trends._repr_html_()
    few = ct.analyse(run, data=rows[:4], states=2).direct_logit
    assert few.findings
    with pytest.raises(ct.UsageError, match="states"):
        ct.analyse(run, states=1).direct_logit
    with pytest.raises(AttributeError, match="core_circuit"):
        ct.analyse(run).nothing
    import pickle

    assert pickle.loads(pickle.dumps(run)).path == run.path
    assert "before" in run._repr_html_() and "<svg" in run._repr_html_()
