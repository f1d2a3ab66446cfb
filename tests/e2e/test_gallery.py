"""Gallery, in a real browser: newest first, found by words, opened, used again, deleted."""

import pytest
from playwright.sync_api import Page, expect

from gallery import read_recipe
from tests.e2e.studio import ROOT, Studio
from tests.e2e.test_create import box, draw, shown_file, until, value

pytestmark = pytest.mark.e2e


def open_gallery(page: Page, words: str = "") -> None:
    page.get_by_role("tab", name="Gallery").click()
    page.locator("#search input, #search textarea").first.fill(words)


def tiles(page: Page) -> list[str]:
    """The tiles' alternative texts: the prompts, newest first."""
    return page.locator("#grid img").evaluate_all("tiles => tiles.map(tile => tile.alt)")


def test_search_open_and_use_again(page: Page) -> None:
    draw(page, "zebra crossing", steps=2, seed=77, guidance=2.5, negative="cars")
    draw(page, "zebra asleep", steps=1, seed=78, guidance=4, negative="")
    open_gallery(page, "zebra")
    until(lambda: tiles(page) == ["zebra asleep", "zebra crossing"])
    open_gallery(page, "zeb cros")
    until(lambda: tiles(page) == ["zebra crossing"])

    page.locator("#grid button.thumbnail-item").first.click()
    recipe = page.locator("#recipe")
    for part in ("zebra crossing", "cars", "77", "2.5", "DPM++ 2M"):
        expect(recipe).to_contain_text(part)
    with page.expect_download() as download:
        page.locator("#picture").get_by_role("button", name="Download").click()
    assert read_recipe(download.value.path()).seed == 77

    page.click("#reuse")
    expect(box(page, "prompt")).to_be_visible()
    expect(box(page, "prompt")).to_have_value("zebra crossing")
    assert (value(page, "seed"), value(page, "guidance"), value(page, "negative")) == ("77", "2.5", "cars")


def test_words_that_are_nowhere_find_nothing(page: Page) -> None:
    open_gallery(page, "xylophone%_")
    expect(page.locator("#found")).to_contain_text("Nothing found")
    assert tiles(page) == []


def test_delete_asks_first(page: Page, studio: Studio) -> None:
    draw(page, "walrus", steps=1)
    before = studio.pictures()
    open_gallery(page, "walrus")
    until(lambda: tiles(page) == ["walrus"])
    page.locator("#grid button.thumbnail-item").first.click()
    source = str(page.locator("#picture img").get_attribute("src"))
    page.click("#delete")
    page.click("#delete-keep")
    assert studio.pictures() == before
    page.click("#delete")
    page.click("#delete-sure")
    expect(page.locator("#details")).to_be_hidden()
    until(lambda: tiles(page) == [])
    assert len(before - studio.pictures()) == 1
    assert page.request.get(source).status in (403, 404)  # and no copy is served


def test_a_pictures_history_is_shown_walked_and_compared(page: Page) -> None:
    draw(page, "a heron", steps=2, seed=3)
    page.click("#to-edit")
    expect(page.locator("#edit .sheet canvas")).to_be_visible()
    for prompt in ("a heron at dusk", "a heron at noon"):  # two branches from one picture
        page.locator("#edit-field-prompt textarea").fill(prompt)
        page.locator("#edit-field-steps input[type=number]").fill("4")
        page.click("#edit-generate")
        expect(page.locator("#edit-history")).to_contain_text(prompt)
        expect(page.locator("#edit-compare .was")).to_be_visible()
    faces = page.locator("#edit-history [data-entry]")
    expect(faces).to_have_count(3)
    expect(page.locator("#edit-history ul ul > li")).to_have_count(2)
    before = page.evaluate("AtelierEdit.given()[0]")
    faces.filter(has_text="at dusk").click()  # go on from the other branch
    until(lambda: page.evaluate("AtelierEdit.given()[0]") != before)
    expect(page.locator("#edit-field-prompt textarea")).to_have_value("a heron at noon")  # the words stay
    page.locator("#edit-field-prompt textarea").fill("a heron at night")
    page.click("#edit-generate")
    expect(page.locator("#edit-history ul ul ul > li")).to_have_count(1)

    open_gallery(page, "a heron")
    until(lambda: tiles(page)[:1] == ["a heron at night"])
    page.locator("#grid button.thumbnail-item").first.click()
    expect(page.locator("#history [aria-current]")).to_contain_text("a heron at night")
    page.locator("#history [data-entry]").first.click()
    expect(page.locator("#recipe .words")).to_have_text("a heron")
    page.locator("#compare-with input").click()
    page.get_by_role("option").filter(has_text="at noon").click()
    slider = page.locator("#compare input[type=range]")
    slider.fill("20")
    cut = page.locator("#compare .cut").evaluate("element => getComputedStyle(element).clipPath")
    assert "80%" in cut
    for image in page.locator("#compare img").all():
        assert image.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") > 0


@pytest.mark.parametrize("others", [0, 1])
def test_a_reload_after_a_deletion_shows_what_is_left(page: Page, others: int) -> None:
    prompt = f"manatee of {1 + others}"
    draw(page, prompt, steps=1, count=1 + others, negative="kept words")
    open_gallery(page, prompt)
    until(lambda: tiles(page) == [prompt] * (1 + others))
    page.locator("#grid button.thumbnail-item").first.click()
    page.click("#delete")
    page.click("#delete-sure")
    until(lambda: tiles(page) == [prompt] * others)
    missing: list[str] = []
    page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
    page.reload()
    expect(box(page, "negative")).to_have_value("kept words")
    if others:
        until(lambda: shown_file(page) is not None)
    else:
        expect(page.locator("#stage .idle")).to_be_visible()
    assert missing == []


def test_a_damaged_file_is_one_broken_tile(page: Page, studio: Studio) -> None:
    draw(page, "platypus whole", steps=1)
    before = studio.pictures()
    draw(page, "platypus torn", steps=1)
    [torn] = studio.pictures() - before
    [file] = (studio.home / "gallery" / "pictures").glob(f"*/{torn}.png")
    file.write_bytes(file.read_bytes()[:200])
    open_gallery(page, "platypus")
    until(lambda: tiles(page) == ["platypus torn", "platypus whole"])
    page.locator("#grid button.thumbnail-item").first.click()
    expect(page.locator("#recipe")).to_contain_text("platypus torn")
    expect(page.locator("#picture")).to_be_hidden()
    page.click("#delete")
    page.click("#delete-sure")
    until(lambda: tiles(page) == ["platypus whole"])


HOSTILE = "<img src=x onerror=alert(1)> ![x](http://192.0.2.1/x) \"'&"


def test_a_hostile_prompt_is_only_ever_text(page: Page) -> None:
    """The page fixture fails on any dialog and on any request to another address."""
    draw(page, HOSTILE, steps=1, negative=HOSTILE)
    open_gallery(page, "onerror")
    until(lambda: HOSTILE in tiles(page))
    page.locator("#grid button.thumbnail-item").first.click()
    expect(page.locator("#recipe .words")).to_have_text(HOSTILE)
    page.click("#reuse")
    expect(box(page, "prompt")).to_have_value(HOSTILE)
    box(page, "prompt").fill(HOSTILE * 80)
    page.click("#generate")
    expect(page.locator("#notice .notice")).to_contain_text("Prompt: got")
    page.wait_for_timeout(500)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.locator("#advanced > button").click()
    draw(page, "on a phone, a long" + "long" * 11, steps=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("prompt", "negative", "steps", "guidance", "width", "height", "seed"):
        place = box(page, name).bounding_box()
        assert place and place["x"] >= 0 and place["x"] + place["width"] <= 390, name
    open_gallery(page, "phone")
    page.locator("#grid button.thumbnail-item").first.click()
    expect(page.locator("#recipe")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_control_has_a_name(page: Page) -> None:
    page.locator("#advanced > button").click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input:not([type=file]), textarea, select")]
            .filter(e => e.offsetParent !== null)
            .filter(e => !(e.innerText?.trim() || e.ariaLabel || e.title || e.labels?.length))
            .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []


def test_the_signs_on_buttons_have_words(page: Page) -> None:
    for name in ("Swap width and height", "A new seed each time", "Take over the seed of the picture shown"):
        expect(page.get_by_role("button", name=name)).to_be_visible()


def test_only_pictures_are_served(page: Page, studio: Studio) -> None:
    draw(page, "served", steps=1)
    source = str(page.locator("#results img").first.get_attribute("src"))
    assert page.request.get(source).status == 200
    prefix = studio.url + "/gradio_api/file="
    for secret in (studio.home / "page-secret", studio.home / "gallery" / "index.sqlite", ROOT / "app.py"):
        assert secret.exists()
        assert page.request.get(f"{prefix}{secret}").status in (403, 404), secret
    climbed = f"{prefix}{studio.home}/gallery/pictures/../../page-secret"
    assert page.request.get(climbed).status in (403, 404)


def test_light_or_dark_is_remembered(page: Page) -> None:
    before = page.evaluate("document.body.classList.contains('dark')")
    page.click("#theme")
    assert page.evaluate("document.body.classList.contains('dark')") != before
    page.reload()
    page.locator("#generate").wait_for()
    until(lambda: page.evaluate("document.body.classList.contains('dark')") != before)
