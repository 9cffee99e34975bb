"""CircuitAdamW: AdamW's numbers inside the circuit, nothing outside."""

import copy

import pytest
import torch

import circuit_tuning as ct


def loss_of(hf, tokenizer):
    batch = tokenizer(["The men near the house were old."], return_tensors="pt")
    return hf(input_ids=batch["input_ids"], labels=batch["input_ids"]).loss


def masked(hf, circuit):
    masks = circuit.mask()
    return {n: masks.get(n, torch.zeros_like(p, dtype=torch.bool)) for n, p in hf.named_parameters()}


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_no_byte_outside(m, hf, rows, tokenizer, decay):
    circuit = ct.discover(m, rows, ablation="mean", n=60).circuit
    masks = masked(hf, circuit)
    before = {n: p.detach().clone() for n, p in hf.named_parameters()}
    optimizer = ct.CircuitAdamW(hf, circuit, lr=1e-3, weight_decay=decay)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(hf, tokenizer).backward()
        optimizer.step()
    assert optimizer.trainable == sum(int(mask.sum()) for mask in masks.values())
    for name, p in hf.named_parameters():
        assert torch.equal(p[~masks[name]], before[name][~masks[name]]), name
        if masks[name].any():
            assert not torch.equal(p[masks[name]], before[name][masks[name]])


def test_one_step_is_adamws(m, hf, rows, tokenizer):
    circuit = ct.discover(m, rows, ablation="mean", n=60).circuit
    reference = copy.deepcopy(hf)
    masks = masked(hf, circuit)
    mine = ct.CircuitAdamW(hf, circuit, lr=1e-3, weight_decay=0.01)
    theirs = torch.optim.AdamW(reference.parameters(), lr=1e-3, weight_decay=0.01)
    for model, optimizer in ((hf, mine), (reference, theirs)):
        loss_of(model, tokenizer).backward()
        optimizer.step()
    for (name, p), q in zip(hf.named_parameters(), reference.parameters()):
        assert torch.allclose(p[masks[name]], q[masks[name]], atol=1e-8, rtol=1e-6), name


def test_another_circuit(m, hf, rows, tokenizer):
    scores = ct.discover(m, rows, ablation="mean")
    optimizer = ct.CircuitAdamW(hf, scores.top(20), lr=1e-3, on_return="reset")
    loss_of(hf, tokenizer).backward()
    optimizer.step()
    wide = optimizer.trainable
    optimizer.set_circuit(scores.top(5))
    assert optimizer.trainable < wide
    before = {n: p.detach().clone() for n, p in hf.named_parameters()}
    masks = masked(hf, scores.top(5))
    optimizer.step()
    for name, p in hf.named_parameters():
        assert torch.equal(p[~masks[name]], before[name][~masks[name]]), name


def test_state_comes_back(m, hf, rows, tokenizer):
    circuit = ct.discover(m, rows, ablation="mean", n=40).circuit
    one = ct.CircuitAdamW(hf, circuit, lr=1e-3)
    loss_of(hf, tokenizer).backward()
    one.step()
    saved, weights = copy.deepcopy(one.state_dict()), {n: p.detach().clone() for n, p in hf.named_parameters()}
    one.step()
    after = {n: p.detach().clone() for n, p in hf.named_parameters()}
    with torch.no_grad():
        for n, p in hf.named_parameters():
            p.copy_(weights[n])
    two = ct.CircuitAdamW(hf, circuit, lr=1e-3)
    two.load_state_dict(saved)
    two.step()
    for n, p in hf.named_parameters():
        assert torch.equal(p, after[n]), n


def trainer_texts(tokenizer):
    text = "The men near the house were old. The keys to the cabinet are here. "
    ids = tokenizer(text * 2)["input_ids"][:24]
    return [{"input_ids": ids, "labels": ids, "attention_mask": [1] * len(ids)}] * 8


def check_outside(hf, before, circuits):
    masks = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in hf.named_parameters()}
    for circuit in circuits:
        for name, mask in circuit.mask().items():
            masks[name] |= mask
    changed = 0
    for name, p in hf.named_parameters():
        assert torch.equal(p.detach()[~masks[name]], before[name][~masks[name]]), name
        changed += int((p.detach() != before[name]).sum())
    assert changed > 0


def test_transformers_trainer(m, hf, rows, tokenizer, tmp_path):
    from transformers import Trainer, TrainingArguments

    circuit = ct.discover(m, rows, ablation="mean", n=40).circuit
    before = {n: p.detach().clone() for n, p in hf.named_parameters()}
    callback = ct.CircuitCallback(m, rows, every=2, n=40, ablation="mean")
    arguments = TrainingArguments(output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=2, report_to=[],
                                  use_cpu=True, save_strategy="no", logging_strategy="no", disable_tqdm=True, weight_decay=0.1)
    Trainer(model=hf, args=arguments, train_dataset=trainer_texts(tokenizer), callbacks=[callback],
            optimizers=(ct.CircuitAdamW(hf, circuit, lr=1e-3, weight_decay=0.1), None)).train()
    assert [step for step, _ in callback.history] == [0, 2]
    check_outside(hf, before, [circuit, *(c for _, c in callback.history)])


def test_trainer_with_another_optimizer(m, hf, rows, tokenizer, tmp_path):
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=2, report_to=[],
                                  use_cpu=True, save_strategy="no", logging_strategy="no", disable_tqdm=True)
    with pytest.raises(ct.UsageError, match="CircuitAdamW"):
        Trainer(model=hf, args=arguments, train_dataset=trainer_texts(tokenizer),
                callbacks=[ct.CircuitCallback(m, rows, every=2, ablation="mean")]).train()


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_trl(m, hf, rows, tokenizer, tmp_path, kind):
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    circuit = ct.discover(m, rows, ablation="mean", n=40).circuit
    before = {n: p.detach().clone() for n, p in hf.named_parameters()}
    callback = ct.CircuitCallback(m, rows, every=1, n=40, ablation="mean")
    common = dict(output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True, bf16=False,
                  save_strategy="no", logging_strategy="no", disable_tqdm=True)
    optimizers = (ct.CircuitAdamW(hf, circuit, lr=1e-3), None)
    if kind == "sft":
        data = datasets.Dataset.from_list([{"text": "The men near the house were old."}] * 8)
        trainer = trl.SFTTrainer(model=hf, args=trl.SFTConfig(**common), train_dataset=data, processing_class=tokenizer,
                                 callbacks=[callback], optimizers=optimizers)
    else:
        row = {"prompt": "The men near the house", "chosen": " were old.", "rejected": " was old."}
        trainer = trl.DPOTrainer(model=hf, args=trl.DPOConfig(**common), train_dataset=datasets.Dataset.from_list([row] * 8),
                                 processing_class=tokenizer, callbacks=[callback], optimizers=optimizers)
    trainer.train()
    assert len(callback.history) == 2
    check_outside(hf, before, [circuit, *(c for _, c in callback.history)])
