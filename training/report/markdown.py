"""A comparison as markdown with its pictures beside it: what ``docs/lab.md`` is made of."""

import re
from pathlib import Path

from training.report.comparison import Comparison, Table
from training.report.page import PLOTS, png
from training.report.plots import plots

BREAKS = re.compile(r"([\\`*_{}\[\]<>|#])")


def write_markdown(comparison: Comparison, folder: Path, images: str) -> str:
    """One section; its PNGs are written into ``folder``, which the text names ``images``."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = plots(comparison)
    stem = re.sub(r"\W+", "-", comparison.data.lower()).strip("-")
    lines = [f"## {escaped(comparison.data)}", "", escaped(comparison.about), "", "### What they draw", ""]
    shown = [("Real pictures", comparison.real), *((r.title, r.grid) for r in comparison.results)]
    cells = []
    for k, (title, image) in enumerate(shown):
        name = f"{stem}-grid-{k}.png"
        (folder / name).write_bytes(png(image))
        cells.append((f"![{escaped(title)}]({images}/{name})", escaped(title)))
    lines += _wall(cells)
    for table in (comparison.figures_table(), comparison.verdicts(), *comparison.extra):
        lines += ["", f"### {escaped(table.title)}", "", *_rows(table), "", escaped(table.note)]
    lines += ["", "### Quality against cost"]
    for name, title in PLOTS.items():
        if name in drawn:
            (folder / f"{stem}-{name}.png").write_bytes(drawn[name])
            lines += ["", f"![{title}]({images}/{stem}-{name}.png)"]
    lines += ["", "### How a picture comes to be"]
    for k, result in enumerate(comparison.families):
        (folder / f"{stem}-strip-{k}.png").write_bytes(png(result.strip))
        lines += ["", f"{escaped(result.title)}:", "", f"![Film strip]({images}/{stem}-strip-{k}.png)"]
    lines += ["", "### What they are", ""]
    lines += [
        f"- **{escaped(result.title)}.** {escaped(result.explains)} {escaped(result.source)}"
        for result in comparison.results
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Words that stay words in markdown."""
    return BREAKS.sub(r"\\\1", text)


def _wall(cells: list[tuple[str, str]], across: int = 4) -> list[str]:
    lines = ["| " * across + "|", "|---" * across + "|"]
    for start in range(0, len(cells), across):
        row = cells[start : start + across]
        row += [("", "")] * (across - len(row))
        lines.append("| " + " | ".join(f"{image}<br>{title}" if image else "" for image, title in row) + " |")
    return lines


def _rows(table: Table) -> list[str]:
    head = [escaped(column) for column in table.columns]
    body = [[escaped(cell) for cell in row] for row in table.rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
