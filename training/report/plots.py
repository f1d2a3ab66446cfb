"""Plots of a comparison as PNG: quality against cost, and learning curves. Draws into files of memory
only."""

from collections.abc import Callable, Sequence
from io import BytesIO
from math import log

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
    "flops": ("teraFLOPs of training", lambda cost: (cost.training_flops or 0) / 1e12),
    "milliseconds": ("milliseconds per picture", lambda cost: cost.milliseconds),
    "parameters": ("parameters", lambda cost: float(cost.parameters)),
}
MOST = 24  # points that a curve is drawn through


def plots(comparison: Comparison) -> dict[str, bytes]:
    """PNGs by name: ``quality-flops`` and its like, and ``curves`` where anything was learnt."""
    made = {f"quality-{name}": _quality(comparison, name) for name in COSTS}
    if any(result.curve for result in comparison.families):
        made["curves"] = _curves(comparison)
    return made


def _quality(comparison: Comparison, name: str) -> bytes:
    """Fréchet distance (log) against one cost (log)."""
    label, read = COSTS[name]
    figure = Figure(figsize=(7.4, 4.2))
    figure.subplots_adjust(left=0.09, right=0.74, bottom=0.12, top=0.93)  # room for names on the right
    axes = figure.subplots()
    points: list[tuple[float, float, Result]] = []
    for result in comparison.results:
        cost = result.figures[0].cost
        across = None if cost is None else read(cost)
        if across:
            points.append((_point(axes, result, across), across, result))
    axes.axhline(comparison.floor.frechet.value, color="#999999", linewidth=0.8, linestyle="--")
    places = [cost for _, cost, _ in points] or [1.0]
    least, most = min(places), max(places)
    axes.set_xlim(least / 2, most * 2)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="Fréchet distance (less is better)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 30 * least else (1,), numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _names(axes, points)
    axes.set_title(f"{comparison.data}: quality against {label}; dashed: training pictures", fontsize=9)
    return _png(figure)


def _names(axes: Axes, points: Sequence[tuple[float, float, Result]]) -> None:
    """Of points (distance, cost, what), beside the plot, in the order of their distances and apart."""
    low, high = (log(end) for end in axes.get_ylim())
    ordered = sorted(points, key=lambda point: point[0])
    gap, places = min(0.045, 1 / max(len(ordered), 1)), list[float]()
    for distance, _, _ in ordered:
        wanted = (log(distance) - low) / (high - low)
        places.append(max(wanted, places[-1] + gap) if places else wanted)
    for k, place in enumerate(reversed(range(len(places)))):
        places[place] = min(places[place], 1 - k * gap)
    for (distance, cost, result), place in zip(ordered, places, strict=True):
        colour = COLOURS[result.kind]
        axes.annotate(
            result.title, (cost, distance), (1.02, place), textcoords="axes fraction", fontsize=6.5,
            color=colour, va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.3, "relpos": (0, 0.5)},
        )  # fmt: skip


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
