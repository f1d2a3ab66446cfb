"""The Lab, in a real browser: a tiny model is trained, found again in mid-training, compared, and drawn
with."""

import os
import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e
WAIT = 600_000  # milliseconds


def ask(page: Page, family: str, minutes: str) -> None:
    """Choose one family only, and press Train."""
    page.get_by_role("tab", name="Lab").click()
    uncheck(page)
    page.get_by_label(family, exact=True).check()
    page.locator("#lab-minutes input").fill(minutes)
    page.click("#lab-train")


def uncheck(page: Page) -> None:
    """Choose no family."""
    for box in page.locator("#lab-ask input[type=checkbox]").all():
        box.uncheck()


def shoot(page: Page, name: str) -> None:
    if folder := os.environ.get("ATELIER_SHOTS"):
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(1500)
            page.screenshot(path=f"{folder}/lab-{name}-{width}.png", full_page=True)
        page.set_viewport_size({"width": 1440, "height": 900})


def test_a_model_is_trained_found_again_and_drawn_with(page: Page) -> None:
    ask(page, "VAE", "0.1")
    expect(page.locator(".trial.busy")).to_contain_text("Training:", timeout=WAIT)
    page.reload()
    page.get_by_role("tab", name="Lab").click()
    expect(page.locator(".trial")).to_contain_text("VAE")
    expect(page.locator("#lab-stop")).to_be_visible()
    expect(page.locator("#lab-minutes input")).to_have_value("0.1")
    expect(page.locator(".trial svg.curve")).to_be_visible(timeout=WAIT)
    shoot(page, "training")
    expect(page.locator("#lab-comparison")).to_contain_text("Against the baselines", timeout=WAIT)
    expect(page.locator(".trial.done")).to_have_count(1)
    page.locator("#lab-count input").fill("3")
    page.click("#lab-draw")
    expect(page.locator("#lab-drawn img")).to_be_visible(timeout=WAIT)
    with page.expect_download() as saved:
        page.locator("#lab-export").click()
    text = saved.value.path().read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "Film strip of VAE" in text
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    shoot(page, "compared")


def test_training_stops_and_goes_on(page: Page) -> None:
    ask(page, "VAE", "30")
    expect(page.locator(".trial.busy")).to_contain_text("Training:", timeout=WAIT)
    page.click("#lab-stop")
    expect(page.locator(".trial")).to_contain_text("Stopped", timeout=WAIT)
    page.click("#lab-go-on")
    expect(page.locator(".trial.busy")).to_contain_text(re.compile("Training: [1-9]"), timeout=WAIT)
    page.click("#lab-stop")
    expect(page.locator("#lab-train")).to_be_visible(timeout=WAIT)


def test_what_may_not_be_is_said(page: Page) -> None:
    page.get_by_role("tab", name="Lab").click()
    uncheck(page)
    page.click("#lab-train")
    expect(page.locator("#lab-notice")).to_contain_text("Families: got none")
