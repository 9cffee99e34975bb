"""Several processes of torch.distributed: one process's bytes, and errors that name a rank."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import circuit_tuning as ct

SCRIPT = Path(__file__).with_name("ranks_script.py")


def launched(folder, mode, count):
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), SCRIPT, folder, mode],
        capture_output=True, text=True, timeout=300)


def test_ranks_make_one_processs_bytes(tmp_path):
    subprocess.run([sys.executable, SCRIPT, tmp_path, "alone"], check=True, timeout=300)
    scores, faithfulness, weights = torch.load(tmp_path / "alone.pt", weights_only=False)
    result = launched(tmp_path, "work", 2)
    assert result.returncode == 0, result.stderr
    for rank in range(2):
        others, other_faithfulness, other_weights = torch.load(tmp_path / f"rank{rank}.pt", weights_only=False)
        assert (others == scores).all()
        assert other_faithfulness == faithfulness
        assert all(torch.equal(other_weights[name], w) for name, w in weights.items())
    for file in ("slices", "optimizer"):
        parts = [next((tmp_path / run / "checkpoints").glob(f"*/{file}.safetensors")) for run in ("alone", "many")]
        assert parts[0].read_bytes() == parts[1].read_bytes()


def test_an_error_of_one_rank_is_told_to_the_others(tmp_path):
    launched(tmp_path, "fail", 2)
    assert "rank 1 of 2 stopped: the second rank has had enough" in (tmp_path / "rank0.txt").read_text()
    assert (tmp_path / "rank1.txt").read_text() == "the second rank has had enough"


def test_without_a_group_it_says_what_to_do():
    with pytest.raises(ct.UsageError, match="init_process_group"):
        with ct.Ranks():
            pass
