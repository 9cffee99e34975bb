"""Pictures inside a notebook's cells."""

from __future__ import annotations

import io
import re
from typing import Any, Callable, Tuple


def svg(draw: Callable[[Any], Any], size: Tuple[float, float]) -> str:
    """What draw(axes) draws, as SVG to stand in HTML; size in inches. Empty where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return ""
    figure = Figure(figsize=size, layout="tight")
    draw(figure.subplots())
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return re.sub(r"^.*?(?=<svg)", "", file.getvalue(), count=1, flags=re.DOTALL)
