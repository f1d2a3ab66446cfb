"""``python -m training.adapters``: train the starter's style LoRAs and ControlNets, and measure them.

Each keeps its checkpoints under the run's folder and goes on where it stopped.
"""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from accelerate.utils import set_seed
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from adapters.control_lora import parted
from models import Parts, load
from training.adapters.card import write_cards
from training.adapters.evaluation import StyleNet, StyleTask, evaluate
from training.adapters.full import Row, compared, table
from training.adapters.looks import LOOKS
from training.adapters.scenes import MAPS, coded, in_style, with_maps
from training.adapters.tasks import ControlTask, LoraTask
from training.loop import Plan, train
from training.starter.__main__ import settings
from training.starter.judge import JudgeNet, JudgeTask

CONFIG = Path(__file__).with_name("adapters.toml")
STARTER = Path("models/starter")
app = typer.Typer(help=__doc__, no_args_is_help=True)

Model = Annotated[Path, typer.Option(help="The starter that they are for; they are put into its folder.")]
Changes = Annotated[list[str], typer.Option("--set", help="Change one setting, e.g. lora.steps=800.")]


class Bench:
    """The adapters of one configuration, for the starter in one folder."""

    def __init__(self, config: dict[str, Any], model: Path) -> None:
        self.config, self.model = config, model
        self.seed, self.folder = int(config["seed"]), Path(config["folder"])

    def _plan(self, kind: str) -> Plan:
        own = {k: v for k, v in self.config[kind].items() if k not in ("batch", "rank", "scenes")}
        return Plan(seed=self.seed, sample_every=10**9, **own)

    def _parts(self) -> Parts:
        return load(str(self.model), dtype=torch.float32)

    def lora(self, style: str) -> Path:
        """Train the LoRA of ``style``, a key of LOOKS; returns its file."""
        set_seed(self.seed)
        own, parts = self.config["lora"], self._parts()
        learnt = coded(in_style(style, own["scenes"], self.seed), own["scenes"], self.seed, style)
        task = LoraTask(parts, learnt, own["rank"], own["batch"], self.seed)
        train(task, self._plan("lora"), self.folder / style)
        weights = get_peft_model_state_dict(task.module.unet)
        file = self.model / "loras" / f"{style}.safetensors"
        about = {
            "modelspec.title": f"{style} for the starter",
            "modelspec.description": f"Draws in the style of {style}. Trained by training/adapters.",
            "modelspec.license": "Apache-2.0",
        }
        _save({f"unet.{name}": weight for name, weight in weights.items()}, file, about)
        return file

    def control(self, kind: str) -> Path:
        """Train the ControlNet that follows maps of ``kind``, a key of MAPS; returns its file."""
        set_seed(self.seed)
        own, parts = self.config["control"], self._parts()
        learnt = coded(with_maps(kind, own["scenes"], self.seed), own["scenes"], self.seed, kind)
        task = ControlTask(parts, learnt, own["rank"], own["batch"], self.seed)
        train(task, self._plan("control"), self.folder / kind)
        file = self.model / "controlnets" / f"{kind}.safetensors"
        _save(parted(task.control), file, {"modelspec.title": f"{kind} for the starter"})
        return file

    def against_full(self, style: str, minutes: float) -> list[Row]:
        """A LoRA of ``style`` and full fine-tuning, as long as each other."""
        own = self.config["lora"]
        plan = replace(self._plan("lora"), steps=10**6, minutes=minutes)
        found = compared(
            self._parts, style, own["scenes"], own["rank"], plan, own["batch"], self.folder / "full"
        )
        return list(found)

    def judges(self) -> tuple[JudgeNet, StyleNet]:
        """Who says which objects a picture shows, of any style, and who says which style it has."""
        set_seed(self.seed)
        objects = JudgeTask(self.seed, self.config["judge"]["batch"], tuple(LOOKS.values()))
        train(objects, self._plan("judge"), self.folder / "judge")
        styles = StyleTask(self.seed, self.config["judge"]["batch"])
        train(styles, self._plan("styles"), self.folder / "styles")
        return objects.module.net.eval(), styles.module.net.eval()


def _save(weights: dict[str, torch.Tensor], file: Path, about: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    half = {name: weight.detach().cpu().half().contiguous() for name, weight in weights.items()}
    save_file(half, str(file), about | {"modelspec.architecture": "atelier-starter"})


def _bench(model: Path, changes: list[str]) -> Bench:
    return Bench(settings(tomllib.loads(CONFIG.read_text()), changes), model)


@app.command("lora")
def train_lora(style: str, model: Model = STARTER, changes: Changes = []) -> None:  # noqa: B006
    """Train the LoRA of one style."""
    if style not in LOOKS:
        raise typer.BadParameter(f"got {style!r}; allowed: {', '.join(LOOKS)}.")
    typer.echo(_bench(model, changes).lora(style))


@app.command("control")
def train_control(kind: str, model: Model = STARTER, changes: Changes = []) -> None:  # noqa: B006
    """Train the ControlNet that follows one kind of map."""
    if kind not in MAPS:
        raise typer.BadParameter(f"got {kind!r}; allowed: {', '.join(MAPS)}.")
    typer.echo(_bench(model, changes).control(kind))


@app.command("train")
def train_all(model: Model = STARTER, changes: Changes = []) -> None:  # noqa: B006
    """Train all of them."""
    bench = _bench(model, changes)
    for style in LOOKS:
        typer.echo(bench.lora(style))
    for kind in MAPS:
        typer.echo(bench.control(kind))


@app.command("full")
def against_full(
    style: str = "sepia",
    minutes: float = 2.0,
    model: Model = STARTER,
    out: Path = Path("docs/adapters/full.md"),
    changes: Changes = [],  # noqa: B006
) -> None:
    """Compare a LoRA with full fine-tuning."""
    rows = _bench(model, changes).against_full(style, minutes)
    out.write_text(table(rows, style, minutes), encoding="utf-8")
    typer.echo(out)


@app.command("evaluate")
def evaluate_all(
    model: Model = STARTER,
    out: Path = Path("docs/adapters"),
    changes: Changes = [],  # noqa: B006
) -> None:
    """Measure what they do: style, objects and edges with and without each, with before-and-after grids."""
    bench = _bench(model, changes)
    objects, styles = bench.judges()
    figures = evaluate(load(str(model)), tuple(LOOKS), tuple(MAPS), objects, styles, out)
    write_cards(figures, tuple(LOOKS), tuple(MAPS), model)


if __name__ == "__main__":
    app()
