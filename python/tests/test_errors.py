"""Bad input: an exception that teaches, and the model as it was."""

import copy
import os
import threading

import pytest
import torch

import circuit_tuning as ct
from conftest import MODEL


def weights_of(hf):
    return {name: p.detach().clone() for name, p in hf.named_parameters()}


@pytest.mark.parametrize(
    "settings, what",
    [
        ({"methd": "eap"}, "Did you mean method"),
        ({"method": "eapp"}, "eapp"),
        ({"n": 0}, "n"),
        ({"n": "many"}, "expected an int"),
        ({"batch": True}, "found a bool"),
        ({"ablation": 3}, "expected one of"),
        ({"signed": 1}, "expected a bool"),
        ({"stable": 0.9}, "resamples"),
        ({"target_faithfulness": 0.9, "n": 10}, "looks for"),
        ({"target_faithfulness": 0.9, "selection": "threshold"}, "no size to search over"),
        ({"target_faithfulness": 0.9, "stable": 0.9, "resamples": 2}, "stable"),
        ({"held_out": [{"text": "a"}]}, "target_faithfulness"),
    ],
)
def test_wrong_settings(m, rows, settings, what):
    with pytest.raises(ct.UsageError, match=what):
        ct.discover(m, rows, **settings)


@pytest.mark.parametrize(
    "data, error, what",
    [
        ([], ct.InputError, "there are none"),
        ([1, 2], ct.UsageError, r"records:1\] found a int"),
        ({"text": "a"}, ct.UsageError, "expected a list"),
        (3, ct.UsageError, "found a int"),
        ("nowhere.jsonl", ct.InputError, "no such file"),
        ([{"text": "The man", "readout": []}], ct.InputError, r"records:1.*readout"),
        ([{"text": "The man", "readouts": [{"correct": " is", "wrong": " are"}]}, {"text": 3}], ct.InputError, "records:2"),
        ([{"text": "\ud800"}], ct.InputError, "Unicode"),
        ([{"text": float("inf")}], ct.UsageError, "JSON"),
        ([{"text": "", "readouts": [{"correct": " is", "wrong": " are"}]}], ct.InputError, "records:1"),
    ],
)
def test_wrong_records(m, data, error, what):
    with pytest.raises(error, match=what):
        ct.discover(m, data, ablation="mean")


def test_a_model_that_is_no_model(hf):
    with pytest.raises(ct.UsageError, match="expected a transformers model"):
        ct.Model(3)
    with pytest.raises(ct.UsageError, match="expected a transformers model"):
        ct.Model(torch.nn.Linear(2, 2))
    with pytest.raises(ct.InputError):
        ct.Model("nowhere")


def test_half_precision(hf, tokenizer):
    with pytest.raises(ct.UsageError, match="float16"):
        ct.Model(copy.deepcopy(hf).half(), tokenizer)
    mixed = copy.deepcopy(hf)
    mixed.transformer.wte.weight.data = mixed.transformer.wte.weight.data.to(torch.bfloat16)
    with pytest.raises(ct.UsageError, match="bring them to one"):
        ct.Model(mixed, tokenizer)


def test_meta_device(hf, tokenizer):
    with pytest.raises(ct.UsageError, match="meta device"):
        ct.Model(copy.deepcopy(hf).to("meta"), tokenizer)


def test_wrong_tokenizer(hf, tokenizer):
    tokenizer.add_tokens([f"<extra{i}>" for i in range(20000)])
    with pytest.raises(ct.UsageError, match="another model"):
        ct.Model(hf, tokenizer)


def test_peft(hf, tokenizer):
    peft = pytest.importorskip("peft")
    wrapped = peft.get_peft_model(copy.deepcopy(hf), peft.LoraConfig(target_modules=["c_attn"], fan_in_fan_out=True))
    with pytest.raises(ct.UsageError, match="PEFT"):
        ct.Model(wrapped, tokenizer)


def test_not_finite(hf, tokenizer):
    hf.transformer.h[1].mlp.c_fc.weight.data[0, 0] = float("nan")
    with pytest.raises(ct.InputError, match="h.1.mlp.c_fc.weight"):
        ct.Model(hf, tokenizer)


def test_a_model_that_was_cast(m, hf, rows):
    hf.to(torch.bfloat16)
    with pytest.raises(ct.UsageError, match="moved or cast"):
        ct.discover(m, rows, ablation="mean")


def test_frozen_parameters(m, hf, rows):
    circuit = ct.discover(m, rows, ablation="mean", n=30).circuit
    for p in hf.parameters():
        p.requires_grad_(False)
    with pytest.raises(ct.UsageError, match="requires_grad"):
        ct.CircuitAdamW(hf, circuit)


def test_another_models_circuit(m, hf, rows):
    circuit = ct.discover(m, rows, ablation="mean", n=30).circuit
    with pytest.raises(ct.UsageError, match="another model"):
        ct.CircuitAdamW(copy.deepcopy(hf), circuit)
    with pytest.raises(ct.UsageError, match="lr"):
        ct.CircuitAdamW(hf, circuit, lr=-1)


def test_two_threads_on_one_model(m, rows):
    failures, results = [], []

    def work():
        try:
            results.append(ct.discover(m, rows, ablation="mean", method="eap-ig-activations").values)
        except ct.InputError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results and all((r == results[0]).all() for r in results)
    assert all("at work for another thread" in f for f in failures)
    assert len(ct.discover(m, rows, ablation="mean")) == m.n_edges  # free again


def test_a_forked_process(m, rows):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ct.discover(m, rows, ablation="mean")
            os.write(write, b"no error")
        except ct.UsageError as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert b"another process" in os.read(read, 1000)


def test_ctrl_c_ends_a_discovery(m, rows, hf):
    import _thread

    before = weights_of(hf)
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(200):
            ct.discover(m, rows * 8, ablation="mean", method="exact")
    assert len(ct.discover(m, rows, ablation="mean")) == m.n_edges
    assert all(torch.equal(before[name], p) for name, p in hf.named_parameters())


def test_the_gil_is_free_meanwhile(m, rows):
    ticks = [0]
    stop = threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks[0] += 1

    thread = threading.Thread(target=tick)
    thread.start()
    ct.discover(m, rows * 4, ablation="mean", method="eap-ig-activations")
    stop.set()
    thread.join()
    assert ticks[0] > 20


def test_warnings_are_pythons(m, rows):
    circuit = ct.discover(m, rows, ablation="mean", n=5).circuit
    with pytest.warns(UserWarning):
        ct.discover(m, rows, ablation="mean", positions="readout", verify=2)
    assert len(circuit) == 5
