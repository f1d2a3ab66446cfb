"""``python -m training.lab``: every family trained on the lab's data sets, measured, and written to
docs/lab.md.

Goes on where it stopped: what is finished is not done again. Each run has its data set's ``minutes`` of
training; what a family needs (a teacher, an autoencoder) is the run of that family.
"""

import json
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from training.data.datasets import DATASETS
from training.evaluation.steps import finished
from training.families import FAMILIES
from training.report import Comparison, Table, page, write_markdown
from training.report.comparison import Result, number
from training.run import RunConfig, load_run
from training.samplers_compared import samplers_table
from training.trials import At, baseline_trials, compared, known_features, result_of, trial

STEPS = 200_000  # more than any budget lets a run make: the minutes end it
MANY_STEPS = "ddpm-eps"  # the family whose network draws by many samplers
PIXEL, LATENT = "flow", "latent"  # the same loss, in pixels and in codes
INTRO = """# The lab's reference comparison

Every family, trained from scratch on two CPU cores and measured alike. `make lab` makes this page again and
goes on where it stopped. How the figures are taken: `training/evaluation/`.

Each model was trained for {minutes}; one that needs another (a teacher, an autoencoder) took that one from
its own row, and the seconds of both count. {seeds}
How far a model comes in its minutes depends on what else the machine did, too: its training FLOPs tell.

"""
HEADLINE = ("flow", "vae", "r3gan", "realnvp", "pixelcnn", "energy")  # one of each kind


@dataclass(frozen=True)
class Agenda:
    """What is trained: every family of ``families`` on every one of ``data``."""

    folder: Path = Path("runs/lab")
    data: tuple[str, ...] = tuple(DATASETS)
    families: tuple[str, ...] = tuple(FAMILIES)
    headline: tuple[str, ...] = HEADLINE
    seeds: tuple[int, ...] = (3, 3)  # of each of ``headline``, on each of ``data``; one of the others
    minutes: tuple[float, ...] = (1.0, 3.0)  # of training for a run, on each of ``data``
    count: int = 360  # pictures that each draws to be measured
    sampled: int = 128  # pictures of each way of drawing in the table of samplers

    def __post_init__(self) -> None:
        known = {"data": DATASETS, "families": FAMILIES, "headline": FAMILIES}
        for field, allowed in known.items():
            got: tuple[str, ...] = getattr(self, field)
            if unknown := [name for name in got if name not in allowed]:
                raise ValueError(f"{field}: got {', '.join(unknown)}; allowed: {', '.join(allowed)}.")
        for field, values in {"seeds": self.seeds, "minutes": self.minutes}.items():
            if len(values) != len(self.data):
                allowed = f"one for each of {', '.join(self.data)}"
                raise ValueError(f"{field}: got {len(values)} numbers; allowed: {allowed}.")

    def changed(self, changes: list[str]) -> "Agenda":
        """With each ``key=value``; several values are separated by commas. Raises ``ValueError``."""
        values: dict[str, Any] = {}
        for change in changes:
            key, sign, text = change.partition("=")
            if not sign or key not in self.__dataclass_fields__:
                allowed = ", ".join(f"{name}=…" for name in self.__dataclass_fields__)
                raise ValueError(f"--set: got {change!r}; allowed: {allowed}.")
            known = getattr(self, key)
            several = text.split(",")
            values[key] = (
                tuple(map(type(known[0]), several)) if isinstance(known, tuple) else type(known)(text)
            )
        return replace(self, **values)

    def seeds_of(self, data: str, family: str) -> int:
        return self.seeds[self.data.index(data)] if family in self.headline else 1

    def minutes_of(self, data: str) -> float:
        return self.minutes[self.data.index(data)]

    def folder_of(self, data: str, family: str, seed: int) -> Path:
        return self.folder / data / f"{family}-{seed}"


def training_all(agenda: Agenda) -> Iterator[tuple[str, At]]:
    """Train and measure all of it; says what is being done."""
    needed_first = sorted(agenda.families, key=lambda name: FAMILIES[name].needs is not None)
    for data in agenda.data:
        shared = agenda.folder / data
        for seed in range(max(agenda.seeds)):
            for family in (name for name in needed_first if seed < agenda.seeds_of(data, name)):
                steps = trial(_config(agenda, data, family, seed), agenda.folder_of(data, family, seed),
                              shared, agenda.count)  # fmt: skip
                yield from ((f"{data}: {FAMILIES[family].title}, seed {seed}", at) for at in steps)
        yield from ((f"{data}: baselines", at) for at in baseline_trials(data, shared, agenda.count))
        if LATENT in agenda.families:
            yield from ((f"{data}: latent at equal seconds", at) for at in _equal(agenda, data))


def comparing(agenda: Agenda, data: str) -> Generator[At, None, Comparison]:
    """What was trained on ``data``, beside each other, with the tables of its own."""
    shared = agenda.folder / data
    trials = [[agenda.folder_of(data, family, seed) for seed in range(agenda.seeds_of(data, family))]
              for family in agenda.families]  # fmt: skip
    extra = []
    if MANY_STEPS in agenda.families:
        extra.append((yield from _samplers(agenda, data)))
    if {PIXEL, LATENT} <= set(agenda.families):
        extra.append(_latent_table(agenda, data))
    return compared(data, trials, shared, extra)


def _samplers(agenda: Agenda, data: str) -> Generator[At, None, Table]:
    """The table of samplers, drawn once."""
    folder = agenda.folder_of(data, MANY_STEPS, 0)
    file = folder / "samplers.json"
    if not file.is_file():
        run = load_run(folder)
        features = yield from known_features(run.pictures, agenda.folder / data)
        table = yield from samplers_table(run, features, agenda.sampled)
        file.write_text(json.dumps(asdict(table)), encoding="utf-8")
    told = json.loads(file.read_text("utf-8"))
    rows = tuple(map(tuple, told["rows"]))
    return Table(told["title"], tuple(told["columns"]), rows, told["note"])


def write(agenda: Agenda, out: Path) -> Iterator[tuple[str, At]]:
    """``out`` as markdown, its pictures below ``images/lab`` beside it, and a page of each data set in the
    runs' folder."""
    sections = []
    for data in agenda.data:
        steps = comparing(agenda, data)
        comparison = finished(steps)
        (agenda.folder / f"{data}.html").write_text(page(comparison), encoding="utf-8")
        sections.append(write_markdown(comparison, out.parent / "images" / "lab", "images/lab"))
        yield data, At(1, 1, "written")
    minutes = " and ".join(f"{agenda.minutes_of(data):g} minutes on {data}" for data in agenda.data)
    intro = INTRO.format(minutes=minutes, seeds=_seeds(agenda))
    out.write_text(intro + "\n".join(sections), encoding="utf-8")


def _seeds(agenda: Agenda) -> str:
    """Which models were trained how often, in words."""
    titles = ", ".join(FAMILIES[name].title for name in agenda.families if name in agenda.headline)
    often = " and ".join(f"{n} times on {data}" for data, n in zip(agenda.data, agenda.seeds, strict=True))
    return f"Each was trained once; {titles} {often}, with seeds of their own." if titles else ""


def _config(agenda: Agenda, data: str, family: str, seed: int) -> RunConfig:
    values = {
        "data": data,
        "family": family,
        "steps": STEPS,
        "minutes": agenda.minutes_of(data),
        "seed": seed,
    }
    needed = FAMILIES[family].needs
    if needed in agenda.families and seed < agenda.seeds_of(data, needed):
        values["needs"] = agenda.folder_of(data, needed, seed)
    return RunConfig.read(values)


def _equal(agenda: Agenda, data: str) -> Iterator[At]:
    """The latent model and its autoencoder with half of the seconds each, so that both took as long as one in
    pixels."""
    half = {"minutes": agenda.minutes_of(data) / 2, "needs": None}
    config = _config(agenda, data, LATENT, 0).model_copy(update=half)
    return trial(config, _equal_folder(agenda, data), agenda.folder / data, agenda.count)


def _equal_folder(agenda: Agenda, data: str) -> Path:
    return agenda.folder / data / "latent-equal-seconds"


def _latent_table(agenda: Agenda, data: str) -> Table:
    rows = [
        _latent_row("Pixels", result_of([agenda.folder_of(data, PIXEL, 0)])),
        _latent_row("Codes, the autoencoder's training counted", result_of([_equal_folder(agenda, data)])),
        _latent_row("Codes of an autoencoder that was there", result_of([agenda.folder_of(data, LATENT, 0)])),
    ]
    note = "The same loss and sampler; seconds are those of all training that the row needed."
    return Table(
        "Latent against pixel diffusion", ("Where", "Training, s", "Fréchet ↓", "ms per picture"),
        tuple(rows), note,
    )  # fmt: skip


def _latent_row(name: str, result: Result) -> tuple[str, ...]:
    cost, estimate = result.figures[0].cost, result.frechet
    assert cost is not None
    told = f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"
    return name, number(cost.training_seconds or 0), told, number(cost.milliseconds)


app = typer.Typer(help=__doc__)


@app.command()
def main(
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the agenda, e.g. minutes=0.5. May be repeated."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("docs/lab.md"),
) -> None:
    """Train every family of the lab, measure them and write the comparison."""
    try:
        agenda = Agenda().changed(changes or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None
    with Progress(TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        row = bar.add_task("")
        for what, at in training_all(agenda):
            bar.update(row, description=f"{what}: {at.doing} {at.step} of {at.of}")
        for what, at in write(agenda, out):
            bar.update(row, description=f"{what}: {at.doing}")
    typer.echo(str(out))


if __name__ == "__main__":
    app()
