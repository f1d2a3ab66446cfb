"""Plots of a comparison as PNG: quality against cost, and learning curves. Draws into files of memory
only."""

from collections.abc import Callable
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from training.evaluation.figures import Cost
from training.report.comparison import Comparison, Result, number

COLOURS = {
    "diffusion": "#1f6f5c", "autoencoder": "#b5651d", "adversarial": "#a63a2b", "flow": "#31588a",
    "autoregressive": "#7a4b94", "energy": "#8a7a1f", "baseline": "#777777",
}  # fmt: skip
COSTS: dict[str, tuple[str, Callable[[Cost], float | None]]] = {
    "seconds": ("seconds of training", lambda cost: cost.training_seconds),
    "milliseconds": ("milliseconds per picture", lambda cost: cost.milliseconds),
    "parameters": ("parameters", lambda cost: float(cost.parameters)),
}
MOST = 24  # points that a curve is drawn through


def plots(comparison: Comparison) -> dict[str, bytes]:
    """PNGs by name: ``quality-seconds`` and its like, and ``curves`` where anything was learnt."""
    made = {f"quality-{name}": _quality(comparison, name) for name in COSTS}
    if any(result.curve for result in comparison.families):
        made["curves"] = _curves(comparison)
    return made


def _quality(comparison: Comparison, name: str) -> bytes:
    """Fréchet distance (log) against one cost (log)."""
    label, read = COSTS[name]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    points: list[tuple[float, float, str]] = []
    for result in comparison.results:
        cost = result.figures[0].cost
        across = None if cost is None else read(cost)
        if across:
            points.append((across, _point(axes, result, across), result.title))
    for k, (x, y, title) in enumerate(sorted(points)):
        axes.annotate(title, (x, y), xytext=(6, 5 if k % 2 else -9), textcoords="offset points", fontsize=6.5)
    axes.axhline(comparison.floor.frechet.value, color="#999999", linewidth=0.8, linestyle="--")
    places = [x for x, _, _ in points] or [1.0]
    least, most = min(places), max(places)
    # Room at both ends, for the labels of the points and of the axis.
    axes.set_xlim(least / 2, most * max(3.0, (most / least) ** 0.25))
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="Fréchet distance (less is better)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 30 * least else (1,), numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{comparison.data}: quality against {label}; dashed: training pictures", fontsize=9)
    return _png(figure)


def _point(axes: Axes, result: Result, across: float) -> float:
    estimate = result.frechet
    value = max(estimate.value, 1e-4)
    down, up = value - max(estimate.low, value / 10), max(estimate.high, value) - value
    axes.errorbar(
        across, value, [[max(down, 0)], [up]], fmt="o", markersize=5, color=COLOURS[result.kind],
        elinewidth=1, capsize=2,
    )  # fmt: skip
    return value


def _curves(comparison: Comparison) -> bytes:
    """A small panel for each family, as losses of different families have different meanings."""
    drawn = [result for result in comparison.families if result.curve]
    columns = min(4, max(2, len(drawn)))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(2.4 * columns, 1.7 * rows + 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel, result in zip(panels, drawn, strict=False):
        every = max(1, len(result.curve) // MOST)
        means = [result.curve[k : k + every] for k in range(0, len(result.curve), every)]
        panel.plot(
            [part[-1][0] for part in means],
            [sum(loss for _, loss in part) / len(part) for part in means],
            color=COLOURS[result.kind], linewidth=1, marker="." if len(means) == 1 else "",
        )  # fmt: skip
        panel.set_title(result.title, fontsize=7)
        panel.tick_params(labelsize=6)
    for panel in list(figure.axes)[len(drawn) :]:
        panel.set_axis_off()
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
