"""What is compared: results of several models on one data set, and what their figures say in plain words.

Knows no HTML and no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from training.evaluation.figures import Figures
from training.evaluation.intervals import Estimate, over

BEATS_PIXELS = 5.0  # times better than independent pixels, at least
BEATS_GAUSSIAN = 2.0  # times better than a Gaussian of the pixels, at least
PIXELS, GAUSSIAN = "Independent pixels", "Gaussian of the pixels"  # names of the two baselines


@dataclass(frozen=True)
class Result:
    """One model, trained once or with several seeds: ``figures`` has one of each. Pictures are of the
    first."""

    title: str
    kind: str  # a family's, or "baseline"
    explains: str
    source: str
    figures: tuple[Figures, ...]
    grid: Image.Image
    strip: Image.Image
    curve: tuple[tuple[int, float], ...] = ()  # (step, loss)

    def over(self, each: Sequence[Estimate]) -> Estimate:
        """Of several seeds their mean and range; of one, its own interval."""
        return each[0] if len(each) == 1 else over([one.value for one in each])

    @property
    def frechet(self) -> Estimate:
        return self.over([figures.frechet for figures in self.figures])


@dataclass(frozen=True)
class Table:
    """A table of words; ``note`` says how to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """``floor`` is what training pictures measure, taken for drawn ones; ``extra`` are tables of their
    own."""

    data: str
    about: str  # how it was made: pictures, features, budget
    results: tuple[Result, ...]
    floor: Figures
    real: Image.Image  # a grid of test pictures
    extra: tuple[Table, ...] = ()

    @property
    def families(self) -> list[Result]:
        """Without the baselines, the best first."""
        some = [result for result in self.results if result.kind != "baseline"]
        return sorted(some, key=lambda result: result.frechet.value)

    def figures_table(self) -> Table:
        """Every figure of every model, the floor last."""
        baselines = [result for result in self.results if result.kind == "baseline"]
        rows = [_row(result) for result in (*self.families, *baselines)]
        floor = Result("Training pictures (the floor)", "", "", "", (self.floor,), self.real, self.real)
        note = (
            "95 % intervals in brackets, or the range over seeds where a model was trained with several. "
            "↓ less is better, ↑ more is better. Ratio 1 and attack 0.5: nothing was learnt by heart."
        )
        return Table("Figures", COLUMNS, (*rows, _row(floor)), note)

    def verdicts(self) -> Table:
        """How many times each family is nearer to the data than the two baselines, and plainly where not."""
        by_name = {result.title: result.frechet.value for result in self.results}
        rows = [
            (family.title, *_verdict(family, by_name[PIXELS], by_name[GAUSSIAN])) for family in self.families
        ]
        note = (
            f"Asked: at least {BEATS_PIXELS:g} times better than every pixel drawn for itself, and at least "
            f"{BEATS_GAUSSIAN:g} times better than a Gaussian of the training pixels, by Fréchet distance."
        )
        columns = ("Model", "Than independent pixels", "Than the Gaussian", "Verdict")
        return Table("Against the baselines", columns, tuple(rows), note)


COLUMNS = (
    "Model", "Fréchet ↓", "KID × 1000 ↓", "Score ↑", "Precision ↑", "Recall ↑", "Density ↑", "Coverage ↑",
    "Asked class seen ↑", "Bits per dimension ↓", "Reconstruction, dB ↑", "Nearest-neighbour ratio",
    "Authenticity ↑", "Attack AUC", "Parameters", "Training, s", "Training FLOPs", "Evaluations",
    "ms per picture",
)  # fmt: skip


def _row(result: Result) -> tuple[str, ...]:
    def told(values: Sequence[Estimate | None], scale: float = 1.0) -> str:
        known = [value for value in values if value is not None]
        if not known:
            return "–"
        e = result.over(known)
        low, high = scale * e.low, scale * e.high
        return f"{number(scale * e.value)} [{number(low)}, {number(high)}]"

    each = result.figures
    learnt = [f.memorisation for f in each if f.memorisation is not None]
    return (
        result.title,
        told([f.frechet for f in each]),
        told([f.kid for f in each], 1000),
        told([f.inception_score for f in each]),
        *(told([getattr(f.manifold, name) for f in each])
          for name in ("precision", "recall", "density", "coverage")),
        told([f.adherence for f in each]),
        told([f.bits_per_dimension for f in each]),
        told([f.reconstruction_psnr for f in each]),
        *(told([getattr(m, name) for m in learnt]) for name in ("ratio", "authenticity", "attack_auc")),
        *_costs(each[0]),
    )  # fmt: skip


def _costs(figures: Figures) -> tuple[str, ...]:
    cost = figures.cost
    if cost is None:
        return ("–",) * 5
    return (
        f"{cost.parameters:,}",
        "–" if cost.training_seconds is None else number(cost.training_seconds),
        "–" if not cost.training_flops else f"{cost.training_flops:.2g}",
        str(cost.evaluations),
        number(cost.milliseconds),
    )


def number(value: float) -> str:
    """Three digits, as a person writes them."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.0e}"


def _verdict(family: Result, pixels: float, gaussian: float) -> tuple[str, str, str]:
    distance = max(family.frechet.value, 1e-9)
    a, b = pixels / distance, gaussian / distance
    missed = [
        f"only {times:.2g} times better than {name}, {asked:g} asked"
        for times, asked, name in (
            (a, BEATS_PIXELS, "independent pixels"), (b, BEATS_GAUSSIAN, "the Gaussian"),
        )
        if times < asked
    ]  # fmt: skip
    said = "Beats both." if not missed else f"Does not: {' and '.join(missed)}. {_why(family)}"
    return f"{a:.3g} ×", f"{b:.3g} ×", said.strip()


def _why(family: Result) -> str:
    """What the other figures say of a distance that is large."""
    first = family.figures[0]
    reasons = []
    if first.manifold.precision.value < 0.5:
        reasons.append("most of its pictures are unlike any real one (precision)")
    if first.manifold.coverage.value < 0.5:
        reasons.append("much of the data's variety is missing (coverage)")
    if first.adherence is not None and first.adherence.value < 0.5:
        reasons.append("the asked class is seldom seen")
    return f"Why: {'; '.join(reasons)}." if reasons else ""
