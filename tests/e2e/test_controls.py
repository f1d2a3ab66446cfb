"""A picture is dropped on Create, its edges are seen, and the starter's own ControlNet follows them."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, expect

from gallery import read_recipe
from tests.e2e.studio import running

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("width", [1440, 390])
def test_a_picture_is_followed(browser: Browser, tmp_path: Path, width: int) -> None:
    picture = Image.new("RGB", (256, 192), "navy")
    ImageDraw.Draw(picture).ellipse((60, 30, 180, 150), fill="white")
    picture.save(tmp_path / "photo.png")
    with running(tmp_path) as studio:
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        page.goto(studio.url)
        page.locator("#generate").wait_for()
        page.get_by_role("button", name="ControlNets").click()
        page.locator("#control-file input[type=file]").set_input_files(tmp_path / "photo.png")
        seen = page.locator("#control-name").locator("textarea, input")
        expect(seen).to_have_value(re.compile("[0-9a-f]{64}"))
        photo = seen.input_value()
        page.locator("#preprocessor input").click()
        page.get_by_role("option", name="Canny").click()
        expect(seen).not_to_have_value(photo)
        expect(seen).to_have_value(re.compile("[0-9a-f]{64}"))
        expect(page.locator("#control-made img")).to_be_visible()
        page.locator("#control-reader input").click()
        page.get_by_role("option", name="edges").click()
        page.locator("#add-control").click()
        expect(page.locator("#controls-list")).to_contain_text("edges, weight 1")
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0
        page.locator("#field-steps input[type=number]").fill("2")
        page.locator("#generate").click()
        expect(page.locator("#caption")).to_contain_text(re.compile("Seed [0-9]+"))
        page.reload()
        page.get_by_role("button", name="ControlNets").click()
        expect(page.locator("#controls-list")).to_contain_text("edges, weight 1")
        context.close()
        [file] = (tmp_path / "gallery" / "pictures").rglob("*.png")
        [control] = read_recipe(file).controls
        assert control.net == "edges" and len(json.dumps(control.model_dump())) < 1000
        [kept] = [f for f in (tmp_path / "gallery" / "inputs").rglob("*.png") if f.stem == control.picture]
        with Image.open(kept) as edges:
            assert set(edges.convert("L").get_flattened_data()) == {0, 255}  # the edges, not the photograph


@pytest.mark.parametrize("width", [1440, 390])
def test_an_edit_follows_a_picture_and_runs_again(browser: Browser, tmp_path: Path, width: int) -> None:
    edges = Image.new("L", (128, 128))
    ImageDraw.Draw(edges).ellipse((30, 30, 98, 98), outline="white", width=2)
    edges.save(tmp_path / "edges.png")
    Image.radial_gradient("L").resize((128, 128)).convert("RGB").save(tmp_path / "photo.png")
    with running(tmp_path) as studio:
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(studio.url)
        page.locator("#generate").wait_for()
        page.get_by_role("tab", name="Edit").click()
        page.locator("#edit .view").wait_for()
        page.locator("#edit-file input[type=file]").set_input_files(tmp_path / "photo.png")
        expect(page.locator("#edit .sheet canvas")).to_be_visible()
        panel = page.locator("#edit-controls")
        panel.get_by_role("button", name="ControlNets").click()
        panel.locator("#edit-control-file input[type=file]").set_input_files(tmp_path / "edges.png")
        seen = page.locator("#edit-control-name").locator("textarea, input")
        expect(seen).to_have_value(re.compile("[0-9a-f]{64}"))
        expect(page.locator("#edit-control-made img")).to_be_visible()
        panel.locator("#edit-control-reader input").click()
        page.get_by_role("option", name="edges").click()
        panel.locator("#edit-add-control").click()
        listed = page.locator("#edit-controls-list")
        expect(listed).to_contain_text("edges, weight 1")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        page.locator("#edit-field-steps input[type=number]").fill("2")
        page.locator("#edit-generate").click()
        expect(page.locator("#edit-caption")).to_contain_text(re.compile("Seed [0-9]+"))
        page.reload()
        page.get_by_role("tab", name="Edit").click()
        panel.get_by_role("button", name="ControlNets").click()
        expect(listed).to_contain_text("edges, weight 1")
        panel.locator("#edit-clear-controls").click()
        expect(listed).not_to_contain_text("edges")
        page.get_by_role("tab", name="Gallery").click()
        page.locator("#grid button").first.click()
        page.locator("#rerun").click()
        expect(listed).to_contain_text("edges, weight 1")
        context.close()
        [file] = (tmp_path / "gallery" / "pictures").rglob("*.png")
        recipe = read_recipe(file)
        [control] = recipe.controls
        assert recipe.edit is not None and control.net == "edges" and control.picture != recipe.edit.picture
