"""``python -m training.starter``: train the starter from nothing, stage by stage, and measure it.

Every stage keeps its checkpoints under the run's folder and goes on where it stopped.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from accelerate.utils import set_seed
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from models import load
from training.loop import Plan, Task, train
from training.starter.cache import Cache, build_cache
from training.starter.card import history, spent, write_card
from training.starter.evaluation import evaluate
from training.starter.export import export, export_weak
from training.starter.judge import JudgeNet, JudgeTask
from training.starter.pointing import point
from training.starter.table import fit
from training.starter.text import TextTask, build_encoder, build_tokenizer, captions
from training.starter.unet import SCHEDULER, UnetTask, build_unet, build_weak
from training.starter.vae import VaeTask, build_vae

CONFIG = Path(__file__).with_name("starter.toml")
STARTER = Path("models/starter")
STAGES = ("vae", "text", "unet", "weak", "judge")
APART = ("weak", "judge")  # trained, and no part of what draws
app = typer.Typer(help=__doc__, no_args_is_help=True)


class Workshop:
    """The stages over one configuration; each returns its trained part, training it first if need be."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.seed, self.folder = config, int(config["seed"]), Path(config["folder"])
        self.start = Path(config["start"]) if config["start"] else None

    def _train(self, stage: str, task: Task, **more: Any) -> torch.nn.Module:
        settings = {k: v for k, v in self.config[stage].items() if k not in ("batch", "full_from")}
        return train(task, Plan(seed=self.seed, **settings, **more), self.folder / stage).eval()

    def words(self) -> CLIPTokenizer:
        words = self.start / "tokenizer" if self.start else self.folder / "tokenizer"
        if words.exists():
            return CLIPTokenizer.from_pretrained(words)
        return build_tokenizer(captions(30_000, self.seed + 1), words)

    def cache(self) -> Cache:
        count, file = self.config["latents"]["scenes"], self.folder / "latents.safetensors"
        return build_cache(self.words(), count, self.seed, file)

    def vae(self) -> AutoencoderKL:
        set_seed(self.seed)
        own = self.config["vae"]
        learnt = self._start("vae")
        vae = AutoencoderKL.from_pretrained(learnt, torch_dtype=torch.float32) if learnt else build_vae()
        task = VaeTask(vae, self.seed, own["batch"], 64, int(own["steps"] * own["full_from"]))
        self._train("vae", task)
        return vae

    def text(self) -> CLIPTextModel:
        set_seed(self.seed)
        words, learnt = self.words(), self._start("text_encoder")
        encoder = (CLIPTextModel.from_pretrained(learnt, dtype=torch.float32)
                   if learnt else build_encoder(words))  # fmt: skip
        end = words.eos_token_id
        assert isinstance(end, int)
        self._train("text", TextTask(encoder, self.cache(), end, self.seed, self.config["text"]["batch"]))
        return encoder.eval()

    def unet(self) -> UnetTask:
        encoder = self.text()
        set_seed(self.seed)
        learnt = self._start("unet")
        cache = self.cache()
        if learnt:
            unet = UNet2DConditionModel.from_pretrained(learnt, torch_dtype=torch.float32)
        else:
            unet = build_unet()
            if not (self.folder / "unet").exists():  # a run that goes on has its own by now
                point(unet, encoder, cache, SCHEDULER.alphas_cumprod, self.seed)
        task = UnetTask(cache, unet, encoder, self.words(), self.seed, self.config["unet"]["batch"])
        self._train("unet", task)
        return task

    def weak(self) -> UNet2DConditionModel:
        encoder = self.text()
        set_seed(self.seed)
        unet = build_weak()
        batch = self.config["weak"]["batch"]
        self._train("weak", UnetTask(self.cache(), unet, encoder, self.words(), self.seed, batch))
        return unet

    def _start(self, part: str) -> Path | None:
        """The folder of a part to go on from, if there is one."""
        folder = self.start / part if self.start else None
        return folder if folder and folder.is_dir() else None

    def judge(self) -> JudgeNet:
        set_seed(self.seed)
        task = JudgeTask(self.seed, self.config["judge"]["batch"])
        self._train("judge", task, sample_every=10**9)
        return task.module.net


def workshop(config: Path, changes: list[str]) -> Workshop:
    return Workshop(settings(tomllib.loads(config.read_text()), changes))


def settings(config: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    """``config`` with each of ``changes``, as "table.key=value"; a value is of the type that is there."""
    for change in changes:
        path, _, value = change.partition("=")
        *tables, key = path.split(".")
        table = config
        for name in tables:
            table = table[name]
        if key not in table:
            raise typer.BadParameter(f"--set {path}: no such setting; here there are {', '.join(table)}.")
        table[key] = type(table[key])(value)
    return config


Config = Annotated[Path, typer.Option(help="The file that decides everything.")]
Changes = Annotated[list[str], typer.Option("--set", help="Change one setting, e.g. unet.steps=20000.")]


@app.command()
def stage(name: str, config: Config = CONFIG, changes: Changes = []) -> None:  # noqa: B006
    """Train one stage: vae, text, unet, weak or judge (what it needs first)."""
    if name not in STAGES:
        raise typer.BadParameter(f"got {name!r}; allowed: {', '.join(STAGES)}.")
    getattr(workshop(config, changes), name)()


@app.command("train")
def train_all(config: Config = CONFIG, out: Path = STARTER, changes: Changes = []) -> None:  # noqa: B006
    """Train everything and write the starter in diffusers' folder layout."""
    shop = workshop(config, changes)
    task, vae, weak = shop.unet(), shop.vae(), shop.weak()
    before = history(shop.start) if shop.start else []
    export(task, vae, out, [*before, *(row for row in spent(shop.folder) if row.stage not in APART)])
    export_weak(weak, out)
    fit_table(out)


@app.command("weak")
def train_weak(config: Config = CONFIG, model: Path = STARTER, changes: Changes = []) -> None:  # noqa: B006
    """Train the weak companion of the starter in ``model``, and put it there."""
    shop = workshop(config, [*changes, f"start={model}", "text.steps=0"])  # the encoder stays as it is
    export_weak(shop.weak(), model)


@app.command("table")
def fit_table(model: Path = STARTER, steps: int = 10, prompts: int = 16) -> None:
    """Search the noise levels that suit the starter best; kept in its atelier.json as the fitted schedule,
    which is its default then."""
    file = model / "atelier.json"
    extra = json.loads(file.read_text("utf-8"))
    extra["sigmas"] = fit(load(str(model)), steps, prompts)
    extra["defaults"]["schedule"] = "fitted"
    file.write_text(json.dumps(extra, indent=2) + "\n", encoding="utf-8")
    typer.echo(", ".join(f"{sigma:g}" for sigma in extra["sigmas"]))


@app.command("evaluate")
def evaluate_only(
    config: Config = CONFIG,
    model: Path = STARTER,
    out: Path = Path("docs/starter"),
    changes: Changes = [],  # noqa: B006
) -> None:
    """Measure the starter on 500 held-out prompts with fixed seeds, and write its model card."""
    shop = workshop(config, changes)
    figures, sizes = evaluate(shop.judge(), model, out)
    device = (
        "a GPU"
        if torch.cuda.is_available()
        else f"{torch.get_num_threads()} CPU cores, shared with other work"
    )
    judging = [row for row in spent(shop.folder) if row.stage == "judge"]
    write_card(figures, [*history(model), *judging], sizes, device, model / "README.md")


if __name__ == "__main__":
    app()
