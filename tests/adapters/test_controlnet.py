"""ControlNets on tiny models: the same latents as diffusers', rows apart, and the model as it was before."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters import hinted, load_controlnet
from benchmarks.parity import latents
from benchmarks.parity.controlnets import (
    BLOBS,
    CASES,
    CONTROLS,
    EDGES,
    PICTURES,
    Home,
    control,
    theirs,
)
from benchmarks.parity.latents import FAMILIES, TOLERANCE, Case, Models, difference
from models import ModelError, Parts
from pipelines import Control, Recipe, RecipeError, draw, text_to_image
from pipelines.draw import answer
from pipelines.hints import pixels
from pipelines.requests import Denoise
from tests.ldm import write_ldm_controlnet
from tests.tiny import write_controlnet, write_tiny

RECIPE = latents.RECIPE.model_copy(update={"count": 1})


def with_controls(*controls: Control, **changes: Any) -> Recipe:
    return RECIPE.model_copy(update={"controls": controls, **changes})


@pytest.fixture(scope="module", params=FAMILIES.values())
def home(request: pytest.FixtureRequest, tiny_models: Models) -> Home:
    return Home(tiny_models, request.param)


@pytest.fixture(scope="module")
def sd(tiny_models: Models) -> Home:
    return Home(tiny_models, "sd")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_latents_are_those_of_diffusers(tiny_models: Models, case: Case) -> None:
    pair = case.run(tiny_models)
    print(f"{case.what}: {pair.difference:.1e}")
    assert pair.difference < TOLERANCE
    assert pair.effect > 100 * TOLERANCE  # it steers


def test_a_size_of_its_own_is_stretched_as_diffusers_does(sd: Home) -> None:
    recipe = with_controls(control(resize="stretch"), width=64, height=128)
    assert difference(sd.latents(recipe), theirs(sd, recipe)) < TOLERANCE


def test_a_pooled_one_is_that_of_diffusers(sd: Home) -> None:
    write_controlnet(sd.nets / "shuffle", sd.model, 3, global_pool_conditions=True)
    recipe = with_controls(control("shuffle"))
    assert difference(sd.latents(recipe), theirs(sd, recipe)) < TOLERANCE
    assert difference(sd.latents(recipe), sd.latents(RECIPE)) > 100 * TOLERANCE


@pytest.mark.parametrize("prefix", ["control_model.", ""])
def test_a_single_file_is_the_folder(home: Home, tmp_path: Path, prefix: str) -> None:
    file = write_ldm_controlnet(home.nets / "edges", tmp_path / "edges.safetensors", prefix)
    loaded, folder = load_controlnet(file, home.parts), home.folder.load("edges", home.parts)
    ours, its = loaded.network.state_dict(), folder.network.state_dict()
    assert ours.keys() == its.keys() and all(torch.equal(ours[name], its[name]) for name in its)


def test_diffusers_weights_may_be_a_file_alone(home: Home, tmp_path: Path) -> None:
    weights = load_file(home.nets / "blobs" / "diffusion_pytorch_model.safetensors")
    save_file(weights, tmp_path / "blobs.safetensors")
    loaded = load_controlnet(tmp_path / "blobs.safetensors", home.parts)
    assert loaded.name == "blobs"
    assert all(torch.equal(loaded.network.state_dict()[name], weight) for name, weight in weights.items())


def test_my_prompt_is_more_important_weighs_the_layers(sd: Home) -> None:
    net = sd.folder.load("edges", sd.parts)
    plain = net.hint(pixels(EDGES), 0.5, soft=False)
    soft = net.hint(pixels(EDGES), 0.5, soft=True)
    assert plain.weights == (0.5,) * net.layers
    assert soft.weights == pytest.approx([0.5 * 0.825 ** (12 - i) for i in range(net.layers)])


def test_controlnet_is_more_important_leaves_the_negative_prompt_alone(sd: Home) -> None:
    hints: dict[str, list[int]] = {}
    for balance in ("balanced", "prompt", "control"):
        pipeline = text_to_image(with_controls(control(balance=balance)), sd.parts, sd.materials)
        encoded = answer(pipeline.send(None), sd.parts)
        asks = pipeline.send(encoded)
        assert isinstance(asks, tuple)
        hints[balance] = [len(ask.hints) for ask in asks]
    assert hints == {"balanced": [1, 1], "prompt": [1, 1], "control": [1, 0]}


def test_afterwards_the_model_is_bit_for_bit_as_it_was(home: Home) -> None:
    before = {name: tensor.clone() for name, tensor in home.parts.unet.state_dict().items()}
    plain = home.latents(RECIPE)
    home.latents(with_controls(*CONTROLS["two"]))
    assert all(torch.equal(before[name], t) for name, t in home.parts.unet.state_dict().items())
    assert not home.parts.unet._forward_pre_hooks
    assert torch.equal(home.latents(RECIPE), plain)


def test_a_failed_call_leaves_nothing_behind(sd: Home) -> None:
    hint = sd.folder.load("edges", sd.parts).hint(pixels(EDGES), 1.0, soft=False)
    with pytest.raises(RuntimeError, match="no"), hinted(sd.parts.unet, [(hint,)]):
        raise RuntimeError("no")
    assert not sd.parts.unet._forward_pre_hooks


def test_rows_of_one_call_follow_their_own(home: Home) -> None:
    """Different ControlNets, two of them, one twice, and none: each row is what it is alone."""
    nets = {name: home.folder.load(name, home.parts) for name in ("edges", "blobs")}
    one = nets["edges"].hint(pixels(EDGES), 1.0, soft=False)
    two = nets["blobs"].hint(pixels(BLOBS), 0.7, soft=True)
    three = nets["edges"].hint(pixels(BLOBS), 0.3, soft=False)
    context = home.parts.encode_text(["cat"])
    x = torch.randn(5, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    levels = [home.parts.levels[k] for k in (900, 700, 500, 300, 100)]
    asks = [
        Denoise(x[k : k + 1], levels[k], context, hints=hints)
        for k, hints in enumerate([(one,), (), (one, two), (two,), (one, three)])
    ]
    together = answer(tuple(asks), home.parts)
    for ask, row in zip(asks, together, strict=True):
        [alone] = answer((ask,), home.parts)
        assert difference(row, alone) < 2e-5
    assert difference(together[0], answer((Denoise(x[:1], levels[0], context),), home.parts)[0]) > 1e-2


REFUSED: dict[str, tuple[Control, str]] = {
    "unknown": (control("pose"), r"^ControlNet 1: got the ControlNet 'pose'; allowed: blobs, edges"),
    "picture": (control(picture="0" * 64), r"^ControlNet 1: its picture 000000000000… is not here"),
    "no step": (control(start=0.45, end=0.55), r"^ControlNet 1: got start 0.45 and end 0.55, with none of 6"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_followed_says_so(sd: Home, case: str) -> None:
    asked, said = REFUSED[case]
    with pytest.raises(RecipeError, match=said):
        draw(with_controls(asked), sd.parts, controlnets=sd.folder, pictures=PICTURES)


def test_without_a_folder_there_are_none(tiny: Parts) -> None:
    with pytest.raises(RecipeError, match="^ControlNet 1: got 'edges'; allowed: none"):
        draw(with_controls(control()), tiny, pictures=PICTURES)


def test_weight_0_follows_nothing(sd: Home) -> None:
    assert torch.equal(sd.latents(with_controls(control(weight=0))), sd.latents(RECIPE))


def test_one_of_another_family_says_so(sd: Home, tmp_path: Path) -> None:
    other = write_controlnet(tmp_path / "xl", write_tiny(tmp_path / "tiny", "sdxl"))
    file = write_ldm_controlnet(other, tmp_path / "xl.safetensors")
    for path in (file, other / "diffusion_pytorch_model.safetensors"):
        with pytest.raises(ModelError, match="^ControlNet 'xl' reads texts of width 80.*allowed .*: 32"):
            load_controlnet(path, sd.parts)


def changed(weights: dict[str, Tensor], change: Callable[[dict[str, Tensor]], Any]) -> dict[str, Tensor]:
    change(weights)
    return weights


LAST = "control_model.middle_block_out.0.bias"
DAMAGES: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "missing": (lambda w: w.pop(LAST), "has [0-9]+ weights|lacks"),
    "strange": (lambda w: w.update({"control_model.more": torch.ones(1)}), "weights; allowed"),
    "shape": (lambda w: w.update({LAST: torch.ones(5)}), "of shape"),
    "not numbers": (lambda w: w[LAST].fill_(float("nan")), "not numbers"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(sd: Home, tmp_path: Path, damage: str) -> None:
    file = write_ldm_controlnet(sd.nets / "edges", tmp_path / "edges.safetensors")
    change, said = DAMAGES[damage]
    save_file(changed(load_file(file), change), file)
    with pytest.raises(ModelError, match=said):
        load_controlnet(file, sd.parts)


OTHERS = {
    "lora_unet_x.alpha": "is a LoRA",
    "task_embedding": "is a union",
    "x": "has no weights of one",
}


@pytest.mark.parametrize(("name", "said"), OTHERS.items())
def test_other_files_are_named(sd: Home, tmp_path: Path, name: str, said: str) -> None:
    save_file({name: torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=f"^ControlNet 'other' {said}"):
        load_controlnet(tmp_path / "other.safetensors", sd.parts)
