"""Create, in a real browser: draw, watch, interrupt, come back, restore, and every mistake a person makes."""

import io
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from gallery import read_recipe
from gallery.pictures import MAX_BYTES
from models import defaults
from pipelines.recipe import Recipe
from tests.e2e.studio import Studio, free_port, running
from tests.e2e.wire import Wire
from tests.gallery.test_pictures import header_only_png
from tests.tiny import write_tiny

pytestmark = pytest.mark.e2e

FIELDS = {"steps": "input[type=number]", "guidance": "input[type=number]", "rescale": "input[type=number]"}


def box(page: Page, name: str):
    """The element one types the field into."""
    kind = {"prompt": "textarea", "negative": "textarea"}.get(name, "input")
    return page.locator(f"#field-{name} {FIELDS.get(name, kind)}").first


def fill(page: Page, **values: object) -> None:
    for name, value in values.items():
        box(page, name).fill(str(value))


def value(page: Page, name: str) -> str:
    return box(page, name).input_value()


def draw(page: Page, prompt: str, **values: object) -> Recipe:
    """Generate, wait for the picture, and read the recipe out of the very file that the page shows."""
    before = shown_file(page)
    fill(page, prompt=prompt, **values)
    page.click("#generate")
    until(lambda: shown_file(page) not in (None, before))
    return shown_recipe(page)


def shown_file(page: Page) -> str | None:
    """The address of the picture that is shown large, None while there is none."""
    return page.locator("#results .preview img").evaluate_all(
        "images => images[0]?.checkVisibility() ? images[0].getAttribute('src') : null"
    )


def shown_recipe(page: Page) -> Recipe:
    source = shown_file(page)
    assert source
    file = io.BytesIO(page.request.get(source).body())
    with Image.open(file) as image:
        return Recipe.from_json(image.info["atelier"])


def start_long(page: Page, prompt: str = "a long one") -> None:
    fill(page, prompt=prompt, steps=150, count=16)
    page.click("#generate")
    page.locator("#stage .frame img").wait_for()


def step(page: Page) -> int:
    said = page.locator("#stage .said").inner_text()
    found = re.search(r"Step (\d+) of", said)
    return int(found[1]) if found else -1


def until(check: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_a_picture_is_drawn_saved_and_shown_with_its_recipe(page: Page, studio: Studio) -> None:
    page.get_by_role("button", name="a cat on the grass").click()
    expect(box(page, "prompt")).to_have_value("a cat on the grass")
    fill(page, steps=4, negative="dogs")
    page.click("#generate")
    expect(page.locator("#results")).to_be_visible()
    recipe = shown_recipe(page)
    assert (recipe.prompt, recipe.negative, recipe.steps) == ("a cat on the grass", "dogs", 4)
    assert page.locator("#caption b").inner_text() == str(recipe.seed)  # the seed that was really used
    assert value(page, "seed") == "-1"
    with page.expect_download() as download:
        page.locator("#results").get_by_role("button", name="Download").click()
    assert read_recipe(download.value.path()) == recipe  # a download keeps what made it


def test_the_seed_that_was_used_can_be_taken_over(page: Page) -> None:
    first = draw(page, "again", steps=2)
    page.click("#recycle")
    expect(box(page, "seed")).to_have_value(str(first.seed))
    second = draw(page, "again", steps=3)
    assert second.seed == first.seed
    page.click("#die")
    expect(box(page, "seed")).to_have_value("-1")


def test_several_pictures_use_the_seeds_that_follow(page: Page) -> None:
    recipe = draw(page, "two of them", steps=2, count=2, seed=40)
    assert (recipe.seed, recipe.count) == (40, 1)
    page.locator("#results .thumbnails button, #results .thumbnail-small").nth(1).click()
    expect(page.locator("#caption b")).to_have_text("41")


def test_progress_is_shown_and_interrupt_stops(page: Page) -> None:
    start_long(page)
    expect(page.locator("#interrupt")).to_be_visible()
    expect(page.locator("#generate")).to_be_hidden()
    bar = page.locator("#stage [role=progressbar]")
    assert bar.get_attribute("aria-valuemax") == str(150 * 16)
    before = step(page)
    until(lambda: step(page) > before)
    assert page.title().endswith("% · Atelier")
    page.click("#interrupt")
    expect(page.locator("#stage")).to_contain_text("Interrupted")
    expect(page.locator("#generate")).to_be_visible()
    until(lambda: page.title() == "Atelier")
    start_long(page)  # and so it is with the next
    until(lambda: page.title().endswith("% · Atelier"))
    page.click("#interrupt")
    until(lambda: page.title() == "Atelier")


def test_a_file_that_is_too_large_is_said_to_be(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(b"x" * (MAX_BYTES + 5_000_000))
    page.locator("#restore input[type=file]").set_input_files(file)
    expect(page.get_by_role("alert")).to_have_text("File: got large.png of 25 MB; allowed: at most 20 MB.")
    draw(page, "all the same", steps=1)


def test_pictures_finished_before_an_interrupt_are_kept(page: Page, studio: Studio) -> None:
    before = studio.pictures()
    fill(page, prompt="some of them", steps=40, count=16)
    page.click("#generate")
    until(lambda: len(studio.pictures() - before) > 0)
    page.evaluate("document.getElementById('interrupt').click()")  # on a fast machine all may be done by now
    expect(page.locator("#results")).to_be_visible()
    expect(page.locator("#stage")).to_be_hidden()
    if len(studio.pictures() - before) < 16:
        expect(page.locator("#notice")).to_contain_text("of 16 pictures were finished and are kept")


def test_keys_generate_and_interrupt(page: Page) -> None:
    fill(page, prompt="by key", steps=150, count=16)
    box(page, "prompt").press("Control+Enter")
    expect(page.locator("#interrupt")).to_be_visible()
    page.locator("#stage .frame img").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator("#stage")).to_contain_text("Interrupted")


def test_escape_closes_an_open_list_before_it_interrupts(page: Page) -> None:
    start_long(page)
    box(page, "model").click()
    expect(box(page, "model")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    box(page, "prompt").dispatch_event("keydown", {"key": "Escape", "isComposing": True})
    page.wait_for_timeout(500)
    expect(page.locator("#interrupt")).to_have_text("Interrupt")  # neither stopped nor stopping
    box(page, "prompt").press("Escape")
    expect(page.locator("#stage")).to_contain_text("Interrupted")


def test_a_number_being_typed_counts_when_the_key_generates(page: Page) -> None:
    fill(page, prompt="typed")
    box(page, "steps").fill("3")
    box(page, "steps").press("Meta+Enter")
    expect(page.locator("#results")).to_be_visible()
    assert shown_recipe(page).steps == 3


def test_a_reload_finds_the_settings_and_the_running_job(page: Page) -> None:
    fill(page, negative="kept words", guidance=2.5, width=192)
    start_long(page, "before the reload")
    before = step(page)
    page.reload()
    page.locator("#stage .frame img").wait_for()
    assert step(page) >= before
    after = step(page)
    until(lambda: step(page) > after)
    assert value(page, "prompt") == "before the reload" and value(page, "negative") == "kept words"
    assert (value(page, "steps"), value(page, "guidance"), value(page, "width")) == ("150", "2.5", "192")
    page.click("#interrupt")
    expect(page.locator("#stage")).to_contain_text("Interrupted")


def test_settings_survive_a_reload_before_anything_is_drawn(page: Page) -> None:
    fill(page, prompt="not drawn yet", steps=33, seed=5)
    page.wait_for_timeout(500)
    page.reload()
    expect(box(page, "prompt")).to_have_value("not drawn yet")
    assert (value(page, "steps"), value(page, "seed")) == ("33", "5")


@pytest.mark.parametrize("seconds", [0, 4])
def test_a_lost_connection_is_taken_up_again(page: Page, studio: Studio, seconds: float) -> None:
    with Wire(studio.url) as wire:
        page.goto(wire.url)
        fill(page, negative="kept words")
        start_long(page)
        wire.cut()
        page.wait_for_timeout(1000)
        before = step(page)
        page.wait_for_timeout(1000 * seconds)
        assert step(page) == before or seconds == 0  # it was really lost
        wire.mend()
        until(lambda: step(page) > before)
        assert value(page, "negative") == "kept words"
        page.click("#interrupt")
        expect(page.locator("#stage")).to_contain_text("Interrupted")


def test_a_restart_of_the_studio_loses_no_settings(browser: Browser, tmp_path: Path) -> None:
    write_tiny(tmp_path / "models" / "tiny")
    port = free_port()
    page = browser.new_page()
    with running(tmp_path, port) as first:
        page.goto(first.url)
        start_long(page, "before the restart")
        first.process.kill()
    with running(tmp_path, port):
        expect(page.locator("#notice")).to_contain_text("The studio was restarted")
        assert value(page, "prompt") == "before the restart"
        expect(page.locator("#generate")).to_be_visible()
        draw(page, "after the restart", steps=1, count=1)
    page.close()


def test_closing_the_page_does_not_stop_the_job(studio: Studio, browser: Browser) -> None:
    before = studio.pictures()
    page = browser.new_page()
    page.goto(studio.url)
    fill(page, prompt="left alone", steps=60)
    page.click("#generate")
    expect(page.locator("#interrupt")).to_be_visible()
    page.close()
    until(lambda: len(studio.pictures() - before) == 1)


RESTORED = {
    "prompt": "a restored owl", "negative": "blur", "sampler": "DDIM", "schedule": "Karras", "steps": "7",
    "guidance": "3.5", "rescale": "0.45", "eta": "0.25", "width": "192", "height": "64", "seed": "123456789",
    "count": "3",
}  # fmt: skip


def assert_restored(page: Page) -> None:
    expect(box(page, "prompt")).to_have_value("a restored owl")
    page.locator("#advanced > button").click()
    for name, wanted in RESTORED.items():
        expect(box(page, name)).to_have_value(wanted)


def test_a_picture_given_to_the_restore_box_restores_every_setting(page: Page, picture: Path) -> None:
    page.locator("#restore input[type=file]").set_input_files(picture)
    assert_restored(page)


def drop(page: Page, place: str, file: Path) -> bool:
    """Drop ``file`` on ``place``; whether the browser would leave the page to show it."""
    page.locator("#restore button").wait_for()  # the page is built piece by piece
    return page.evaluate(
        """([place, bytes]) => { const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(bytes)], "given.png", {type: "image/png"}));
        const drag = {dataTransfer, bubbles: true, cancelable: true};
        document.querySelector(place).dispatchEvent(new DragEvent("dragover", drag));
        return document.querySelector(place).dispatchEvent(new DragEvent("drop", drag)); }""",
        [place, list(file.read_bytes())],
    )


@pytest.mark.parametrize("place", ["#field-prompt textarea", "#stage", "#field-seed", "#restore button"])
def test_a_picture_dropped_on_create_restores_every_setting(page: Page, picture: Path, place: str) -> None:
    assert not drop(page, place, picture)
    assert_restored(page)
    page.wait_for_timeout(500)
    page.reload()  # what was restored is kept like what was typed
    expect(box(page, "prompt")).to_have_value("a restored owl")


def test_a_file_dropped_beside_it_changes_nothing(page: Page, picture: Path) -> None:
    fill(page, prompt="untouched")
    assert not drop(page, "header.masthead", picture)
    page.wait_for_timeout(500)
    assert value(page, "prompt") == "untouched"


def test_what_could_not_be_restored_is_told(page: Page, tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    settings = "Steps: 9, Sampler: Euler a, CFG scale: 99, Seed: 3, Clip skip: 2, Tiling: True, Model: x<b>y"
    info.add_text("parameters", f"a fox\n{settings}")
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png", pnginfo=info)
    page.locator("#restore input[type=file]").set_input_files(tmp_path / "other.png")
    expect(box(page, "prompt")).to_have_value("a fox")
    said = page.locator("#notice .notice")
    for part in ("Tiling (True)", "Guidance: got 99", "x<b>y"):
        expect(said).to_contain_text(part)
    assert (value(page, "steps"), value(page, "seed"), value(page, "guidance")) == ("9", "3", "5")
    page.locator("#advanced > button").click()
    expect(box(page, "clip_skip")).to_have_value("2")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", b"not a picture", "not a PNG, JPEG or WebP"),
        ("bomb.png", header_only_png(30_000, 30_000), "at most 16.8 megapixels"),
        ("torn.png", header_only_png(64, 64)[:60], "damaged"),
    ],
)
def test_a_bad_upload_is_a_plain_message(page: Page, name: str, content: bytes, said: str) -> None:
    fill(page, prompt="untouched")
    page.locator("#restore input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )
    expect(page.locator("#notice .notice")).to_contain_text(said)
    assert value(page, "prompt") == "untouched"


@pytest.mark.parametrize("pressed", ["Control+Enter", "Generate"])
@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("steps", "0", "Steps: got 0; allowed: a whole number from 1 to 150"),
        ("guidance", "1000000000", "Guidance: got 1000000000; allowed: a number from 0 to 30"),
        ("width", "100", "Width: got 100; allowed: a whole number from 64 to 2048 that is a multiple of 8"),
        ("height", "", "Height: got nothing; allowed: a whole number"),
        ("seed", "-7", "Seed: got -7; allowed: a whole number from 0"),
        ("prompt", "x" * 10_000, "(10000 characters); allowed: text of at most 4000 characters"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    page: Page, name: str, typed: str, said: str, pressed: str
) -> None:
    made = draw(page, "kept on the page", steps=1)
    fill(page, **{name: typed})
    if pressed == "Generate":  # the box is left before the button is pressed, and keeps what was typed
        page.click("#generate")
        assert box(page, name).input_value() == typed
    else:
        box(page, name).press(pressed)
    expect(page.locator("#notice .notice")).to_contain_text(said)
    assert shown_recipe(page) == made  # what was made is still there
    # The prompt last: when a very long text goes, its box takes the focus, and what is typed elsewhere.
    fill(page, steps=1, guidance=5, width=128, height=128, seed=-1, prompt="better")
    page.click("#generate")
    expect(page.locator("#notice .notice")).to_have_count(0)
    until(lambda: page.locator("#results").is_visible() and shown_recipe(page).prompt == "better")


def test_an_empty_prompt_draws(page: Page) -> None:
    assert draw(page, "", steps=1).prompt == ""


def test_opening_the_advanced_settings_changes_none_of_them(page: Page, studio: Studio) -> None:
    """A new form draws with the model's own defaults."""
    page.locator("#advanced > button").click()
    expect(box(page, "eta")).to_have_value("")
    recipe = draw(page, "advanced", steps=1)
    home = "starter" if recipe.model == "starter" else str(studio.home / "models" / recipe.model)
    typed = {"model": recipe.model, "prompt": "advanced", "steps": 1, "seed": recipe.seed}
    assert recipe.levels is not None  # what the schedule gave
    assert recipe.model_copy(update={"levels": None}) == Recipe.read(defaults(home) | typed)


def test_another_model_brings_its_own_defaults(browser: Browser, tmp_path: Path) -> None:
    one = write_tiny(tmp_path / "models" / "one")
    (one / "atelier.json").write_text('{"native_size": [192, 256], "defaults": {"steps": 7, "guidance": 2}}')
    two = Path(shutil.copytree(one, tmp_path / "models" / "two"))
    (two / "atelier.json").write_text('{"native_size": [64, 72], "defaults": {"steps": 3}}')
    with running(tmp_path) as studio, browser.new_page() as page:
        page.goto(studio.url)
        for name, wanted in (("one", ("192", "256", "7", "2")), ("two", ("64", "72", "9", "5"))):
            box(page, "model").click()
            page.get_by_role("option", name=name).click()
            expect(box(page, "width")).to_have_value(wanted[0])
            assert tuple(value(page, name) for name in ("width", "height", "steps", "guidance")) == wanted
            fill(page, steps=9)
            page.wait_for_timeout(500)
        page.reload()
        expect(box(page, "width")).to_have_value("64")
        assert (value(page, "model"), value(page, "steps")) == ("two", "9")


def test_guidance_1_says_that_the_negative_prompt_has_no_effect(page: Page) -> None:
    expect(page.locator("#negative-hint")).to_have_text("")
    box(page, "guidance").fill("1")
    box(page, "guidance").press("Tab")
    expect(page.locator("#negative-hint")).to_contain_text("no effect")


def test_width_and_height_are_swapped(page: Page) -> None:
    fill(page, width=256, height=64)
    page.click("#swap")
    expect(box(page, "width")).to_have_value("64")
    expect(box(page, "height")).to_have_value("256")
