"""The LoRAs that come with the starter, on Create of a fresh studio."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.studio import Studio
from tests.e2e.test_create import box, draw, shown_file, shown_recipe, until

pytestmark = pytest.mark.e2e


def test_a_style_and_a_lora_are_chosen_and_drawn_with(page: Page, studio: Studio) -> None:
    draw(page, "a fox", steps=2, seed=7)
    before = shown_file(page)
    page.get_by_role("button", name="Styles and LoRAs").click()
    page.locator("#style input").click()
    page.get_by_role("option", name="Neon").click()
    page.click("#apply-style")
    expect(box(page, "prompt")).to_have_value("a fox, neon")
    box(page, "prompt").fill("a fox")
    page.locator("#lora input").click()
    page.get_by_role("option", name="sepia").click()
    page.locator("#lora-weight input[type=number]").fill("0.7")
    page.locator("#lora-until input").fill("50")
    page.click("#add-lora")
    asked = "a fox [<lora:sepia:0.7>::0.5]"
    expect(box(page, "prompt")).to_have_value(asked)
    page.reload()
    expect(box(page, "prompt")).to_have_value(asked)  # it was kept
    page.click("#generate")
    until(lambda: shown_file(page) not in (None, before))
    recipe = shown_recipe(page)
    assert recipe.prompt == asked and recipe.seed == 7
    plain, styled = (
        np.asarray(Image.open(file), float)
        for file in sorted((studio.home / "gallery" / "pictures").rglob("*.png"), key=when)[-2:]
    )
    assert np.abs(plain - styled).mean() > 1  # of 255: the same seed, another picture


def when(file: Path) -> float:
    return file.stat().st_mtime
