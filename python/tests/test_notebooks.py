"""The notebooks run from top to bottom."""

import pytest

from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook(path, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    if "trl" in path.stem:
        pytest.importorskip("trl")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}).execute()
    pictures = sum("image/png" in o.get("data", {}) or "image/svg+xml" in o.get("data", {})
                   for cell in notebook.cells for o in cell.get("outputs", []))
    assert pictures >= 1
