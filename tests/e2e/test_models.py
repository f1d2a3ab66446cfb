"""Models, in a real browser: open another studio's folder, look, search, draw with what is there, fetch."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.studio import Studio, running
from tests.e2e.test_create import box, draw, fill
from tests.ldm import write_header
from tests.models.hub import StandIn
from tests.models.test_kind import KOHYA, unet
from tests.tiny import write_tiny

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What another studio left: two checkpoints, a small one to draw with, a LoRA, a broken file."""
    root = tmp_path_factory.mktemp("webui") / "models"
    for name in ("Stable-diffusion", "Lora"):
        (root / name).mkdir(parents=True)
    write_header(root / "Stable-diffusion" / "landscape.safetensors", unet(1024))
    said = {"modelspec.trigger_phrase": "inkwash<img src=x onerror=alert(1)>"}
    write_header(root / "Lora" / "ink.safetensors", {KOHYA: (4, 768)}, said)
    Image.new("RGB", (80, 60), "teal").save(root / "Lora" / "ink.preview.png")
    (root / "Stable-diffusion" / "torn.safetensors").write_bytes(b"\x99" * 40)
    write_tiny(root / "diffusers" / "tiny")
    return root


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    source = write_tiny(tmp_path_factory.mktemp("hub") / "tiny")
    files = {f.relative_to(source).as_posix(): f.read_bytes() for f in source.rglob("*") if f.is_file()}
    with StandIn(files, pace=0.2) as served:
        yield served


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, hub: StandIn) -> Iterator[Studio]:
    """A studio of its own, which may change what there is, and whose hub is the stand-in."""
    home = tmp_path_factory.mktemp("studio")
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_ENDPOINT", hub.url)
    patch.setenv("HF_HUB_OFFLINE", "0")
    with running(home) as studio:
        yield studio
    patch.undo()


def models(page: Page) -> None:
    page.get_by_role("tab", name="Models").click()
    page.locator(".cards").wait_for()


def card(page: Page, name: str):
    return page.locator(".card").filter(has=page.get_by_text(name, exact=True))


def open_folder(page: Page, folder: Path | str) -> None:
    if not page.locator("#folder-open").is_visible():
        page.get_by_role("button", name="Model folders").click()
    page.locator("#folder input, #folder textarea").first.fill(str(folder))
    page.click("#folder-open")


def test_a_folder_is_opened_looked_through_and_closed(page: Page, tree: Path) -> None:
    models(page)
    open_folder(page, "/no/such/folder")
    expect(page.locator("#folder-notice")).to_contain_text("Model folder: got '/no/such/folder'; allowed")
    open_folder(page, tree)
    expect(card(page, "landscape")).to_contain_text("Checkpoint · SD 2.x")
    expect(page.locator("#folder-list")).to_contain_text(str(tree))
    card(page, "landscape").click()
    expect(page.locator("#doubt")).to_contain_text("does not say whether it predicts noise or velocity")
    expect(page.locator("#prediction")).to_be_visible()
    card(page, "torn").click()
    expect(page.locator("#about")).to_contain_text("is damaged or not all there")
    expect(page.locator("#draw-with")).to_be_hidden()
    page.locator("#folder input, #folder textarea").first.fill(str(tree))
    page.click("#folder-shut")
    expect(card(page, "landscape")).to_have_count(0)
    expect(card(page, "starter")).to_have_count(1)


def test_a_lora_is_found_by_its_trigger_word_and_put_into_the_prompt(page: Page, tree: Path) -> None:
    fill(page, prompt="a cat")
    models(page)
    open_folder(page, tree)
    expect(card(page, "ink")).to_have_count(1)
    page.locator("#model-words input, #model-words textarea").first.fill("INKWASH")
    expect(page.locator(".card")).to_have_count(1)
    card(page, "ink").click()
    expect(page.locator("#about")).to_contain_text("inkwash<img src=x onerror=alert(1)>")  # shown, not run
    expect(page.locator("#about img")).to_have_attribute("src", re.compile("^data:image/jpeg"))
    expect(page.locator("#about dd").filter(has_text="being taken")).to_have_count(0)
    page.click("#put-lora")
    expect(box(page, "prompt")).to_have_value("a cat <lora:ink:1>")


def test_a_model_is_drawn_with_and_brings_its_good_values(page: Page, tree: Path) -> None:
    fill(page, guidance=9)
    models(page)
    open_folder(page, tree)
    card(page, "tiny").click()
    page.click("#draw-with")
    expect(box(page, "model")).to_have_value("tiny")
    expect(box(page, "width")).to_have_value("64")  # its own size
    expect(box(page, "guidance")).to_have_value("9")  # set by hand
    assert draw(page, "a cat", steps=2).model == "tiny"
    page.reload()
    expect(box(page, "model")).to_have_value("tiny")
    expect(box(page, "width")).to_have_value("64")
    assert draw(page, "another cat", steps=2).model == "tiny"


def test_a_model_is_fetched_with_its_size_asked_for_before(page: Page, hub: StandIn, studio: Studio) -> None:
    models(page)
    page.get_by_role("button", name="Download from the Hugging Face hub").click()
    where = page.locator("#repository input, #repository textarea").first
    where.fill("nobody/nothing")
    page.click("#hub-ask")
    expect(page.locator("#hub-notice")).to_contain_text("'nobody/nothing': there is none by this name")
    where.fill("owner/name")
    page.click("#hub-ask")
    size = sum(len(content) for content in hub.files.values())
    expect(page.locator("#offers")).to_contain_text("The whole model (")
    assert not any("/resolve/" in path for path, _ in hub.asked) and size > 1_000_000
    page.click("#download")
    expect(page.locator("#downloads [role=progressbar]")).to_be_visible()
    page.click("#download-stop")
    expect(page.locator("#downloads")).to_contain_text("Stopped at")
    assert not (studio.home / "models" / "owner--name").exists()
    page.click("#hub-ask")
    page.locator("#offers input").first.check()
    page.click("#download")
    page.reload()  # it goes on without anybody
    models(page)
    page.get_by_role("button", name="Download from the Hugging Face hub").click()
    expect(page.locator("#downloads")).to_contain_text("Here, as “owner--name”")
    expect(card(page, "owner--name")).to_have_count(1)
    card(page, "owner--name").click()
    page.click("#draw-with")
    assert draw(page, "a cat", steps=2).model == "owner--name"


def test_a_page_on_a_network_can_look_and_draw_but_change_nothing(
    tmp_path: Path, browser: Browser, tree: Path
) -> None:
    shutil.copytree(tree / "diffusers" / "tiny", tmp_path / "models" / "mine")
    with running(tmp_path, options=("--no-manage", "--models", str(tree))) as studio:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(studio.url)
        models(page)
        expect(card(page, "mine")).to_have_count(1)
        expect(card(page, "landscape")).to_have_count(1)
        for part in ("#hub", "#folders", "#prediction"):
            expect(page.locator(part)).to_have_count(0)
        config = page.request.get(f"{studio.url}/config").json()
        made = {component["props"].get("elem_id") for component in config["components"]}
        assert "cards" in made  # and without a component there is no listener of it
        assert not made & {"hub-ask", "download", "download-stop", "folder-open", "folder-shut", "look-again"}
        page.close()
