"""A picture is enlarged on the page, and what was made is again; a large picture keeps nobody waiting."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from gallery import read_recipe
from tests.e2e.conftest import is_ours
from tests.e2e.studio import Studio, running
from tests.pipelines.test_upscaling import write_esrgan

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with an upscaler."""
    home = tmp_path_factory.mktemp("studio")
    write_esrgan(home / "upscalers" / "sharp.safetensors")
    with running(home) as studio:
        yield studio


@pytest.fixture(params=[1440, 390])
def at(own: Studio, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page as wide as that, of a new visitor, at Edit."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    context.on("request", lambda r: None if is_ours(r.url) else faults.append(f"foreign: {r.url}"))
    page.goto(own.url)
    page.locator("#generate").wait_for()
    page.get_by_role("tab", name="Edit").click()
    page.locator("#edit .view").wait_for()
    yield page
    context.close()
    assert not faults


def open_picture(page: Page, file: Path) -> None:
    page.locator("#edit-file input[type=file]").set_input_files(file)
    expect(page.locator("#edit .sheet canvas")).to_be_visible()


def test_a_picture_is_enlarged_and_its_result_again(at: Page, own: Studio, tmp_path: Path) -> None:
    page, before = at, own.pictures()
    Image.effect_noise((48, 32), 90).convert("RGB").save(tmp_path / "photo.png")
    open_picture(page, tmp_path / "photo.png")
    page.locator("#edit-upscale").get_by_role("button", name="Upscale").first.click()
    page.locator("#upscale-scale input").fill("3")
    page.click("#upscale-go")
    caption = page.locator("#edit-caption")
    expect(caption).to_contain_text("Upscaled · 48 × 32 → 144 × 96 · Lanczos · 3 times")
    expect(page.locator("#edit-compare .was")).to_be_visible()  # beside what it was
    if folder := os.environ.get("ATELIER_SHOTS"):
        page.screenshot(path=f"{folder}/upscale-{page.evaluate('window.innerWidth')}.png", full_page=True)
    page.locator("#edit-upscale").get_by_role("button", name="Upscale").first.click()
    expect(page.locator("#upscale-go")).to_be_hidden()
    page.click("#edit-to-upscale")
    expect(page.locator("#upscale-go")).to_be_visible()
    expect(page.locator("#easel .said")).to_contain_text("144 × 96")
    page.locator("#upscale-by input").click()
    page.get_by_role("option", name="sharp").click()
    page.locator("#upscale-scale input").fill("2")
    page.click("#upscale-go")
    expect(caption).to_contain_text("Upscaled · 144 × 96 → 288 × 192 · sharp · 2 times")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    made = [read_recipe(file) for file in sorted((own.home / "gallery" / "pictures").rglob("*.png"))
            if file.stem not in before]  # fmt: skip
    assert {recipe.upscale and recipe.upscale.upscaler for recipe in made} == {"lanczos", "sharp"}
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#grid button.thumbnail-item").nth(1).click()  # the first
    expect(page.locator("#reuse")).to_be_hidden()  # of a photograph nothing is known
    if folder:
        page.screenshot(path=f"{folder}/upscaled-{page.evaluate('window.innerWidth')}.png", full_page=True)
    page.get_by_role("button", name="Re-run this upscale").click()
    expect(page.locator("#upscale-scale input")).to_have_value("3")
    expect(page.locator("#easel .said")).to_contain_text("48 × 32")


def test_what_cannot_be_enlarged_says_why(own: Studio, browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(own.url)
    page.get_by_role("tab", name="Edit").click()
    page.locator("#edit .view").wait_for()
    page.locator("#edit-upscale").get_by_role("button", name="Upscale").first.click()
    page.click("#upscale-go")
    notice = page.locator("#edit-notice")
    expect(notice).to_contain_text("Init picture: got none; allowed: PNG, JPEG or WebP.")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    open_picture(page, tmp_path / "photo.png")
    page.locator("#upscale-scale input").fill("9")
    page.click("#upscale-go")
    expect(notice).to_contain_text("Upscale, Scale: got 9.0; allowed: a number from 1 to 8.")
    page.close()


def test_a_large_picture_keeps_the_page_answering(own: Studio, browser: Browser, tmp_path: Path) -> None:
    """12 megapixels are opened and drawn over while somebody else asks for the page's settings."""
    values = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(values).resize((4000, 3000), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg")
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(own.url)
    page.get_by_role("tab", name="Edit").click()
    page.locator("#edit .view").wait_for()
    waited: list[float] = []
    ended = Event()

    def ask() -> None:
        while not ended.wait(0.1):
            began = time.monotonic()
            with urlopen(own.url + "/gradio_api/startup-events", timeout=60) as answer:
                answer.read()
            waited.append(time.monotonic() - began)

    asking = Thread(target=ask)
    asking.start()
    try:
        open_picture(page, tmp_path / "large.jpg")
        page.locator("#edit-field-steps input[type=number]").fill("2")
        page.click("#edit-generate")
        expect(page.locator("#edit-caption")).to_contain_text(
            re.compile("Seed [0-9]+ · 128 × 128 → 4000 × 3000")
        )
    finally:
        ended.set()
        asking.join()
        page.close()
    print(f"{len(waited)} answers, the slowest after {max(waited):.2f} s")
    assert len(waited) > 10 and max(waited) < 3
