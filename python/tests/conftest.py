import os
from pathlib import Path

import pytest

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples" / "books-4l"


@pytest.fixture
def hf():
    """The embedded model in transformers, anew for each test."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)


@pytest.fixture
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture
def m(hf, tokenizer):
    import circuit_tuning as ct

    return ct.Model(hf, tokenizer)


@pytest.fixture
def dev():
    return ROOT / "examples" / "agreement" / "dev.jsonl"


@pytest.fixture
def rows(dev):
    import json

    return [json.loads(line) for line in dev.read_text().splitlines()[:16]]
