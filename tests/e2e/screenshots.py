"""Takes the pictures of the page in docs/images: ``make screenshots``. Draws with the starter, for real."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.studio import ROOT, STARTER, chromium, open_browser, running

IMAGES = ROOT / "docs" / "images"
PROMPTS = (
    "a fox, pencil sketch",
    "a sailboat at sea",
    "a guitar, neon",
    "an owl, pixel art",
    "two penguins, watercolour",
    "a banana left of a pear",
    "a rocket in a starry night",
    "a cat on the grass",
    "three red apples on a blue background",
)
WAIT = 600_000  # milliseconds


def main() -> None:
    path = chromium()
    if path is None or not STARTER.is_dir():
        raise SystemExit("Screenshots need Chromium and the starter model (models/starter).")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder)) as studio,
        sync_playwright() as playwright,
    ):
        browser = open_browser(playwright, path)
        for width, height, scheme in ((1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light")):
            shoot(browser, studio.url, width, height, scheme)
        browser.close()


def shoot(browser: Browser, url: str, width: int, height: int, scheme: str) -> None:
    """Create with its newest picture, and Gallery with one opened. Draws PROMPTS first in light 1440."""
    first = (width, scheme) == (1440, "light")
    name = f"{width}" if scheme == "light" else f"{width}-{scheme}"
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # pyright: ignore
    page.goto(url)
    page.locator("#generate").wait_for()
    for prompt in PROMPTS if first else PROMPTS[-1:]:
        draw(page, prompt)
    page.mouse.move(0, 0)
    page.wait_for_timeout(800)
    page.screenshot(path=IMAGES / f"create-{name}.png", full_page=width < 1000)
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#grid button.thumbnail-item").first.click()
    expect(page.locator("#recipe")).to_be_visible()
    page.mouse.move(0, 0)
    page.wait_for_timeout(1200)
    page.screenshot(path=IMAGES / f"gallery-{name}.png")
    page.close()


def draw(page: Page, prompt: str) -> None:
    page.locator("#field-prompt textarea").fill(prompt)
    page.locator("#field-count input[type=number]").fill("4")
    page.click("#generate")
    page.locator("#interrupt").wait_for(timeout=WAIT)
    page.locator("#generate").wait_for(timeout=WAIT)
    expect(page.locator("#results")).to_be_visible()


if __name__ == "__main__":
    main()
