"""Plots as files that are the same whenever they are drawn of the same figures."""

from pathlib import Path
from typing import Any


def pyplot() -> Any:
    """matplotlib's, made to write SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "atelier"
    from matplotlib import pyplot

    return pyplot


def save(figure: Any, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
