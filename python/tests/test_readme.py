"""The README's snippet runs as it is printed."""

import os
import re
import subprocess
import sys

from conftest import ROOT


def test_the_readmes_snippet():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) == 1
    done = subprocess.run([sys.executable, "-c", blocks[0]], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert 0 < float(lines[0]) < 2 and lines[20].startswith("20 ")
