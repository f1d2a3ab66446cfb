"""A bundle is saved from the Gallery in a real browser, and dropped on it after the picture was deleted."""

import os
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.studio import Studio
from tests.e2e.test_create import draw, until
from tests.e2e.test_gallery import open_gallery, tiles

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("width", [1440, 390])
def test_a_bundle_goes_and_comes_back(page: Page, studio: Studio, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    prompt = f"an ocelot at {width}"
    draw(page, prompt, steps=1)
    open_gallery(page, prompt)
    until(lambda: tiles(page) == [prompt])
    page.locator("#grid button.thumbnail-item").first.click()
    with page.expect_download() as download:
        page.click("#export-bundle")
    file = studio.home / f"{width}.zip"
    download.value.save_as(file)
    assert download.value.suggested_filename.startswith("atelier-")
    assert "bundle.json" in zipfile.ZipFile(file).namelist()
    if folder := os.environ.get("ATELIER_SHOTS"):
        page.screenshot(path=f"{folder}/bundle-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.click("#delete")
    page.click("#delete-sure")
    until(lambda: tiles(page) == [])
    page.locator("#import input[type=file]").set_input_files(file)
    expect(page.locator("#imported")).to_contain_text("1 picture is in the gallery now.")
    until(lambda: tiles(page) == [prompt])
    page.locator("#import input[type=file]").set_input_files(
        {"name": "bad.zip", "mimeType": "application/zip", "buffer": b"PK\x05\x06" + bytes(18)}
    )
    expect(page.locator("#imported .notice")).to_contain_text("it has no bundle.json")
    if folder:
        page.screenshot(path=f"{folder}/import-{width}.png", full_page=True)
