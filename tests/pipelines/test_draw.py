"""The story of a picture: what is asked for, in which order, and that the pictures are diffusers' own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from models import Parts, load
from models.load import STARTER
from models.torchvision_guard import guard_torchvision
from pipelines import Recipe, RecipeError, answer, check, draw, resolved, text_to_image, to_images
from pipelines.draw import COLOURED, check_pictures
from pipelines.recipe import Control, Edit, Upscale
from pipelines.requests import Decode, EncodeText, Request, Step
from schedulers import SAMPLERS, SCHEDULES, evaluations, first_noise
from tests.tiny import write_tiny

SMALL = {"width": 64, "height": 64}


def tell(recipe: Recipe, parts: Parts) -> tuple[Tensor, list[Request]]:
    """The pixels, and every request on the way."""
    pipeline, requests, reply = text_to_image(recipe, parts), [], None
    while True:
        try:
            requests.append(pipeline.send(reply))
        except StopIteration as done:
            return done.value, requests
        reply = answer(requests[-1], parts)


def psnr(ours: Tensor, theirs: Tensor) -> float:
    """In decibels, of pixels in [-1, 1]."""
    return -10 * torch.log10((ours - theirs).square().mean() / 4).item()


def diffusers_draws(parts: Parts, recipe: Recipe) -> Tensor:
    guard_torchvision()
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(parts.path, dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    shape = (parts.latent_channels, recipe.height // parts.scale_factor, recipe.width // parts.scale_factor)
    made: Any = pipeline(
        recipe.prompt, negative_prompt=recipe.negative, num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance, width=recipe.width, height=recipe.height,
        num_images_per_prompt=recipe.count, output_type="pt",
        latents=first_noise([each.seed for each in recipe.each()], shape),
    )  # fmt: skip
    return made.images * 2 - 1


KINDS: list[dict[str, Any]] = [
    {"prediction_type": "v_prediction"},
    {"prediction_type": "sample"},
    {"prediction_type": "epsilon", "rescale_betas_zero_snr": False, "timestep_spacing": "leading"},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["prediction_type"])
def test_a_tiny_model_draws_what_diffusers_draws(kind: dict[str, Any], tmp_path: Path) -> None:
    tiny = load(str(write_tiny(tmp_path / "tiny", **kind)), device="cpu", dtype=torch.float32)
    recipe = Recipe(
        prompt="a cat", negative="dog", sampler="ddim", steps=10, guidance=5, seed=7, count=2, **SMALL
    )
    ours, _ = tell(recipe, tiny)
    assert ours.std() > 0.05
    assert psnr(ours, diffusers_draws(tiny, recipe)) > 60


@pytest.mark.skipif(not (STARTER / "model_index.json").exists(), reason="the starter is not trained yet")
def test_the_starter_draws_what_diffusers_draws() -> None:
    parts = load("starter", device="cpu", dtype=torch.float32)
    recipe = Recipe(prompt="a red apple on a blue background", sampler="ddim", steps=12, guidance=3, seed=1)
    recipe = recipe.model_copy(update={"width": parts.native_size[0], "height": parts.native_size[1]})
    assert psnr(tell(recipe, parts)[0], diffusers_draws(parts, recipe)) >= 40


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_picture_k_of_a_batch_is_the_recipe_of_seed_plus_k(sampler: str, tiny: Parts) -> None:
    """To 60 dB: in a larger batch the network's sums may run in another order, nothing else differs."""
    recipe = Recipe(prompt="a cat", sampler=sampler, steps=5, seed=11, count=3, **SMALL)
    together, _ = tell(recipe, tiny)
    for k, one in enumerate(recipe.each()):
        assert psnr(together[[k]], tell(one, tiny)[0]) > 60
    assert psnr(together[[0]], together[[1]]) < 40


def test_with_a_brownian_path_more_steps_refine_the_same_picture(tiny: Parts) -> None:
    def change(noise: str) -> float:
        pictures = [
            tell(Recipe(sampler="euler-a", steps=n, noise=noise, seed=2, guidance=1, **SMALL), tiny)[0]
            for n in (16, 32)
        ]
        return (pictures[1] - pictures[0]).square().mean().sqrt().item()

    assert change("brownian") < 0.5 * change("fresh")


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [*((sampler, "karras") for sampler in SAMPLERS), *(("dpmpp-2m", schedule) for schedule in SCHEDULES)],
)
def test_every_sampler_and_every_schedule_works_with_every_schedule_from_pure_noise(
    sampler: str, schedule: str, steps: int, tiny: Parts
) -> None:
    pixels, requests = tell(Recipe(sampler=sampler, schedule=schedule, steps=steps, **SMALL), tiny)
    assert pixels.isfinite().all()
    assert pixels.std() > 0.01
    (latents,) = [r.latents for r in requests if isinstance(r, Decode)]
    assert latents.isfinite().all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_asked_for_and_in_which_order(sampler: str, tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat", negative="dog", sampler=sampler, steps=4, count=2, **SMALL)
    _, requests = tell(recipe, tiny)
    assert requests[0] == EncodeText((("a cat",), ("dog",)))
    assert isinstance(requests[-1], Decode)
    steps = [r for r in requests if isinstance(r, Step)]
    assert [(step.index, step.of) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(step.x0.shape == (2, 4, 8, 8) for step in steps)
    calls = [r for r in requests if isinstance(r, tuple)]
    levels = SCHEDULES[recipe.schedule](tiny.table, 4)
    if not SAMPLERS[sampler].alone:  # else as often as the picture needs
        assert len(calls) == evaluations(SAMPLERS[sampler], levels)
    elsewhere = ("pndm", "res-3m", "restart")  # these ask more in their first steps, or go back
    if not SAMPLERS[sampler].alone and sampler not in elsewhere:
        assert len(calls) == 2 + 2 * SAMPLERS[sampler].evaluations  # one at pure noise, one before none
    assert all(len(branches) % 2 == 0 and branches[0].x is branches[1].x for branches in calls)
    assert not torch.equal(calls[0][0].context.hidden, calls[0][1].context.hidden)


def test_guidance_one_asks_the_prompt_alone(tiny: Parts) -> None:
    plain, requests = tell(Recipe(prompt="a cat", negative="dog", guidance=1, steps=3, **SMALL), tiny)
    assert all(len(r) == 1 for r in requests if isinstance(r, tuple))
    other, _ = tell(Recipe(prompt="a cat", negative="ox", guidance=1, steps=3, **SMALL), tiny)
    assert torch.equal(plain, other)


def test_prompt_negative_seed_and_rescale_each_change_the_picture(tiny: Parts) -> None:
    base = Recipe(prompt="a cat", steps=3, **SMALL)
    first, _ = tell(base, tiny)
    assert torch.equal(first, tell(base, tiny)[0])
    for change in ({"prompt": "dog"}, {"negative": "dog"}, {"seed": 1}, {"rescale": 0.7}, {"guidance": 9.0}):
        assert not torch.equal(first, tell(base.model_copy(update=change), tiny)[0]), change


def test_the_eta_of_a_recipe_reaches_its_sampler(tiny: Parts) -> None:
    def drawn(sampler: str, eta: float | None = None) -> Tensor:
        recipe = Recipe(sampler=sampler, eta=eta, steps=4, seed=3, **SMALL)
        return tell(recipe, tiny)[0]

    assert torch.equal(drawn("ddim"), drawn("ddim", 0))
    torch.testing.assert_close(drawn("ddim", 1), drawn("ddpm"))
    torch.testing.assert_close(drawn("ddim", 0.5), drawn("euler-a", 0.5))
    assert (drawn("ddim", 0.5) - drawn("ddim")).abs().mean() > 0.01


def test_draw_gives_rgb_images_of_the_asked_size(tiny: Parts) -> None:
    made = draw(Recipe(prompt="a cat", steps=2, count=2, width=96, height=64), tiny)
    assert [(image.mode, image.size) for image in made] == [("RGB", (96, 64))] * 2


def test_pixels_become_bytes_by_rounding() -> None:
    row = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).expand(1, 3, 1, 5)
    assert np.asarray(to_images(row)[0])[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_a_prompt_of_too_many_chunks_is_refused_before_anything_runs(tiny: Parts) -> None:
    long = Recipe(prompt="x" * 1201, **SMALL)
    with pytest.raises(RecipeError, match="Prompt: got 1201 words and word pieces; allowed: 1200"):
        text_to_image(long, tiny)
    with pytest.raises(RecipeError, match="Negative prompt: got 1201"):
        check(Recipe(negative="x" * 1201, **SMALL), tiny)
    check(Recipe(prompt="x" * 1200, **SMALL), tiny)


def test_more_steps_than_the_model_has_levels_are_refused(tiny: Parts) -> None:
    table = replace(tiny.table, levels=tiny.levels[::100])
    short = replace(tiny, parametrisation=replace(tiny.parametrisation, table=table))
    with pytest.raises(RecipeError, match="Steps: got 20; allowed: from 1 to 10 steps"):
        check(Recipe(steps=20, **SMALL), short)


def test_a_resolved_recipe_draws_the_same_whatever_its_schedule_is_called(tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat", steps=3, schedule="karras", width=64, height=64)
    [picture] = draw(recipe, tiny)
    kept = Recipe.from_json(resolved(recipe, tiny).to_json())
    renamed = kept.model_copy(
        update={"schedule": "exponential"}
    )  # as if the name had come to mean another one
    assert draw(renamed, tiny)[0].tobytes() == picture.tobytes()
    assert draw(recipe.model_copy(update={"schedule": "exponential"}), tiny)[0].tobytes() != picture.tobytes()


def test_typed_sigmas_take_the_place_of_the_schedule(tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat", steps=3, width=64, height=64)
    levels = resolved(recipe, tiny).levels
    assert levels is not None
    sigmas = ", ".join(repr(sigma / alpha) if alpha else "inf" for alpha, sigma in levels)
    [typed] = draw(recipe.model_copy(update={"sigmas": sigmas, "schedule": "karras"}), tiny)
    drawn = draw(recipe, tiny)[0]
    assert np.abs(np.int16(typed) - np.int16(drawn)).max() <= 1


@pytest.mark.parametrize("mode", ["P", "1", "CMYK", "I;16", "LA", "F", "YCbCr"])
def test_a_picture_of_a_mode_that_would_be_misread_is_refused(mode: str, tiny: Parts) -> None:
    """Before anything is drawn; the message names the picture, its mode and those that are allowed."""
    picture = Image.new(mode, (64, 64))
    edit = Recipe(edit=Edit(picture="1" * 64, mask="2" * 64), steps=2, **SMALL)
    good = Image.new("RGB", (64, 64))
    with pytest.raises(
        RecipeError, match=f"^Edit, Init picture: got a picture of mode '{mode}'; allowed: .*RGB, RGBA.$"
    ):
        draw(edit, tiny, pictures={"1" * 64: picture, "2" * 64: good})
    with pytest.raises(
        RecipeError, match=f"^Edit, Mask: got a picture of mode '{mode}'; allowed: .*RGB, RGBA, L.$"
    ):
        draw(edit, tiny, pictures={"1" * 64: good, "2" * 64: picture})
    control = Recipe(controls=(Control(net="x", picture="1" * 64),))
    with pytest.raises(RecipeError, match="^ControlNet 1, Picture: got a picture of mode"):
        check_pictures(control, {"1" * 64: picture})


def test_what_is_no_picture_is_refused_and_what_is_missing_is_told_by_who_wants_it(tiny: Parts) -> None:
    upscale = Recipe(upscale=Upscale(picture="1" * 64))
    with pytest.raises(
        RecipeError, match="^Upscale, Picture: got a str; allowed: a picture of mode RGB, RGBA."
    ):
        draw(upscale, tiny, pictures={"1" * 64: "photo.png"})  # pyright: ignore[reportArgumentType]
    with pytest.raises(RecipeError, match="^Upscale, Picture: got a picture of mode 'L'"):
        draw(upscale, tiny, pictures={"1" * 64: Image.new("L", (8, 8))})
    with pytest.raises(RecipeError, match="^Upscale: got 111111111111…, which is not here"):
        draw(upscale, tiny)
    edit = Recipe(edit=Edit(picture="1" * 64))
    assert {label for recipe in (upscale, edit) for label, _ in recipe.pictures()} == set(COLOURED)
