"""A region that covers everything is the plain prompt; others keep to their place, alone or in company."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from adapters import LoraFolder
from gallery import sha256_of
from gallery.lineage import pictures_of
from models import Parts
from pipelines import Folders, Materials, Recipe, RecipeError, answer, draw, story
from pipelines.cost import cost
from pipelines.regions import places_of
from pipelines.requests import Decode
from pipelines.texts import worded
from schedulers import SAMPLERS
from tests.adapters.test_lora import kohya, tensors_for
from tests.pipelines.test_edit import box_mask, edit_of, noise_picture

SIZE = {"width": 64, "height": 64}
ALL, LEFT = Image.new("L", (64, 64), 255), box_mask(64, 64, (0, 0, 32, 64))
RIGHT = box_mask(64, 64, (32, 0, 64, 64))
PICTURES = {sha256_of(one): one for one in (ALL, LEFT, RIGHT)}
BOXES = {"all": ALL, "left": LEFT, "right": RIGHT}


def a_recipe(regions: list[dict[str, Any]], **of: Any) -> Recipe:
    """``mask`` of a region is a name of ``BOXES``."""
    made = [one | {"mask": sha256_of(BOXES[one["mask"]])} for one in regions]
    values: dict[str, Any] = {"prompt": "a cat", "negative": "rain", "steps": 3, "seed": 5} | SIZE | of
    return Recipe.read(values | {"regions": made})


def latents(recipe: Recipe, parts: Parts, loras: LoraFolder | None = None) -> Tensor:
    """(1, C, h, w) as they are before they are decoded."""
    pipeline, reply = story(recipe, parts, Folders(loras, pictures=PICTURES).of(parts)), None
    while not isinstance(request := pipeline.send(reply), Decode):
        reply = answer(request, parts)
    return request.latents


@pytest.fixture(scope="module")
def loras(tiny: Parts, tmp_path_factory: pytest.TempPathFactory) -> LoraFolder:
    home: Path = tmp_path_factory.mktemp("loras")
    save_file(tensors_for(tiny, kohya, "lora_down.weight", "lora_up.weight"), home / "ink.safetensors")
    return LoraFolder(home)


@pytest.mark.parametrize(
    "prompt", ["a dog", "a dog AND an owl :0.5", "a dog <lora:ink:0.8>", "a [dog|fox]" + " tall" * 90]
)
def test_a_region_that_covers_everything_is_the_plain_prompt(
    prompt: str, tiny: Parts, loras: LoraFolder
) -> None:
    for weight in (1.0, 1.7):
        made = latents(a_recipe([{"mask": "all", "prompt": prompt, "weight": weight}]), tiny, loras)
        assert torch.equal(made, latents(a_recipe([], prompt=prompt), tiny, loras))  # bit for bit


@pytest.mark.parametrize("regions", [[], [{"mask": "left", "prompt": "a dog", "weight": 0.0}]])
def test_without_a_region_that_counts_it_is_the_plain_prompt(regions: list[Any], tiny: Parts) -> None:
    assert torch.equal(latents(a_recipe(regions), tiny), latents(a_recipe([]), tiny))


def test_one_step_differs_in_the_region_alone(tiny: Parts, loras: LoraFolder) -> None:
    """Later steps see what the first one made next door."""
    one = {"steps": 1, "sampler": "euler"}
    plain = latents(a_recipe([], **one), tiny, loras)
    for prompt in ("a dog", "a dog <lora:ink:0.8>"):
        made = latents(a_recipe([{"mask": "left", "prompt": prompt}], **one), tiny, loras)
        there = latents(a_recipe([], prompt=prompt, **one), tiny, loras)
        torch.testing.assert_close(made[..., 4:], plain[..., 4:], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(made[..., :4], there[..., :4], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(there[..., :4], plain[..., :4], rtol=1e-2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_regions(sampler: str, tiny: Parts) -> None:
    regions = [{"mask": "left", "prompt": "a dog"}, {"mask": "right", "prompt": "an owl", "weight": 0.5}]
    made = draw(a_recipe(regions, sampler=sampler, steps=2), tiny, pictures=PICTURES)
    plain = draw(a_recipe([], sampler=sampler, steps=2), tiny, pictures=PICTURES)
    assert made[0].tobytes() != plain[0].tobytes()


def test_a_picture_of_several_is_the_one_drawn_alone(tiny: Parts) -> None:
    recipe = a_recipe([{"mask": "left", "prompt": "a {dog|fox|hare}"}], count=3, sampler="dpmpp-2m-sde")
    together = draw(recipe, tiny, pictures=PICTURES)
    for single, picture in zip(recipe.each(), together, strict=True):
        [alone] = draw(worded(single), tiny, pictures=PICTURES)
        assert np.abs(np.asarray(alone, np.int16) - np.asarray(picture, np.int16)).max() <= 1


def test_shares_are_the_masks_weighed_and_sum_to_1(tiny: Parts) -> None:
    regions = [{"mask": "left", "weight": 0.5}, {"mask": "all", "weight": 1.0}]
    places = places_of(a_recipe(regions), tiny, Materials(pictures=PICTURES))
    assert [place.number for place in places] == [1, 2]  # nothing is left to the whole's prompt
    shares = [place.share[0, 0, 0] for place in places]
    torch.testing.assert_close(shares[0], torch.tensor([1 / 3] * 4 + [0.0] * 4))
    torch.testing.assert_close(sum(shares), torch.ones(8))


@pytest.mark.parametrize(
    "of", [{"hires": {"scale": 1.5}}, {"tiles": {"side": 64, "overlap": 16}, "width": 96}]
)
def test_regions_go_with_the_size(of: dict[str, Any], tiny: Parts) -> None:
    made = draw(a_recipe([{"mask": "left", "prompt": "a dog"}], **of), tiny, pictures=PICTURES)[0]
    assert made.width == 96
    assert made.tobytes() != draw(a_recipe([], **of), tiny, pictures=PICTURES)[0].tobytes()


@pytest.mark.parametrize("area", ["whole", "masked"])
def test_regions_of_an_edit_lie_on_its_picture(area: str, tiny: Parts) -> None:
    """One over all of the picture reaches into its margins, and is the plain prompt."""
    picture, mask = noise_picture(70, 50), box_mask(70, 50, (10, 10, 30, 30))
    everywhere, away = Image.new("L", (70, 50), 255), box_mask(70, 50, (60, 0, 70, 50))
    pictures = {sha256_of(one): one for one in (picture, mask, everywhere, away)}
    edit = edit_of(picture, mask, area=area, left=8, padding=4, strength=1.0)
    values: dict[str, Any] = {"edit": edit.model_dump(), "steps": 2, "seed": 3} | SIZE

    def made(prompt: str, *regions: tuple[Image.Image, str]) -> bytes:
        masks = [{"mask": sha256_of(one), "prompt": text} for one, text in regions]
        recipe = Recipe.read(values | {"prompt": prompt, "regions": masks})
        return draw(recipe, tiny, pictures=pictures)[0].tobytes()

    assert made("a cat", (everywhere, "a dog")) == made("a dog") != made("a cat")
    if area == "masked":  # the model does not see that far
        assert made("a cat", (away, "a dog")) == made("a cat")


def test_choices_are_made_in_regions_and_kept(tiny: Parts) -> None:
    recipe = worded(a_recipe([{"mask": "left", "prompt": "a {dog|fox}"}]))
    assert recipe.words is None and recipe.regions[0].words in ("a dog", "a fox")
    assert worded(recipe) is recipe and Recipe.from_json(recipe.to_json()) == recipe
    assert sha256_of(LEFT) in pictures_of(recipe)


@pytest.mark.parametrize(("region", "said"), [
    ({"mask": "0" * 64}, "^Region 1: its mask 0{12}… is not here; allowed: one that is"),
    ({"mask": "black"}, "^Region 1: got a mask that covers nothing"),
    ({"prompt": "<lora:gone>"}, "^Region 1: Prompt: got the LoRA 'gone'; allowed: none"),
    ({"prompt": "x " * 3000}, "^Region 1, Region prompt: got "),
    ({"weight": 3.0}, "^Region 1, Region weight: got 3.0; allowed: a number from 0 to 2"),
    ({"other": 1}, "^Region 1: got the unknown setting 'other'"),
])  # fmt: skip
def test_what_cannot_be_says_why(region: dict[str, Any], said: str, tiny: Parts) -> None:
    black = Image.new("L", (64, 64))
    given = {"mask": sha256_of(ALL)} | region
    if given["mask"] == "black":
        given["mask"] = sha256_of(black)
    with pytest.raises(RecipeError, match=said):
        recipe = Recipe.read({"steps": 2, "regions": [given]} | SIZE)
        draw(recipe, tiny, pictures=PICTURES | {sha256_of(black): black})


def test_there_is_a_limit_and_a_price() -> None:
    with pytest.raises(RecipeError, match="^Regions: got .*allowed: a list of at most 6"):
        a_recipe([{"mask": "left"}] * 7)
    alone, more = (cost(a_recipe([{"mask": "left"}] * count), None) for count in (0, 2))
    assert more.each == alone.each + 2
