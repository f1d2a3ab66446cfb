"""Edits in the engine: beside other pictures, from pictures that the gallery keeps, encoded once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Engine
from gallery import Gallery, read_recipe
from models import Parts
from pipelines import Recipe, draw
from pipelines.edit import Edit
from tests.engine.conftest import Network


def a_picture(channels: int = 3) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, channels), dtype=np.uint8))


def a_mask() -> Image.Image:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 16, 40, 50))
    return mask


def test_edits_share_calls_with_others_and_rerun_from_their_files(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    gallery = Gallery(tmp_path)
    picture, mask = gallery.inputs.add(a_picture(4)), gallery.inputs.add(a_mask())
    edit = Edit(picture=picture, mask=mask, strength=0.5, feather=4)
    encoded: list[int] = []
    hook = tiny.vae.encoder.register_forward_hook(lambda module, args, out: encoded.append(len(args[0])))
    recipes = [a_recipe(seed=3), a_recipe(seed=4, count=3, edit=edit), a_recipe(steps=6, edit=edit)]
    try:
        engine = Engine(lambda name: tiny, gallery, rows=16)
        jobs = [engine.submit(recipe) for recipe in recipes]
        with engine:
            made = [job.result(120) for job in jobs]
    finally:
        hook.remove()
    assert max(network.calls) == 10 and encoded == [1]  # 5 pictures under two texts; one encoding
    for recipe, entries in zip(recipes, made, strict=True):
        for single, entry in zip(recipe.each(), entries, strict=True):
            [alone] = draw(single, tiny, pictures=gallery.inputs)
            with Image.open(entry.path) as kept:
                assert kept.mode == alone.mode and np.abs(np.int16(kept) - np.int16(alone)).max() <= 1
    again = read_recipe(made[1][1].path)
    assert again.edit == edit and again.steps == 4
    [rerun] = draw(again, tiny, pictures=gallery.inputs)
    with Image.open(made[1][1].path) as kept:
        assert np.abs(np.int16(kept) - np.int16(rerun)).max() <= 1
    gallery.close()


def test_strength_0_and_progress(tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    edit = Edit(picture=gallery.inputs.add(a_picture()), strength=0.0)
    with Engine(lambda name: tiny, gallery) as engine:
        [entry] = engine.submit(a_recipe(edit=edit)).result(60)
        job = engine.submit(a_recipe(edit=edit.model_copy(update={"strength": 0.5})))
        steps = {(event.step, event.of) for event in job.events() if hasattr(event, "of")}
    with Image.open(entry.path) as kept:
        assert kept.tobytes() == a_picture().tobytes()
    assert {of for _, of in steps} == {2}
    gallery.close()


@pytest.mark.parametrize("broken", ["absent", "changed"])
def test_a_picture_that_is_gone_names_its_field(
    broken: str, tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    gallery = Gallery(tmp_path)
    name = gallery.inputs.add(a_picture())
    [file] = (tmp_path / "inputs").rglob("*.png")
    file.unlink() if broken == "absent" else a_mask().save(file)
    said = {"absent": "not here", "changed": "was changed"}[broken]
    with (
        Engine(lambda name: tiny, gallery) as engine,
        pytest.raises((RuntimeError, ValueError), match=f"Init picture: .*{said}"),
    ):
        engine.submit(a_recipe(edit=Edit(picture=name))).result(60)
    gallery.close()
