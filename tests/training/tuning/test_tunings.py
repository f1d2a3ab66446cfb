"""Each tuning on a tiny random model: it learns, what it writes is loaded, and what is frozen stays."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from adapters import ControlNetFolder, EmbeddingFolder, LoraFolder, load_lora
from models import Parts, load
from pipelines import Control, Recipe, draw
from tests.training.tuning.driven import begun, to_end
from training.loop import training
from training.tuning import TUNINGS, Tuned, TuningConfig
from training.tuning.run import RESULT, plan_of, read_tuning, tuning

Settings = Callable[..., TuningConfig]
RECIPE = Recipe(prompt="a cat", steps=3, width=64, height=64, guidance=3.0, seed=5)


def state(parts: Parts) -> dict[str, Tensor]:
    networks = {"unet": parts.unet, "vae": parts.vae, "text": parts.encoders[0].network}
    return {f"{n}.{k}": v.clone() for n, net in networks.items() for k, v in net.state_dict().items()}


def loss_of(task: Tuned) -> float:
    """On batches that are always the same."""
    with torch.no_grad():
        return sum(float(task.module(*task.batch(k, 0))["loss"]) for k in range(1000, 1010)) / 10


def pixels(image: Image.Image) -> Tensor:
    return torch.tensor(list(image.tobytes()), dtype=torch.float32)


@pytest.mark.parametrize("kind", TUNINGS)
def test_one_picture_is_learnt(kind: str, settings: Settings, tmp_path: Path) -> None:
    config = settings(kind, steps=40)
    task, parts = begun(config, tmp_path)
    before, frozen = loss_of(task), state(parts)
    to_end(training(task, plan_of(config), tmp_path))
    after = loss_of(task)
    assert after < before - 1e-4, (before, after)
    now = state(parts)
    changed = {name for name in frozen if not torch.equal(frozen[name], now[name])}
    if kind == "full":
        assert changed and all(name.startswith("unet.") for name in changed)
    else:
        assert all("lora_" in name for name in changed)


@pytest.mark.parametrize("kind", TUNINGS)
def test_what_is_written_is_loaded_and_changes_the_picture(
    kind: str, settings: Settings, tiny: Parts, tmp_path: Path
) -> None:
    config = settings(kind, steps=6)
    steps = list(tuning(config, tmp_path / "run"))
    assert steps[-1].step == steps[-1].of == 6
    result, recipe, more, parts = tmp_path / "run" / RESULT, RECIPE, {}, tiny
    if kind == "full":
        parts = load(str(result / "model"), device="cpu", dtype=torch.float32)
        assert parts.parametrisation == tiny.parametrisation and parts.defaults == tiny.defaults
    elif kind == "textual-inversion":
        recipe = RECIPE.model_copy(update={"prompt": "a zq"})
        more = {"embeddings": EmbeddingFolder(result)}
        assert load_file(result / "zq.safetensors")["emb_params"].shape == (2, 32)
    elif kind == "controlnet":
        control = Control(net="controlnet", picture="0" * 64)
        recipe = RECIPE.model_copy(update={"controls": (control,)})
        more = {
            "controlnets": ControlNetFolder(result),
            "pictures": {"0" * 64: Image.effect_noise((64, 64), 90).convert("RGB")},
        }
    else:
        recipe = RECIPE.model_copy(update={"prompt": "a cat <lora:lora:1>"})
        more = {"loras": LoraFolder(result)}
    bare = recipe if kind == "textual-inversion" else RECIPE
    [plain], [tuned] = draw(bare, tiny), draw(recipe, parts, **more)  # type: ignore[arg-type]
    assert (pixels(plain) - pixels(tuned)).abs().max() > 0


def test_a_run_that_was_stopped_is_the_run_that_was_not(settings: Settings, tmp_path: Path) -> None:
    for kind in ("lora", "dreambooth"):
        config = settings(kind, steps=6)
        whole = to_end(tuning(config, tmp_path / kind / "whole"))
        halves = tuning(config, tmp_path / kind / "halves")
        while next(halves).doing != "learning":
            pass
        next(halves)
        halves.close()
        torch.manual_seed(77)
        ended = to_end(tuning(config, tmp_path / kind / "halves"))
        a, b = load_file(whole), load_file(ended)
        assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_another_run_or_other_pictures_need_a_new_folder(
    settings: Settings, pictures: Path, tmp_path: Path
) -> None:
    shutil.copytree(pictures / "alone", tmp_path / "own")
    config = settings("lora", folder=str(tmp_path / "own"))
    to_end(tuning(config, tmp_path / "run"))
    with pytest.raises(ValueError, match="another rank"):
        next(tuning(config.model_copy(update={"rank": 2}), tmp_path / "run"))
    (tmp_path / "own" / "liked.txt").write_text("a dog")
    with pytest.raises(ValueError, match="what it learns from has changed"):
        next(tuning(config, tmp_path / "run"))


def test_what_is_skipped_is_told_and_kept(settings: Settings, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures / "alone", tmp_path / "own")
    (tmp_path / "own" / "bad.png").write_text("no")
    (tmp_path / "own" / "liked.txt").write_text("long " * 100)
    steps = list(tuning(settings("lora", folder=str(tmp_path / "own")), tmp_path / "run"))
    for told in (steps[0].doing, (tmp_path / "run" / "config.json").read_text()):
        assert "bad.png" in told and "not a PNG, JPEG or WebP" in told
        assert "its caption is read up to 77 tokens" in told


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tuning": "lroa"}, "tuning: got 'lroa'; allowed: full, lora, qlora"),
        ({"tuning": "lora", "word": "x"}, "word: no setting of lora; allowed: prompt, rank"),
        ({"tuning": "dreambooth", "prompt": "a zq cat"}, "class_prompt: got nothing; dreambooth needs it"),
        ({"tuning": "lora", "rank": 0}, "rank: got 0; input should be greater"),
        ({"tuning": "lora", "family": "gan"}, "family: no such setting; allowed: tuning, folder, model"),
        ({"tuning": "qlora", "bits": 3}, "bits: got 3; input should be 4 or 8"),
    ],
)
def test_a_setting_that_is_wrong_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError) as error:
        read_tuning({"folder": "x"} | values)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("lora", {"side": 70}, "side: got 70; allowed: a multiple of 16"),
        ("lora", {"batch": 3, "accumulate": 2}, "batch: got 3; allowed: a multiple of 1 processes times"),
        ("lora", {"folder": "nowhere"}, "folder: got 'nowhere'; allowed: a folder of pictures"),
        ("lora", {"model": "nothing"}, "model: Model 'nothing' was not found"),
        ("textual-inversion", {"prompt": "a cat"}, "prompt: got 'a cat'; allowed: one with the word 'zq'"),
        ("controlnet", {"map": "nothing"}, "map: got 'nothing'; allowed: canny"),
        ("controlnet", {"maps": "here"}, "allowed: one of them"),
        ("dpo", {"folder": "nowhere"}, "pairs.jsonl is not there"),
    ],
)
def test_what_does_not_go_together_is_told(
    kind: str, change: dict[str, object], said: str, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as error:
        to_end(tuning(settings(kind, **change), tmp_path))
    assert said in str(error.value)


def test_a_lora_is_at_most_a_hundredth_of_the_starter(settings: Settings, tmp_path: Path) -> None:
    from training.tuning.low_rank import add_low_rank, save_low_rank

    parts = load("starter", device="cpu", dtype=torch.float32)
    whole = sum(p.numel() for p in parts.unet.parameters())
    config = settings("lora", layers="attention+ends")
    add_low_rank(parts.unet, config)
    learnt = sum(p.numel() for p in parts.unet.parameters() if p.requires_grad)
    assert 0 < learnt <= 0.01 * whole
    file = save_low_rank(parts.unet, config, tmp_path / "lora.safetensors", "x")
    fresh = load("starter", device="cpu", dtype=torch.float32)
    assert {"conv_in", "conv_out"} <= load_lora(file, fresh).patches["unet"].keys()
