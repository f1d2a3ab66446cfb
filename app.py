"""Atelier's front door: settings -> models -> engine -> gallery -> page, and the same from the command line.

Everything the studio writes lives below one folder: $ATELIER_HOME, or ``studio`` where it is started.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import typer

from adapters import (
    PREPROCESSORS,
    ControlNetFolder,
    EmbeddingFolder,
    ImageEncoderFolder,
    IpAdapterFolder,
    LoraFolder,
    UpscalerFolder,
    preprocess,
)
from engine import (
    Cancelled,
    Catalogue,
    Downloads,
    Engine,
    Failed,
    Job,
    Progress,
    Queued,
    QueueFull,
    WildcardFolder,
)
from engine.doctor import report
from gallery import Gallery, commands, save_picture
from gallery.commands import HERE, Home
from gallery.inputs import upright
from gallery.options import draw_signature, files_to_write, given_pictures, kept, said_before
from gallery.pictures import open_picture
from gallery.rerun import beside
from models import defaults
from models.load import STARTER
from pipelines import Recipe, RecipeError, random_seed
from pipelines.recipe import OF_MODEL
from training import commands as lab

app = typer.Typer(add_completion=False, no_args_is_help=False, help="A text-to-image diffusion studio.")

Models = Annotated[
    list[Path] | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Folder of models, as of another studio; only read. May be repeated.",
    ),
]
Manage = Annotated[
    bool | None,
    typer.Option(
        "--manage/--no-manage",
        help="Let the page open model folders and download; if not given, only off the network.",
    ),
]
STYLES = Path(__file__).parent / "static" / "styles.csv"  # where the host has none
LOCAL = ("127.0.0.1", "localhost", "::1")  # addresses that only this machine reaches


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(envvar="GRADIO_SERVER_NAME", help="Address to listen on; 0.0.0.0 is every one.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="GRADIO_SERVER_PORT", help="Port to listen on.")] = 7860,
    share: Annotated[bool, typer.Option(help="Ask Gradio for a public address.")] = False,
    home: Home = HERE,
    models: Models = None,
    manage: Manage = None,
) -> None:
    """Serve the page (when no other command is given)."""
    if context.invoked_subcommand is not None:
        return
    # The page's own temporary files (uploads) belong below home too; Gradio reads this when it is imported.
    os.environ.setdefault("GRADIO_TEMP_DIR", str(home.absolute() / "uploads"))
    from ui import build, launch_options

    home.mkdir(parents=True, exist_ok=True)
    gallery = Gallery(home / "gallery")
    catalogue = Catalogue(home, models or ())
    catalogue.look()
    wildcards = WildcardFolder(home / "wildcards")
    loras = LoraFolder(home / "loras", lambda: catalogue.files("lora"))
    nets = ControlNetFolder(home / "controlnets", lambda: catalogue.files("controlnet"))
    encoders = ImageEncoderFolder(home / "image-encoders", lambda: catalogue.files("image-encoder"))
    adapters = IpAdapterFolder(home / "ip-adapters", encoders, lambda: catalogue.files("ip-adapter"))
    upscalers = UpscalerFolder(home / "upscalers", lambda: catalogue.files("upscaler"))
    styles = home / "styles.csv" if (home / "styles.csv").is_file() else STYLES
    words = EmbeddingFolder(home / "embeddings", lambda: catalogue.files("embedding"))
    manage = host in LOCAL and not share if manage is None else manage
    downloads = Downloads(home / "models", catalogue.look)
    drawer = Engine(
        catalogue.load, gallery, wildcards=wildcards, loras=loras, controlnets=nets, embeddings=words,
        ip_adapters=adapters, upscalers=upscalers, styles=styles, vaes=catalogue.with_vae,
    )  # fmt: skip
    with drawer as engine, closing(downloads):
        try:
            engine.styles()
        except ValueError as error:
            raise typer.BadParameter(f"{styles}: {error}", param_hint="--home") from None
        engine.preload(catalogue.names()[0])
        page = build(engine, gallery, catalogue, downloads if manage else None,
                     secret=page_secret(home), lab=home / "lab")  # fmt: skip
        page.launch(server_name=host, server_port=port, share=share, **launch_options())


def page_secret(home: Path) -> str:
    """What encrypts the page's settings in browsers: made once, so that they outlive a restart."""
    file = home / "page-secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text().strip()


def draw(
    out: Path, overwrite: bool, recipe: str | None, control: list[str] | None, reference: list[str] | None,
    region: list[str] | None, **given: Any,
) -> None:  # fmt: skip
    """Draw without a page. Every option but --recipe, --out and --overwrite is a setting of the recipe;
    --init draws over a picture, --hires-scale again over the one that was drawn, and --upscale makes one
    larger. The pictures that are given are kept in the studio, so that the drawing can be made again."""
    from rich.console import Console

    console, home = Console(stderr=True), Path(os.environ.get("ATELIER_HOME", HERE))
    inputs = home / "gallery" / "inputs"
    before, notes = said_before(recipe, given["upscale"], inputs)
    given, lent = given_pictures(given, control, reference, region, before)
    try:
        wanted = Recipe.read(settings(before, given))
    except RecipeError as error:
        raise typer.BadParameter(str(error)) from None
    files = files_to_write(out, wanted.count, overwrite)
    pictures = kept(wanted, lent, inputs)
    for note in notes:
        console.print(note, markup=False)
    job: Job | None = None
    try:
        folders: dict[str, Any] = {
            "wildcards": WildcardFolder(home / "wildcards"),
            "loras": LoraFolder(home / "loras", lambda: shipped("loras")),
            "embeddings": EmbeddingFolder(home / "embeddings"),
            "controlnets": ControlNetFolder(home / "controlnets", lambda: shipped("controlnets")),
            "upscalers": UpscalerFolder(home / "upscalers"),
            "ip_adapters": IpAdapterFolder(home / "ip-adapters", ImageEncoderFolder(home / "image-encoders")),
        }  # fmt: skip
        with Engine(pictures=pictures, **folders) as engine:
            job = engine.submit(wanted)
            follow(job, console)
            job.result()
            for note in engine.notes(job):
                console.print(note, markup=False)
    except KeyboardInterrupt:
        console.print("Interrupted.")
        raise typer.Exit(130) from None
    except (RecipeError, QueueFull, RuntimeError) as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    finally:  # what was finished is kept, however it ended
        save_finished(job, files, console)


def settings(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those given, then those of the recipe ``before``, then those that its model has of its own."""
    asked = beside(before, given)
    if asked.get("upscale"):
        return asked  # nothing is drawn
    if "prompt" not in asked:
        raise typer.BadParameter("got none; allowed: a text, which may be empty.", param_hint="PROMPT")
    model = str(asked.get("model", Recipe.model_fields["model"].default))
    good = {name: value for name, value in defaults(model).items() if name in OF_MODEL}
    return {"seed": random_seed()} | good | asked


def shipped(kind: str) -> dict[str, Path]:
    """The adapters that come with the starter, by name; ``kind`` is their folder."""
    return {file.stem: file for file in sorted((STARTER / kind).glob("*.safetensors"))}


def save_finished(job: Job | None, files: list[Path], console: Any) -> None:
    """Write the pictures that are there, each to its own file, and say which. Exits with 1 if one fails."""
    if job is None:
        return
    failed = False
    for index, image in job.finished.items():
        single, file = job.made(index), files[index]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_picture(image, single, file)
            typer.echo(f"{file}" if single.upscale else f"{file}  (seed {single.seed})")
        except OSError as error:
            console.print(f"{file} could not be written: {error.strerror}.", style="red", markup=False)
            failed = True
    if failed:
        raise typer.Exit(1)


def follow(job: Job, console: Any) -> None:
    """Show a job's progress until it ends; an interrupt stops the job."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Loading the model", total=None)
        try:
            for event in job.events():
                match event:
                    case Progress(step, of):
                        bar.update(task, description="Drawing", completed=step, total=of)
                    case Queued() | Failed() | Cancelled() | _:
                        pass
        except KeyboardInterrupt:
            job.cancel()
            raise


draw.__signature__ = draw_signature()  # pyright: ignore[reportFunctionMemberAccess] (what typer reads)
draw.__annotations__ = {name: p.annotation for name, p in draw_signature().parameters.items()}
app.command()(draw)


@app.command(name="preprocess")
def make_control(
    picture: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="PNG, JPEG or WebP.")],
    name: Annotated[str, typer.Argument(help="One of " + ", ".join(PREPROCESSORS) + ".", metavar="NAME")],
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("control.png"),
    seed: Annotated[int, typer.Option(help="Decides what the shuffle leaves to chance.")] = 0,
    download: Annotated[bool, typer.Option("--download", help="Fetch weights that are missing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Make what a ControlNet reads out of a picture, to be looked at before it is drawn with."""
    if out.exists() and not overwrite:
        raise typer.BadParameter(f"{out} exists already; --overwrite replaces it.", param_hint="--out")
    try:
        preprocess(upright(open_picture(picture)), name, seed=seed, download=download).save(out, format="PNG")
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(str(out))


app.command()(commands.bundle)
app.command(name="import")(commands.import_files)
app.command()(lab.train)


@app.command()
def doctor(home: Home = HERE) -> None:
    """Say what runs on this machine, and what is missing."""
    typer.echo(report(home))


if __name__ == "__main__":
    app()
