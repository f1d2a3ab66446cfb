"""Trials: a family trained and measured in a folder of its own, and several of them put beside each other.

A trial that was finished is not repeated, one that was stopped goes on. It knows no queue and no page;
whoever advances the generators decides when.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from training.data.datasets import dataset
from training.data.pictures import Pictures
from training.evaluation import Features, Figures, floor
from training.evaluation.baselines import baselines
from training.evaluation.features import classifying, scaled
from training.evaluation.measure import draw, measuring
from training.families import FAMILIES, Learner
from training.report import Comparison, Result, Table
from training.report.comparison import GAUSSIAN, PIXELS
from training.report.page import png
from training.report.sheets import film, sheet
from training.run import RunConfig, load_run, running

FIGURES, GRID, STRIP, CURVE = "figures.json", "grid.png", "strip.png", "curve.jsonl"
SHOWN, ROWS, COLUMNS = 64, 3, 8  # pictures of a grid, of a strip, and frames of it
FEATURES, BASELINES = "features", "baselines"  # folders beside the trials of a data set
EXPLAINS = {
    PIXELS: "Every value of every pixel is drawn for itself, from those it has in the training pictures. "
    "What is beyond this is what a model knows of how pixels go together.",
    GAUSSIAN: "A Gaussian with the mean and all covariances of the training pixels: soft blots, as it knows "
    "pairs of pixels and no more.",
}


@dataclass(frozen=True)
class At:
    """``step`` of ``of`` steps of what it is ``doing`` now are done."""

    step: int
    of: int
    doing: str
    losses: dict[str, float] = field(default_factory=dict)


def trial(
    config: RunConfig, folder: Path, shared: Path, count: int, together: int = SHOWN
) -> Generator[At, None, None]:
    """Train by ``config`` into ``folder`` and measure there, with ``count`` pictures, ``together`` at once.

    ``shared`` keeps what all trials on the data set need: the classifier. Raises what training raises.
    """
    if (folder / FIGURES).is_file():
        return
    for at in running(config, folder):
        yield At(at.step, at.of, "training", at.losses)
    run = load_run(folder)
    features = yield from known_features(run.pictures, shared)
    yield from _measured(run.learner, run.pictures, features, folder, count, together, config)


def known_features(pictures: Pictures, shared: Path) -> Generator[At, None, Features]:
    """The data set's classifier, trained in ``shared`` if it was not."""
    steps = classifying(pictures, shared / FEATURES)
    while True:
        try:
            at = next(steps)
        except StopIteration as end:
            return end.value
        yield At(at.step, at.of, "training the classifier that measures", at.losses)


def baseline_trials(data: str, shared: Path, count: int) -> Generator[At, None, None]:
    """Measure the two baselines and the floor, once for a data set."""
    pictures = dataset(data)
    features = yield from known_features(pictures, shared)
    for name, learner in baselines(pictures).items():
        folder = shared / BASELINES / name
        if not (folder / FIGURES).is_file():
            yield from _measured(learner, pictures, features, folder, count, SHOWN, None)
    best = shared / BASELINES / "floor.json"
    if not best.is_file():
        best.write_text(floor(pictures, features, count, 0).model_dump_json())


def compared(
    data: str, trials: Sequence[Sequence[Path]], shared: Path, extra: Sequence[Table] = ()
) -> Comparison:
    """The finished ``trials``, each a model's folders by seed, beside the baselines of ``shared``.

    Raises ``ValueError`` where a folder has no figures.
    """
    pictures = dataset(data)
    best = Figures.model_validate_json((shared / BASELINES / "floor.json").read_text())
    results = [result_of(folders) for folders in trials]
    results += [_baseline(shared / BASELINES / name, name) for name in (PIXELS, GAUSSIAN)]
    about = (
        f"{len(pictures.train):,} training and {len(pictures.test):,} test pictures of "
        f"{len(pictures.classes)} classes; {best.count:,} drawn by each model. Features are those of "
        f"{best.features}, so distances compare these models with each other, not with papers."
    )
    real = sheet(scaled(pictures.test[:SHOWN]), 8)
    return Comparison(data.capitalize(), about, tuple(results), best, real, tuple(extra))


def result_of(folders: Sequence[Path]) -> Result:
    """Of one model that was trained in each of ``folders`` with another seed. Raises ``ValueError``."""
    for folder in folders:
        if not (folder / FIGURES).is_file():
            raise ValueError(f"Trial: got {folder}, which was not finished; allowed: a measured one.")
    family = FAMILIES[config_of(folders[0]).family]
    return Result(
        family.title,
        family.kind,
        family.explains,
        family.source,
        tuple(_figures(folder) for folder in folders),
        Image.open(folders[0] / GRID),
        Image.open(folders[0] / STRIP),
        tuple((int(row["step"]), row["loss"]) for row in curve_of(folders[0])),
    )


def config_of(folder: Path) -> RunConfig:
    """Of a run that was begun there."""
    return RunConfig.read(json.loads((folder / "config.json").read_text("utf-8"))["settings"])


def curve_of(folder: Path) -> list[dict[str, float]]:
    """The rows that the loop wrote so far."""
    file = folder / CURVE
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def seconds_of(folder: Path) -> float:
    """Of training, with those of the run that it needs."""
    rows, config = curve_of(folder), config_of(folder)
    own = rows[-1]["step"] * rows[-1]["seconds_per_step"] if rows else 0.0
    needed = FAMILIES[config.family].needs
    return own + (seconds_of(config.needs or folder / needed) if needed else 0.0)


def classes_of(count: int, classes: int) -> Tensor:
    """(count,) labels, each class in turn."""
    return torch.arange(count) % classes


def _measured(
    learner: Learner,
    pictures: Pictures,
    features: Features,
    folder: Path,
    count: int,
    together: int,
    config: RunConfig | None,
) -> Generator[At, None, None]:
    steps = measuring(learner, pictures, features, count, 0, together)
    while True:
        try:
            at = next(steps)
        except StopIteration as end:
            figures: Figures = end.value
            break
        yield At(at.step, at.of, "measuring")
    folder.mkdir(parents=True, exist_ok=True)
    classes = len(pictures.classes)
    shown = [draw(learner, part, k) for k, part in enumerate(classes_of(SHOWN, classes).split(together))]
    (folder / GRID).write_bytes(png(sheet(torch.cat(shown), 8)))
    yield At(1, 2, "drawing a film strip")
    with torch.no_grad():
        strip = learner.strip(classes_of(ROWS, classes), 0, COLUMNS)
    (folder / STRIP).write_bytes(png(film(strip)))
    staged = folder / f"{FIGURES}.part"
    staged.write_text(_with_training(figures, folder, config).model_dump_json())
    staged.replace(folder / FIGURES)  # last: a trial that has figures has all


def _with_training(figures: Figures, folder: Path, config: RunConfig | None) -> Figures:
    """What the training took, added to the cost."""
    rows = curve_of(folder)
    if config is None or figures.cost is None or not rows:
        return figures
    took = {
        "training_seconds": seconds_of(folder),
        "training_flops": figures.cost.flops_per_step * config.size * rows[-1]["step"],
    }
    return figures.model_copy(update={"cost": figures.cost.model_copy(update=took)})


def _figures(folder: Path) -> Figures:
    return Figures.model_validate_json((folder / FIGURES).read_text("utf-8"))


def _baseline(folder: Path, name: str) -> Result:
    grid, strip = Image.open(folder / GRID), Image.open(folder / STRIP)
    return Result(name, "baseline", EXPLAINS[name], "", (_figures(folder),), grid, strip)
