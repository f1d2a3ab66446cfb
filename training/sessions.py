"""What one person trains at once: families on one data set, their folders, and what is made of them.

A session lives in a folder below ``root``; its id cannot be guessed and is the key to it. It knows no queue:
it gives generators, and whoever advances them decides when.
"""

import json
import re
import secrets
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from schedulers import SAMPLERS
from training.data.datasets import DATASETS
from training.families import FAMILIES, Checkpoint
from training.families.diffusion import Diffusion
from training.report import page
from training.report.page import part
from training.report.sheets import sheet
from training.run import RunConfig, load_run
from training.trials import FIGURES, At, baseline_trials, classes_of, compared, curve_of, trial

ID = re.compile(r"[A-Za-z0-9_-]{24}")
RECORD, PAGE, PART = "session.json", "comparison.html", "part.html"
STEPS = 1_000_000  # the minutes end a run
COUNT = 200  # pictures that a model draws to be measured
TOGETHER = 16  # of them at once: drawing on the page waits no longer than these take
MOST_MINUTES = 600.0
MOST_DRAWN = 64


@dataclass(frozen=True)
class Session:
    """``root`` keeps all sessions, and beside them what they share."""

    root: Path
    id: str
    data: str
    families: tuple[str, ...]
    minutes: float

    @cached_property
    def folder(self) -> Path:
        return self.root / self.id

    @cached_property
    def shared(self) -> Path:
        return self.root / "shared" / self.data

    def folder_of(self, family: str) -> Path:
        return self.folder / family

    @property
    def finished(self) -> tuple[str, ...]:
        """The families that are trained and measured."""
        return tuple(one for one in self.families if (self.folder_of(one) / FIGURES).is_file())

    def training(self, family: str) -> Generator[At, None, None]:
        """Train and measure it, unless that was done; goes on where it was stopped."""
        settings = {"data": self.data, "family": family, "steps": STEPS, "minutes": self.minutes}
        config = RunConfig.read({**settings, "sample_every": 200, "log_every": 10})
        return trial(config, self.folder_of(family), self.shared, COUNT, TOGETHER)

    def comparing(self) -> Generator[At, None, None]:
        """Put what is finished beside each other: a page of its own, and one for the inside of another."""
        if not self.finished:
            return
        yield from baseline_trials(self.data, self.shared, COUNT)
        comparison = compared(self.data, [[self.folder_of(one)] for one in self.finished], self.shared)
        for name, text in ((PAGE, page(comparison)), (PART, part(comparison))):
            staged = self.folder / f"{name}.part"
            staged.write_text(text, encoding="utf-8")
            staged.replace(self.folder / name)
        yield At(1, 1, "written")

    @property
    def compared(self) -> str | None:
        """The comparison as a part of a page, if it was made."""
        file = self.folder / PART
        return file.read_text("utf-8") if file.is_file() else None

    def losses(self, family: str) -> list[tuple[float, float]]:
        """(step, loss) so far."""
        return [(row["step"], row["loss"]) for row in curve_of(self.folder_of(family)) if "loss" in row]

    def sample(self, family: str) -> Path | None:
        """The newest picture of the progress."""
        samples = sorted((self.folder_of(family) / "samples").glob("*.png"))
        return samples[-1] if samples else None

    def drawing(
        self, family: str, label: int | None, count: int, seed: int, sampler: str = "", steps: int = 20
    ) -> Generator[At, None, Image.Image]:
        """``count`` pictures of class ``label``, None of each in turn, as one sheet. A diffusion over pixels
        may be drawn by another ``sampler`` in as many ``steps``. Raises ``ValueError``."""
        if family not in self.finished:
            raise ValueError(f"Model: got {family!r}; allowed: one that is trained.")
        if not 1 <= count <= MOST_DRAWN:
            raise ValueError(f"Pictures: got {count}; allowed: 1 to {MOST_DRAWN}.")
        if sampler and sampler not in SAMPLERS:
            raise ValueError(f"Sampler: got {sampler!r}; allowed: {', '.join(SAMPLERS)}.")
        learner = load_run(self.folder_of(family)).learner
        classes = len(classes_in(self.data))
        labels = classes_of(count, classes) if label is None else torch.full((count,), label)
        drawn, parts = [], labels.split(TOGETHER)
        for k, some in enumerate(parts):
            with torch.no_grad():
                if sampler and isinstance(learner, Diffusion):
                    design = learner.design
                    found = learner.solve(
                        some, seed + TOGETHER * k, sampler, design.schedule, steps, design.guidance
                    )
                    drawn.append(found[0])
                else:
                    drawn.append(learner.draw(some, seed + TOGETHER * k))
            yield At(k + 1, len(parts), "drawing")
        return sheet(torch.cat(drawn), min(8, count), wide=480)

    def checkpoint(self, family: str) -> tuple[str, Checkpoint]:
        """A name for what ``family`` learnt here, and what saves it for Create. Raises ``ValueError``."""
        if family not in self.finished or not FAMILIES[family].checkpoint:
            allowed = ", ".join(family.title for family in FAMILIES.values() if family.checkpoint)
            raise ValueError(f"Model: got {family!r}; allowed: {allowed}, when it is trained.")
        learner = load_run(self.folder_of(family)).learner
        assert isinstance(learner, Checkpoint)
        which = sha256(self.id.encode()).hexdigest()[:6]  # the id itself is a key
        return f"lab-{family}-{self.data}-{which}", learner


def begin(root: Path, data: str, families: Sequence[str], minutes: float | None) -> Session:
    """A new session. Raises ``ValueError`` that names the field, what was got and what is allowed."""
    if data not in DATASETS:
        raise ValueError(f"Data: got {data!r}; allowed: {', '.join(DATASETS)}.")
    if unknown := [name for name in families if name not in FAMILIES]:
        raise ValueError(f"Families: got {', '.join(unknown)}; allowed: {', '.join(FAMILIES)}.")
    if not families:
        raise ValueError("Families: got none; allowed: one or more.")
    if minutes is None or not 0 < minutes <= MOST_MINUTES:
        raise ValueError(f"Minutes: got {minutes}; allowed: more than 0, up to {MOST_MINUTES:g}.")
    ordered = tuple(name for name in FAMILIES if name in families)
    session = Session(root, secrets.token_urlsafe(18), data, ordered, float(minutes))
    session.folder.mkdir(parents=True)
    about: dict[str, Any] = {"data": data, "families": ordered, "minutes": session.minutes}
    (session.folder / RECORD).write_text(json.dumps(about), encoding="utf-8")
    return session


def read(root: Path, session_id: str) -> Session | None:
    """The session with this id, if there is one."""
    file = root / session_id / RECORD
    if not ID.fullmatch(session_id) or not file.is_file():
        return None
    about = json.loads(file.read_text("utf-8"))
    families = tuple(name for name in about["families"] if name in FAMILIES)
    return Session(root, session_id, about["data"], families, about["minutes"])


@cache
def classes_in(data: str) -> tuple[str, ...]:
    """The names of its classes."""
    return DATASETS[data]().classes


def samples_by(family: str) -> bool:
    """Whether it is drawn by a sampler of one's choice: a diffusion over pixels."""
    of = FAMILIES[family]
    return of.kind == "diffusion" and of.needs is None and not of.checkpoint
