"""Hires fix is switched on, drawn with, found after a reload and restored from the picture that it made."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from gallery import read_recipe
from tests.e2e.studio import Studio

pytestmark = pytest.mark.e2e


def opened(page: Page) -> None:
    page.locator("#generate").wait_for()
    page.get_by_role("button", name="Hires fix, variation, tiles").click()
    page.locator("#hires-on input").wait_for()


def typed(page: Page, box: str, value: str) -> None:
    page.locator(f"#{box} input[type=number]").fill(value)


def sideways(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.mark.parametrize("width", [1440, 390])
def test_a_picture_is_drawn_twice(browser: Browser, studio: Studio, width: int) -> None:
    before = studio.pictures()
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(studio.url)
    opened(page)
    expect(page.locator("#hires-scale")).to_be_hidden()  # off
    page.locator("#hires-on input").check()
    expect(page.locator("#hires-scale")).to_be_visible()
    expect(page.locator("#variation-seed")).to_be_hidden()
    assert sideways(page) <= 0
    for box, value in (("field-steps", "4"), ("field-width", "128"), ("field-height", "128")):
        typed(page, box, value)
    typed(page, "hires-scale", "9")
    page.locator("#generate").click()
    expect(page.get_by_role("alert")).to_contain_text("Hires fix, Hires scale: got 9; allowed: a number from")
    typed(page, "hires-scale", "2")
    typed(page, "hires-strength", "0.5")
    page.locator("#generate").click()
    expect(page.locator("#caption")).to_contain_text(re.compile("Seed [0-9]+ · 128 × 128 → 256 × 256"))
    [name] = studio.pictures() - before
    [file] = (studio.home / "gallery" / "pictures").glob(f"*/{name}.png")
    with Image.open(file) as image:
        assert image.size == (256, 256)
    hires = read_recipe(file).hires
    assert hires is not None and (hires.scale, hires.strength) == (2.0, 0.5)
    page.reload()
    opened(page)
    expect(page.locator("#hires-on input")).to_be_checked()
    expect(page.locator("#hires-strength input[type=number]")).to_have_value("0.5")
    restored(page, file)
    in_gallery(page)
    context.close()


def restored(page: Page, file: Path) -> None:
    """Switched off and changed, the settings come back with the picture."""
    typed(page, "hires-strength", "0.9")
    page.locator("#hires-on input").uncheck()
    page.locator("#restore input[type=file]").set_input_files(file)
    expect(page.locator("#notice")).to_contain_text("All settings were restored.")
    expect(page.locator("#hires-on input")).to_be_checked()
    expect(page.locator("#hires-strength input[type=number]")).to_have_value("0.5")
    expect(page.locator("#variation-on input")).not_to_be_checked()


def in_gallery(page: Page) -> None:
    """The same by the gallery's re-use, of its newest picture."""
    page.locator("#hires-on input").uncheck()
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#grid button.thumbnail-item").first.click()
    page.get_by_role("button", name="Re-use").click()
    expect(page.locator("#hires-on input")).to_be_checked()
    assert sideways(page) <= 0
