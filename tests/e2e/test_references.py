"""A picture is dropped on Create, its middle is seen, and a drawing takes after it."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from gallery import read_recipe
from tests.e2e.studio import STARTER, running
from tests.tiny import write_image_encoder, write_ip_adapter

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("width", [1440, 390])
def test_a_picture_is_taken_after(browser: Browser, tmp_path: Path, width: int) -> None:
    write_ip_adapter(tmp_path / "ip-adapters" / "plus.safetensors", STARTER, fine=True)
    Image.radial_gradient("L").resize((256, 192)).save(tmp_path / "photo.png")
    with running(tmp_path) as studio:
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        page.goto(studio.url)
        page.locator("#generate").wait_for()
        page.get_by_role("button", name="Reference pictures").click()
        page.locator("#reference-file input[type=file]").set_input_files(tmp_path / "photo.png")
        seen = page.locator("#reference-name").locator("textarea, input")
        expect(seen).to_have_value(re.compile("[0-9a-f]{64}"))
        expect(page.locator("#reference-made img")).to_be_visible()
        page.locator("#reference-reader input").click()
        page.get_by_role("option", name="plus").click()
        page.locator("#reference-weight input[type=number]").fill("0.6")
        page.locator("#add-reference").click()
        expect(page.locator("#references-list")).to_contain_text("plus, weight 0.6")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        page.locator("#field-steps input[type=number]").fill("2")
        page.locator("#generate").click()  # without the image encoder
        expect(page.get_by_text("Reference 1: IP-Adapter 'plus' sees pictures by").first).to_be_visible()
        write_image_encoder(tmp_path / "image-encoders" / "clip")
        page.locator("#generate").click()
        expect(page.locator("#caption")).to_contain_text(re.compile("Seed [0-9]+"))
        page.reload()
        page.get_by_role("button", name="Reference pictures").click()
        expect(page.locator("#references-list")).to_contain_text("plus, weight 0.6")
        context.close()
        [file] = (tmp_path / "gallery" / "pictures").rglob("*.png")
        [reference] = read_recipe(file).references
        assert (reference.adapter, reference.weight) == ("plus", 0.6)
        assert [f.stem for f in (tmp_path / "gallery" / "inputs").rglob("*.png")] == [reference.picture]
