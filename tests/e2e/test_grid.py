"""Grid, in a real browser: drawn from Create's settings, labelled, stopped, and a cell used again."""

import os
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.studio import Studio
from tests.e2e.test_create import box, fill, until, value

pytestmark = pytest.mark.e2e
WAIT = 300_000  # milliseconds


def ask(page: Page, **sides: tuple[str, str]) -> None:
    """Choose what each side is and its values; the others are none."""
    page.get_by_role("tab", name="Grid").click()
    for side in ("x", "y", "z"):
        field, values = sides.get(side, ("None", ""))
        menu = page.locator(f"#grid-{side} input")
        menu.click()
        menu.fill(field)
        page.locator(f"#grid-{side}").get_by_role("option", name=field, exact=True).click()
        page.locator(f"#grid-{side}-values").locator("input, textarea").first.fill(values)


@pytest.mark.parametrize("width", [1440, 390])
def test_a_grid_is_drawn_and_a_cell_used_again(page: Page, studio: Studio, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    fill(page, prompt="a grid of zebras", seed=21)
    before = studio.pictures()
    ask(page, x=("Steps", "1, 2"), y=("Search and replace", "zebras, owls"))
    page.click("#grid-draw")
    expect(page.locator("#grid-said")).to_contain_text("4 of 4 pictures. Each", timeout=WAIT)
    assert len(studio.pictures() - before) == 4
    expect(page.locator("#grid-sheet img")).to_be_visible()
    labels = page.locator("#grid-cells img").evaluate_all("cells => cells.length")
    assert labels == 4
    if folder := os.environ.get("ATELIER_SHOTS"):
        page.screenshot(path=f"{folder}/grid-{width}.png", full_page=True)
    page.locator("#grid-cells button.thumbnail-item").nth(3).click()
    expect(page.locator("#grid-about")).to_contain_text("a grid of owls")
    page.click("#grid-use")
    expect(box(page, "prompt")).to_have_value("a grid of owls")
    assert (value(page, "steps"), value(page, "seed")) == ("2", "21")
    page.reload()  # the last sheet is still there
    page.locator("#generate").wait_for()
    page.get_by_role("tab", name="Grid").click()
    expect(page.locator("#grid-said")).to_contain_text("4 of 4 pictures. Each", timeout=WAIT)
    expect(page.locator("#grid-sheet img")).to_be_visible()


def test_the_strength_of_an_edit_is_varied_and_a_cell_goes_back_to_edit(
    page: Page, studio: Studio, tmp_path: Path
) -> None:
    Image.effect_noise((64, 64), 90).convert("RGB").save(tmp_path / "photo.png")
    page.get_by_role("tab", name="Edit").click()
    page.locator("#edit .view").wait_for()
    page.locator("#edit-file input[type=file]").set_input_files(tmp_path / "photo.png")
    expect(page.locator("#edit .sheet canvas")).to_be_visible()
    page.locator("#edit-field-prompt textarea").fill("an edited grid")
    ask(page, x=("Edit strength", "0.25, 0.5"))
    page.click("#grid-draw")
    expect(page.locator("#grid-said")).to_contain_text("Edit strength: got settings without Edit")
    page.locator("#grid-of").get_by_label("Edit").check()
    page.click("#grid-draw")
    expect(page.locator("#grid-said")).to_contain_text("2 of 2 pictures. Each", timeout=WAIT)
    if folder := os.environ.get("ATELIER_SHOTS"):
        page.screenshot(path=f"{folder}/grid-edit.png", full_page=True)
    page.locator("#grid-cells button.thumbnail-item").nth(1).click()
    expect(page.locator("#grid-about")).to_contain_text("Strength 0.5")
    expect(page.locator("#grid-use")).to_be_hidden()
    page.locator("#edit-strength input[type=number]").evaluate("box => box.value = '0.9'")
    page.click("#grid-use-edit")
    expect(page.locator("#edit-notice")).to_contain_text("The edit was restored")
    expect(page.locator("#edit-strength input[type=number]")).to_have_value("0.5")


def test_what_may_not_be_is_said_and_draws_nothing(page: Page, studio: Studio) -> None:
    before = studio.pictures()
    ask(page, x=("Steps", "1, many"))
    page.click("#grid-draw")
    expect(page.locator("#grid-said")).to_contain_text("Steps: got 'many'")
    ask(page)
    page.click("#grid-draw")
    expect(page.locator("#grid-said")).to_contain_text("allowed: one to three")
    assert studio.pictures() == before


def test_a_grid_stops(page: Page, studio: Studio) -> None:
    fill(page, prompt="a long grid")
    before = studio.pictures()
    ask(page, x=("Seed", "1-40"), y=("Steps", "40"))
    page.click("#grid-draw")
    until(lambda: page.locator("#grid-stop").is_visible())
    page.click("#grid-stop")
    expect(page.locator("#grid-said")).to_contain_text("of 40 pictures. Each is in the Gallery", timeout=WAIT)
    assert len(studio.pictures() - before) < 40
