"""What editors and checkers see is what the engine declares."""

import inspect
import subprocess
import sys

import circuit_tuning as ct
from conftest import ROOT


def test_keywords_are_the_engines():
    subprocess.run([sys.executable, ROOT / "tools" / "python_keywords.py", "--check"], check=True)


def test_signatures_have_them():
    for call in (ct.discover, ct.evaluate, ct.tune):
        parameters = inspect.signature(call).parameters
        assert "batch" in parameters and "ablation" in parameters or call is ct.tune
        assert "Settings, with their defaults" in call.__doc__
    assert inspect.signature(ct.discover).parameters["method"].default == "eap"
    assert inspect.signature(ct.tune).parameters["steps"].default == 1000


def test_only_the_engine_of_another_torch_is_refused(tmp_path):
    import shutil
    from pathlib import Path

    copy = tmp_path / "circuit_tuning"
    shutil.copytree(Path(ct.__file__).parent, copy, ignore=shutil.ignore_patterns("engine_torch*", "circuit_torch*", "__pycache__"))
    (copy / "engine_torch0.1.so").write_bytes(b"")
    done = subprocess.run([sys.executable, "-c", "import circuit_tuning"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "no engine for torch" in done.stderr and "0.1" in done.stderr
