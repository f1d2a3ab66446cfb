"""The lab's commands of the command line."""

from pathlib import Path
from typing import Annotated

import typer


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
    """Train a small generative model from nothing: a family of the lab on one of its data sets."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training.run import read_config, running  # torch and diffusers, only for those who train

    try:
        settings = read_config(config, changes or ())
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console) as bar:
            row = bar.add_task(settings.family, total=None)
            for at in running(settings, out):
                told = f"{settings.family}, loss {at.losses['loss']:.4f}"
                bar.update(row, description=told, completed=at.step, total=at.of)
    except KeyboardInterrupt:
        console.print("Interrupted; the same command goes on from here.")
        raise typer.Exit(130) from None
    except (ValueError, OSError, FloatingPointError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    typer.echo(str(out))
