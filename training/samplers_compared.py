"""One trained diffusion network, many ways to draw with it: how good and how dear each is."""

import time
from collections.abc import Generator

import torch

from training.evaluation import Features
from training.evaluation.distances import frechet_interval
from training.evaluation.features import scaled
from training.families.diffusion import Diffusion
from training.report import Table
from training.report.comparison import number
from training.run import Run
from training.trials import At, classes_of

WAYS = (
    ("ddpm", "trailing", 1000),
    *(("ddim", "trailing", steps) for steps in (10, 20, 50)),
    *(("dpmpp-2m", "karras", steps) for steps in (10, 20, 50)),
)  # (sampler, schedule, steps)
NAMES = {"ddpm": "DDPM", "ddim": "DDIM", "dpmpp-2m": "DPM++ 2M"}
TOGETHER = 32


def samplers_table(
    run: Run, features: Features, count: int, ways: tuple[tuple[str, str, int], ...] = WAYS
) -> Generator[At, None, Table]:
    """``count`` pictures by each of ``ways``, from the same noise and without guidance.

    Raises ``ValueError`` where the run is of no diffusion over pixels.
    """
    if not isinstance(run.learner, Diffusion):
        raise ValueError(f"family: got {run.config.family!r}; allowed: a diffusion over pixels.")
    real = features.of(scaled(run.pictures.test[:count]))
    rows = []
    for k, (sampler, schedule, steps) in enumerate(ways):
        drawn, began = [], time.perf_counter()
        for part in classes_of(count, len(run.pictures.classes)).split(TOGETHER):
            drawn.append(run.learner.solve(part, 1000 * len(drawn), sampler, schedule, steps, 1.0)[0])
        milliseconds = 1000 * (time.perf_counter() - began) / count
        estimate = frechet_interval(features.of(torch.cat(drawn)), real, 0)
        told = f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"
        rows.append((NAMES[sampler], str(steps), told, number(milliseconds)))
        yield At(k + 1, len(ways), f"drawing by {NAMES[sampler]} in {steps} steps")
    note = f"The same network, noise and classes: {count} pictures each, without guidance."
    columns = ("Sampler", "Steps", "Fréchet ↓", "ms per picture")
    return Table("One network, many samplers", columns, tuple(rows), note)
