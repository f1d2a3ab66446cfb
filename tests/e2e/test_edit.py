"""Edit, in a real browser: a mask is painted, kept through everything, sent as it was painted, and obeyed."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from pipelines.recipe import Recipe
from tests.e2e.conftest import is_ours
from tests.e2e.studio import Studio
from tests.e2e.test_create import draw, until

pytestmark = pytest.mark.e2e

SIZE = (160, 120)


@pytest.fixture(params=[1440, 390])
def at(studio: Studio, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page as wide as that, of a new visitor, at Edit."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    context.on("request", lambda r: None if is_ours(r.url) else faults.append(f"foreign: {r.url}"))
    page.goto(studio.url)
    page.locator("#generate").wait_for()
    page.get_by_role("tab", name="Edit").click()
    ready(page)
    yield page
    context.close()
    assert not faults


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def ready(page: Page) -> None:
    """Edit is there, and has heard from the studio what to show."""
    page.locator("#edit .view").wait_for()
    expect(page.locator("#edit-generate")).to_have_text("Generate")
    expect(page.locator("#edit-stage")).to_contain_text("What you make of the picture appears here.")
    page.locator("#edit-file input[type=file]").wait_for(state="attached")


def open_picture(page: Page, file: Path) -> None:
    page.locator("#edit-file input[type=file]").set_input_files(file)
    expect(page.locator("#edit .sheet canvas")).to_be_visible()


def stroke(page: Page, *points: tuple[float, float]) -> None:
    """Through points of the picture, in its pixels."""
    page.locator("#edit .view").scroll_into_view_if_needed()
    box = page.locator("#edit .sheet img").bounding_box()
    assert box
    places = [
        (box["x"] + x * box["width"] / SIZE[0], box["y"] + y * box["height"] / SIZE[1]) for x, y in points
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def fill(page: Page, **values: object) -> None:
    for name, value in values.items():
        box = page.locator(f":is(#edit-field-{name}, #edit-{name})")
        box.locator("textarea, input[type=number]").first.fill(str(value))


def generate(page: Page) -> Recipe:
    page.click("#edit-generate")
    source = page.locator("#edit-results .preview img").first
    expect(source).to_be_visible()
    expect(page.locator("#edit-generate")).to_be_visible()
    return made(page)[0]


def made(page: Page) -> tuple[Recipe, np.ndarray]:
    address = page.locator("#edit-results .preview img").first.get_attribute("src")
    file = io.BytesIO(page.request.get(str(address)).body())
    with Image.open(file) as image:
        return Recipe.from_json(image.info["atelier"]), np.asarray(image.convert("RGB")).copy()


def kept(studio: Studio, name: str | None) -> np.ndarray:
    [file] = (studio.home / "gallery" / "inputs").rglob(f"{name}.png")
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB")).copy()


def masked(page: Page) -> str:
    return page.evaluate("AtelierEdit.given()[1]")


def test_the_mask_that_was_painted_arrives_and_is_obeyed(at: Page, studio: Studio, photo: Path) -> None:
    page = at
    open_picture(page, photo)
    stroke(page, (40, 60), (110, 60))
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_role("tab", name="Edit").click()
    before = masked(page)
    assert before
    page.get_by_role("button", name="Zoom in").click()
    stroke(page, (70, 50), (90, 50))
    painted = masked(page)
    assert painted != before
    page.reload()  # at once
    page.locator("#generate").wait_for()
    page.get_by_role("tab", name="Edit").click()
    until(lambda: masked(page) == painted)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0

    fill(page, prompt="a red apple", steps=3, feather=0, seed=5)
    recipe = generate(page)
    assert recipe.edit is not None and (recipe.prompt, recipe.seed) == ("a red apple", 5)
    mask = kept(studio, recipe.edit.mask)[..., 0]
    assert mask.shape == SIZE[::-1] and mask[60, 40:111].min() == 255 and mask[50, 70:91].min() == 255
    assert mask[:20].max() == mask[100:].max() == 0 and mask[:, :20].max() == mask[:, 140:].max() == 0
    was, now = kept(studio, recipe.edit.picture), made(page)[1]
    assert (was == np.asarray(Image.open(photo))).all()
    assert (now[mask == 0] == was[mask == 0]).all()  # no byte outside
    assert (now[mask == 255] != was[mask == 255]).any()
    expect(page.locator("#edit-compare .was")).to_be_visible()

    page.click("#edit-go-on")
    until(lambda: page.evaluate("AtelierEdit.given()[0]") != recipe.edit.picture)
    assert masked(page) == painted  # the same size keeps the mask


def test_regions_and_a_sketch_arrive_outlive_a_reload_and_run_again(
    at: Page, studio: Studio, photo: Path
) -> None:
    page = at
    open_picture(page, photo)
    page.locator("#edit input[data-do=size]").fill("24")
    for prompt, place in (("a red apple", 30), ("a banana", 120)):
        page.get_by_role("button", name="Add a region").click()
        page.locator("#edit .region textarea").fill(prompt)
        stroke(page, (place, 30), (place, 90))
    page.locator("#edit .region input").fill("0.5")
    stroke(page, (80, 100), (80, 110))
    page.keyboard.press("Control+z")  # the region's stroke, not the first one's
    page.get_by_role("button", name="Sketch: colours").click()
    page.locator("#edit input[data-do=colour]").fill("#ffe000")
    stroke(page, (70, 60), (90, 60))
    given = page.evaluate("AtelierEdit.given()")
    assert [bool(one) for one in given] == [True, False, True, True]
    page.reload()
    page.locator("#generate").wait_for()
    page.get_by_role("tab", name="Edit").click()
    until(lambda: page.evaluate("AtelierEdit.given()") == given)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0

    fill(page, prompt="grass", steps=2, feather=0, seed=5, strength=0.5)
    recipe = generate(page)
    assert recipe.edit is not None and recipe.edit.mask is None
    assert [(one.prompt, one.weight) for one in recipe.regions] == [("a red apple", 1.0), ("a banana", 0.5)]
    left, right = (kept(studio, one.mask)[..., 0] > 0 for one in recipe.regions)
    assert left[30:90, 30].all() and not left[:, 60:].any() and right[30:90, 120].all()
    assert not right[:, :100].any()  # what was undone
    [file] = (studio.home / "gallery" / "inputs").rglob(f"{recipe.edit.sketch}.png")
    sketch = np.asarray(Image.open(file))
    assert tuple(sketch[60, 80]) == (255, 224, 0, 255) and not sketch[:20, :, 3].any()
    was, now = kept(studio, recipe.edit.picture), made(page)[1]
    assert (now[sketch[..., 3] == 0] == was[sketch[..., 3] == 0]).all() and (now[60, 80] != was[60, 80]).any()

    page.get_by_role("button", name="Region 2: a banana").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#grid button.thumbnail-item").first.click()
    expect(page.locator("#recipe")).to_contain_text("a banana, weight 0.5")
    page.click("#rerun")
    words = "JSON.parse(AtelierEdit.given()[3]).map((one) => [one.prompt, one.weight])"
    until(lambda: page.evaluate(words) == [["a red apple", 1], ["a banana", 0.5]])
    assert page.evaluate("AtelierEdit.given()[2]")


def test_pictures_are_sent_to_edit_and_edits_run_again(page: Page, studio: Studio, tmp_path: Path) -> None:
    drawn = draw(page, "a quiet harbour", steps=2)
    page.click("#to-edit")
    expect(page.locator("#edit .sheet canvas")).to_be_visible()
    expect(page.locator("#edit-field-prompt textarea")).to_have_value("a quiet harbour")
    page.get_by_role("button", name="Outpaint").click()
    fill(page, prompt="a loud harbour", strength=0.5, steps=4, left=16)
    page.get_by_role("button", name="Variation, tiles").click()
    page.locator("#edit-variation-on input").check()
    page.locator("#edit-variation-seed input").fill("7")
    recipe = generate(page)
    assert recipe.variation is not None and recipe.variation.seed == 7
    assert recipe.edit is not None and (recipe.edit.left, recipe.edit.strength) == (16, 0.5)
    assert kept(studio, recipe.edit.picture).shape == (drawn.height, drawn.width, 3)
    first = made(page)[1]
    assert first.shape[1] == drawn.width + 16

    fill(page, prompt="something else", left=0, strength=0.9, steps=2)
    page.locator("#edit-variation-on input").uncheck()
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#search").locator("input, textarea").first.fill("loud harbour")
    expect(page.locator("#grid button.thumbnail-item")).to_have_count(1)
    page.locator("#grid button.thumbnail-item").first.click()
    expect(page.locator("#recipe")).to_contain_text("beyond the borders, Strength 0.5, Outpaint left 16")
    page.click("#rerun")
    expect(page.locator("#edit-notice")).to_contain_text("The edit was restored")
    expect(page.locator("#edit-left input")).to_have_value("16")
    until(lambda: page.evaluate("AtelierEdit.given()[0]") == recipe.edit.picture)
    before = studio.pictures()
    page.click("#edit-generate")
    until(lambda: len(studio.pictures() - before) == 1)
    expect(page.locator("#edit-caption")).to_contain_text(re.compile(f"Seed {recipe.seed}"))
    again, pixels = made(page)
    assert again == recipe and np.abs(pixels.astype(int) - first).max() <= 2

    address = page.locator("#edit-results .preview img").first.get_attribute("src")
    (tmp_path / "made.png").write_bytes(page.request.get(str(address)).body())
    fill(page, left=0)
    page.click("#edit-to-create")
    expect(page.locator("#field-prompt textarea")).to_have_value("a loud harbour")
    page.locator("#field-prompt textarea").fill("something else")
    page.locator("#restore input[type=file]").set_input_files(tmp_path / "made.png")
    expect(page.locator("#field-prompt textarea")).to_have_value("a loud harbour")
    page.click("#restored-rerun")
    expect(page.locator("#edit-notice")).to_contain_text("The edit was restored")
    expect(page.locator("#edit-left input")).to_have_value("16")
    expect(page.locator("#edit-variation-on input")).to_be_checked()


def test_mistakes_are_told(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Edit").click()
    page.locator("#edit .view").wait_for()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#edit-notice")).to_contain_text("Init picture: got none; allowed: PNG, JPEG or WebP")
    (tmp_path / "page.png").write_text("<svg onload=alert(1)>")
    page.locator("#edit-file input[type=file]").set_input_files(tmp_path / "page.png")
    expect(page.locator("#edit-notice")).to_contain_text("not a PNG, JPEG or WebP")


PANELS = ("Outpaint", "ControlNets", "Reference pictures", "Variation, tiles", "Advanced", "Upscale")


def tab_to(page: Page, selector: str) -> None:
    """By the Tab key, as whoever has no pointer."""
    for _ in range(80):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not come to {selector}")


def test_edit_by_the_keyboard_alone(page: Page, photo: Path) -> None:
    page.on(
        "filechooser", lambda chooser: chooser.set_files(photo)
    )  # now: a key is faster than asking for it
    page.get_by_role("tab", name="Edit").focus()
    page.keyboard.press("Enter")
    ready(page)
    tab_to(page, "#edit-field-prompt textarea")
    page.keyboard.type("a red apple")
    tab_to(page, "#edit [data-do=open]")
    page.keyboard.press("Enter")
    expect(page.locator("#edit .sheet canvas")).to_be_visible()
    tab_to(page, "#edit .view")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#easel-said")).to_contain_text("Brush at 80, ")
    assert not masked(page)
    page.keyboard.press("Shift+ArrowRight")
    assert masked(page)
    for name, text in (("count", "16"), ("steps", "150")):
        tab_to(page, f"#edit-field-{name} input[type=number]")
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#edit-interrupt")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#edit-generate")).to_be_visible()
    expect(page.locator("#edit")).to_contain_text("Interrupted.")


def test_every_control_of_edit_has_a_name(page: Page, photo: Path) -> None:
    page.get_by_role("tab", name="Edit").click()
    ready(page)
    open_picture(page, photo)
    for panel in PANELS:
        page.get_by_role("button", name=panel).click()
    for part in ("variation", "tiles"):
        page.locator(f"#edit-{part}-on input").check()
    page.get_by_role("button", name="Add a region").click()
    wire = page.context.new_cdp_session(page)
    wire.send("DOM.enable")
    root = wire.send("DOM.getDocument")["root"]["nodeId"]
    edit = wire.send("DOM.querySelector", {"nodeId": root, "selector": "#edit"})["nodeId"]

    def controls() -> dict[str, list[str]]:
        """Role -> the names that a screen reader says, of all that can have the focus."""
        found: dict[str, list[str]] = {}
        for node in wire.send("Accessibility.queryAXTree", {"nodeId": edit})["nodes"]:
            says = {one["name"]: one["value"].get("value") for one in node.get("properties", ())}
            if not node["ignored"] and says.get("focusable"):
                found.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
        return found

    named = controls()
    assert all(name.strip() for names in named.values() for name in names), named
    assert {"Prompt of the region", "Prompt", "Negative prompt"} <= set(named["textbox"])
    assert {"Variation seed", "Tile side", "Weight", "Padding"} <= set(named["spinbutton"])
    assert "Brush size, pixels of the picture" in named["slider"] and len(named["button"]) >= 25
    page.get_by_role("button", name="Sketch: colours").click()
    assert "Colour of the sketch" in {name for names in controls().values() for name in names}
