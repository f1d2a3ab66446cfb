"""The studio under test and a fresh browser context for each test."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.studio import STARTER, Studio, chromium, open_browser, running
from tests.tiny import write_tiny

expect.set_options(timeout=120_000)  # a second on a free machine; tests share theirs


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        missing = "No Chromium: install it (Debian: apt-get install chromium) or set CHROMIUM to its path."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = open_browser(playwright, path)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With the starter where it is; else with a model of random weights, which draws as fast and as real."""
    home = tmp_path_factory.mktemp("studio")
    if not STARTER.is_dir():
        write_tiny(home / "models" / "tiny")
    with running(home) as studio:
        yield studio


@pytest.fixture
def page(studio: Studio, browser: Browser) -> Iterator[Page]:
    """A page of a new visitor. Fails the test on a script error, a request to anywhere else, or an exception
    in the studio."""
    before = (studio.home / "log.txt").stat().st_size
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    context.on("request", lambda r: None if is_ours(r.url) else faults.append(f"foreign: {r.url}"))
    page.goto(studio.url)
    page.locator("#generate").wait_for()
    yield page
    context.close()
    assert not [*faults, *exceptions((studio.home / "log.txt").read_bytes()[before:].decode())]


def exceptions(log: str) -> list[str]:
    """How the tracebacks in ``log`` end, but for what Gradio itself says of a value out of bounds."""
    last = re.findall(r"^Traceback .*\n(?:[ \t].*\n|\n)*(.+)", log, re.MULTILINE)
    return [line for line in last if not line.startswith("gradio.exceptions.Error:")]


def is_ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture that carries a recipe in which every setting differs from the form's defaults."""
    from PIL import Image

    from gallery import save_picture
    from pipelines import Recipe

    recipe = Recipe(
        model="starter", prompt="a restored owl", negative="blur", sampler="ddim", schedule="karras", steps=7,
        guidance=3.5, rescale=0.45, guidance_low=0.1, guidance_high=9.5,
        eta=0.25, width=192, height=64, seed=123456789, count=3,
    )  # fmt: skip
    save_picture(Image.new("RGB", (192, 64), "olive"), recipe, tmp_path / "given.png")
    return tmp_path / "given.png"
