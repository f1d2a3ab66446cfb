"""IP-Adapters on tiny models: the same latents as diffusers', rows apart, and the model as it was before."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters import (
    ImageEncoderFolder,
    Likeness,
    LoraFolder,
    likened,
    load_ip_adapter,
)
from benchmarks.parity.ip_adapters import CASES, FACE, PICTURES, SCENE, Home, reference
from benchmarks.parity.latents import FAMILIES, RECIPE, TOLERANCE, Case, Models, difference, our_latents
from models import ModelError
from models.header import read_header
from pipelines import Folders, Recipe, RecipeError, Reference, draw, text_to_image
from pipelines.draw import answer
from pipelines.requests import Denoise, EncodeReference
from tests.adapters.test_lora import kohya, tensors_for
from tests.ldm import write_header
from tests.tiny import write_ip_adapter, write_tiny


def with_references(*references: Reference, **changes: Any) -> Recipe:
    return RECIPE.model_copy(update={"references": references, **changes})


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
    assert pair.effect > 100 * TOLERANCE


def test_afterwards_the_model_is_bit_for_bit_as_it_was(home: Home) -> None:
    unet = home.parts.unet
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    processors = dict(unet.attn_processors)
    plain = home.latents(RECIPE)
    home.latents(with_references(reference(), reference("plus")))
    assert before.keys() == unet.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in unet.state_dict().items())
    after = unet.attn_processors
    assert processors.keys() == after.keys() and all(processors[name] is after[name] for name in after)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in unet.modules())
    assert torch.equal(home.latents(RECIPE), plain)


def test_a_failed_call_leaves_nothing_behind(sd: Home) -> None:
    seen = sd.folder.load("base", sd.parts).see(SCENE)
    with pytest.raises(ZeroDivisionError), likened(sd.parts.unet, [(Likeness(seen.there, 1.0),)]):
        raise ZeroDivisionError
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in sd.parts.unet.modules())


def test_rows_of_one_call_have_their_own(home: Home) -> None:
    """Base and plus, other pictures, other weights, two at once, and none: each row is what it is alone."""
    base, plus = (home.folder.load(name, home.parts) for name in ("base", "plus"))
    one = Likeness(base.see(SCENE).there, 1.0)
    two = Likeness(plus.see(SCENE).there, 0.5)
    three = Likeness(base.see(FACE).there, 0.3)
    context = home.parts.encode_text(["cat"])
    x = torch.randn(6, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    levels = [home.parts.levels[k] for k in (900, 700, 500, 300, 100, 50)]
    asks = [
        Denoise(x[k : k + 1], levels[k], context, likenesses=likenesses)
        for k, likenesses in enumerate([(one,), (), (one, two), (two,), (one, three), (three,)])
    ]
    together = answer(tuple(asks), home.parts)
    for ask, row in zip(asks, together, strict=True):
        [alone] = answer((ask,), home.parts)
        assert difference(row, alone) < 2e-5
    assert difference(together[0], answer((Denoise(x[:1], levels[0], context),), home.parts)[0]) > 1e-2


def test_a_lora_on_the_queries_counts_for_the_picture_too(sd: Home, tmp_path: Path) -> None:
    """As if it were merged: what the picture's tokens are asked is what the LoRA made of the queries."""
    queries = tensors_for(
        sd.parts, kohya, "lora_down.weight", "lora_up.weight", only=lambda _, p: p.endswith("attn2.to_q")
    )
    save_file(queries, tmp_path / "q.safetensors")
    folders = Folders(LoraFolder(tmp_path), pictures=PICTURES, ip_adapters=sd.folder)
    recipe = with_references(reference(), prompt="a cat <lora:q:0.8>")
    ours = our_latents(recipe, sd.parts, folders.of(sd.parts))
    merged = Models(tmp_path / "merged").parts(sd.model)
    with torch.no_grad():
        for path, patch in LoraFolder(tmp_path).load("q", sd.parts).patches["unet"].items():
            merged.unet.get_submodule(path).weight += 0.8 * patch.whole
    wanted = our_latents(with_references(reference()), merged, folders.of(merged))
    assert difference(ours, wanted) < TOLERANCE
    assert difference(ours, sd.latents(with_references(reference()))) > 10 * TOLERANCE


def test_a_picture_is_asked_for_once_and_not_seen_away_from_the_prompt(sd: Home) -> None:
    pipeline = text_to_image(with_references(reference()), sd.parts, sd.materials)
    encoded = answer(pipeline.send(None), sd.parts)
    request = pipeline.send(encoded)
    assert isinstance(request, EncodeReference) and request.picture.tobytes() == SCENE.tobytes()
    seen = answer(request, sd.parts)
    asks = pipeline.send(seen)
    assert isinstance(asks, tuple)
    assert [ask.likenesses[0].tokens is seen.there for ask in asks] == [True, False]
    assert asks[1].likenesses[0].tokens is seen.away


def test_weight_0_takes_after_nothing(sd: Home) -> None:
    assert torch.equal(sd.latents(with_references(reference(weight=0))), sd.latents(RECIPE))


REFUSED: dict[str, tuple[Reference, str]] = {
    "unknown": (reference("pose"), r"^Reference 1: got the IP-Adapter 'pose'; allowed: base, plus"),
    "picture": (reference(picture="0" * 64), r"^Reference 1: its picture 000000000000… is not here"),
    "no step": (reference(start=0.45, end=0.55), r"^Reference 1: got start 0.45 and end 0.55, with none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_after_says_so(sd: Home, case: str) -> None:
    asked, said = REFUSED[case]
    with pytest.raises(RecipeError, match=said):
        draw(with_references(asked), sd.parts, ip_adapters=sd.folder, pictures=PICTURES)


def test_without_a_folder_there_are_none(sd: Home) -> None:
    with pytest.raises(RecipeError, match="^Reference 1: got 'base'; allowed: none"):
        draw(with_references(reference()), sd.parts, pictures=PICTURES)


def loaded(file: Path, home: Home) -> None:
    load_ip_adapter(file, home.parts, ImageEncoderFolder(home.encoder.parent).find)


def test_one_of_another_family_says_so(sd: Home, tmp_path: Path) -> None:
    file = write_ip_adapter(tmp_path / "xl.safetensors", write_tiny(tmp_path / "tiny", "sdxl"))
    with pytest.raises(ModelError, match="^IP-Adapter 'xl' reads texts of width 80.*allowed .*: 32"):
        loaded(file, sd)


KEY, LATENTS = "ip_adapter.1.to_k_ip.weight", "image_proj.latents"
NEITHER = "neither as base nor as plus"
DAMAGES: dict[str, tuple[bool, Callable[[dict[str, Tensor]], Any], str]] = {
    "missing": (False, lambda w: w.pop(KEY), r"ip_adapter\.\*, lacks 1 weights"),
    "strange": (False, lambda w: w.update({"ip_adapter.2.to_k_ip.weight": w[KEY].clone()}), "no place for 1"),
    "shape of a map": (False, lambda w: w.update({KEY: torch.ones(5, 32)}), r"of shape \(5, 32\); allowed"),
    "not numbers": (False, lambda w: w[KEY].fill_(float("nan")), "not numbers"),
    "infinite": (True, lambda w: w["image_proj.proj_in.bias"].fill_(float("inf")), "not numbers"),
    "another size": (False, lambda w: w.update({"image_proj.proj.bias": torch.ones(3)}), "of shape"),
    "flat": (False, lambda w: w.update({"image_proj.proj.weight": torch.ones(128)}), NEITHER),
    "no norm": (False, lambda w: w.pop("image_proj.norm.weight"), NEITHER),
    "empty norm": (False, lambda w: w.update({"image_proj.norm.weight": torch.ones(0)}), "neither as base"),
    "latents": (True, lambda w: w.update({LATENTS: torch.ones(6, 40)}), NEITHER),
    "wide": (True, lambda w: w.update({LATENTS: torch.ones(1, 9000, 40)}), NEITHER),
    "a layer": (True, lambda w: w.pop("image_proj.layers.3.1.1.weight"), r"image_proj\.\*, lacks 1 weights"),
    "faces": (False, lambda w: w.update({"image_proj.perceiver_resampler.x": torch.ones(1)}), "of faces"),
    "whole faces": (False, lambda w: w.update({"image_proj.proj.3.weight": torch.ones(1)}), "of whole faces"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(sd: Home, tmp_path: Path, damage: str) -> None:
    fine, change, said = DAMAGES[damage]
    file = write_ip_adapter(tmp_path / "bad.safetensors", sd.model, fine)
    weights = load_file(file)
    change(weights)
    save_file(weights, file)
    with pytest.raises(ModelError, match=f"^IP-Adapter 'bad'.*{said}"):
        loaded(file, sd)


@pytest.mark.parametrize("cut", [0, 1, 9, 100, 5000, -1])
def test_torn_files_are_one_sentence(sd: Home, tmp_path: Path, cut: int) -> None:
    file = write_ip_adapter(tmp_path / "torn.safetensors", sd.model)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelError, match=re.escape("torn.safetensors")):
        loaded(file, sd)


def test_a_pickle_is_refused(sd: Home, tmp_path: Path) -> None:
    torch.save({"image_proj": {}}, tmp_path / "ip-adapter_sd15.safetensors")
    with pytest.raises(ModelError, match="pickle of torch.save"):
        loaded(tmp_path / "ip-adapter_sd15.safetensors", sd)


OTHERS = {
    "lora_unet_x.alpha": "is a LoRA",
    "control_model.x": "is a ControlNet",
    "model.diffusion_model.x": "is a whole checkpoint",
    "x": "has no weights of one",
}


@pytest.mark.parametrize(("name", "said"), OTHERS.items())
def test_other_files_are_named(sd: Home, tmp_path: Path, name: str, said: str) -> None:
    save_file({name: torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=f"^IP-Adapter 'other' {said}; allowed: an IP-Adapter, base or plus"):
        loaded(tmp_path / "other.safetensors", sd)


@pytest.mark.parametrize("numbers", [3 << 30, 1 << 40])
def test_a_file_of_holes_is_not_read(sd: Home, tmp_path: Path, numbers: int) -> None:
    file = write_ip_adapter(tmp_path / "holes.safetensors", sd.model)
    shapes = dict(read_header(file).shapes) | {"ip_adapter.99.to_k_ip.weight": (numbers,)}
    write_header(file, shapes)
    with pytest.raises(ModelError, match="bytes; allowed: (at most|what this machine can open)"):
        loaded(file, sd)
