"""One tuning of one model on one folder: from settings to files that are drawn with."""

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from models import ModelError, Parts, load
from training.data.folder import Folder, Skipped
from training.loop import Plan, processes, training
from training.record import CONFIG, record
from training.tuning import TUNINGS, At, TuningConfig
from training.tuning.tuning import OF_SOME

RESULT = "result"  # what was written, in the run's folder


def read_tuning(values: Mapping[str, Any]) -> TuningConfig:
    """Raises ``ValueError`` that names the setting, what was got and what is allowed."""
    config = TuningConfig.read(values)
    if config.tuning not in TUNINGS:
        raise ValueError(f"tuning: got {config.tuning!r}; allowed: {', '.join(TUNINGS)}.")
    tuning = TUNINGS[config.tuning]
    for name in OF_SOME:
        if name in config.model_fields_set and name not in tuning.settings:
            raise ValueError(f"{name}: no setting of {config.tuning}; allowed: {', '.join(tuning.settings)}.")
    for name in tuning.needs:
        if not getattr(config, name):
            raise ValueError(f"{name}: got nothing; {config.tuning} needs it.")
    return config


def plan_of(config: TuningConfig) -> Plan:
    """The loop's: what is given, else the tuning's, else its own."""
    own = {"warmup": 20, "decay_from": 0.5, **TUNINGS[config.tuning].plan}
    return Plan(**(own | config.for_plan()))


def tuning(config: TuningConfig, folder: Path) -> Generator[At, None, Path]:
    """Tune into ``folder``, going on where an earlier try stopped; returns what was written, below
    ``folder / RESULT``, which ``adapters`` or ``models`` load.

    Raises ``ValueError`` where the settings, the pictures or the model do not go together or the folder holds
    another run, and what ``training`` raises.
    """
    kind = TUNINGS[config.tuning]
    parts = _parts(config)
    found = kind.read(config.folder)
    skipped = [*found.skipped, *_cut(config, found, parts)]
    listed = [{"file": one.file, "reason": one.reason} for one in skipped]
    record(config, found.sha256, folder, {"model_sha256": parts.sha256, "remarks": listed})
    yield At(0, 1, f"{len(found.examples)} pictures" + _listed(skipped))
    torch.manual_seed(config.seed)
    tuned = yield from kind.begin(config, parts, found, folder)
    for at in training(tuned, plan_of(config), folder):
        yield At(at.step, at.of, "learning", at.losses)
    return tuned.save(folder / RESULT) if processes().is_main_process else folder / RESULT


def _parts(config: TuningConfig) -> Parts:
    """In float32. Raises ``ValueError``, also where the model is of a kind that is not tuned."""
    try:
        parts = load(config.model, dtype=torch.float32)
    except ModelError as error:
        raise ValueError(f"model: {error}") from None
    if parts.inpainting or len(parts.encoders) != 1:
        what = "an inpainting model" if parts.inpainting else "one with several text encoders, as SDXL"
        raise ValueError(f"model: got {config.model!r}, {what}; allowed: one like Stable Diffusion 1 or 2.")
    return parts


def _cut(config: TuningConfig, found: Folder, parts: Parts) -> list[Skipped]:
    """Which captions the text encoder cannot read to their end."""
    if config.prompt is not None or config.word is not None:
        return []  # none is read
    long = [one for one in found.examples if parts.tokens(one.caption) > parts.text_limit]
    reason = f"its caption is read up to {parts.text_limit} tokens"
    return [Skipped(one.file.relative_to(found.root).as_posix(), reason) for one in long]


def _listed(remarks: Sequence[Skipped], most: int = 20) -> str:
    lines = [f"\n  {one.file[:200]}: {one.reason}" for one in remarks[:most]]
    more = [f"\n  and {len(remarks) - most} more, in {CONFIG}"] if len(remarks) > most else []
    return "".join([*lines, *more])
