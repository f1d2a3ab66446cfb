"""The lab's commands of the command line."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape


def train(
    config: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="TOML file of settings.", metavar="CONFIG")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; one that is there goes on.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting. May be repeated."),
    ] = None,
) -> None:
    """Train a family of the lab from nothing, or tune a model on own pictures ("tuning" in CONFIG)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training.settings import read_values

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    try:
        values = read_values(config, changes or ())
        steps = _tuning(values, out) if "tuning" in values else _family(values, out)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    try:
        with Progress(*columns, console=console) as bar:
            row = bar.add_task("", total=None)
            for doing, step, of in steps:
                head, _, remarks = doing.partition("\n")
                if remarks:
                    bar.console.print(remarks, style="yellow", markup=False, highlight=False)
                bar.update(row, description=escape(head), completed=step, total=of)
    except KeyboardInterrupt:
        console.print("Interrupted; the same command goes on from here.")
        raise typer.Exit(130) from None
    except (ValueError, OSError, FloatingPointError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    typer.echo(str(out))


def _family(values: Mapping[str, Any], out: Path) -> Iterator[tuple[str, int, int]]:
    """(what it does, step, of how many). Raises ``ValueError`` at once where a setting is wrong."""
    from training.run import RunConfig, running  # torch and diffusers, only for those who train

    settings = RunConfig.read(values)
    return (
        (f"{settings.family}, loss {at.losses['loss']:.4f}", at.step, at.of) for at in running(settings, out)
    )


def _tuning(values: Mapping[str, Any], out: Path) -> Iterator[tuple[str, int, int]]:
    from training.tuning.run import read_tuning, tuning

    settings = read_tuning(values)
    return (
        (f"{at.doing}, loss {at.losses['loss']:.4f}" if at.losses else at.doing, at.step, at.of)
        for at in tuning(settings, out)
    )
