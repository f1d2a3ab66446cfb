"""Takes the pictures of the page in docs/images: ``make screenshots``. Draws with the starter, for real."""

import shutil
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from tests.e2e.studio import ROOT, STARTER, Studio, chromium, open_browser, running
from tests.ldm import write_header
from tests.models.test_kind import KOHYA, unet

IMAGES = ROOT / "docs" / "images"
PROMPTS = (
    "a fox on a teal background",
    "a sailboat at sea",
    "a guitar on white <lora:sepia:1>",
    "an owl on brown <lora:noir:1>",
    "two penguins in the snow",
    "a banana left of a pear",
    "a rocket in a starry night",
    "a cat on the grass",
    "three red apples on a blue background",
)
SEED = "1"
VAE = {"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3)}
CONTROL = {"control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}
INK = {"modelspec.title": "Ink wash", "modelspec.trigger_phrase": "inkwash, wet paper"}
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
        for width, height, scheme in ((1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light")):
            shoot_edit(browser, studio.url, width, height, scheme)
        shoot_regions(browser, studio.url)
        shoot_models(browser, studio, write_tree(Path(folder)))
        browser.close()


def shoot(browser: Browser, url: str, width: int, height: int, scheme: str) -> None:
    """Create with its newest picture, and Gallery with one opened. Draws PROMPTS first in light 1440."""
    first = (width, scheme) == (1440, "light")
    name = f"{width}" if scheme == "light" else f"{width}-{scheme}"
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # pyright: ignore
    page.goto(url)
    page.locator("#generate").wait_for()
    page.locator("#field-seed input").fill(SEED)
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
    page.screenshot(path=IMAGES / f"gallery-{name}.png", full_page=width < 1000)
    page.close()


def shoot_edit(browser: Browser, url: str, width: int, height: int, scheme: str) -> None:
    """Edit, with a picture that Create drew, half of it painted over and drawn anew."""
    name = f"{width}" if scheme == "light" else f"{width}-{scheme}"
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # pyright: ignore
    page.goto(url)
    page.locator("#generate").wait_for()
    page.locator("#field-seed input").fill("11")
    draw(page, PROMPTS[7], count=1)
    page.click("#to-edit")
    expect(page.locator("#edit .sheet canvas")).to_be_visible()
    page.wait_for_timeout(800)
    paint(page)
    page.locator("#edit-field-prompt textarea").fill("a dog on the grass")
    page.locator("#edit-field-seed input").fill("3")
    page.click("#edit-generate")
    page.locator("#edit-interrupt").wait_for(timeout=WAIT)
    page.locator("#edit-generate").wait_for(timeout=WAIT)
    expect(page.locator("#edit-compare .was")).to_be_visible()
    page.mouse.move(0, 0)
    page.wait_for_timeout(800)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=IMAGES / f"edit-{name}.png", full_page=width < 1000)
    page.close()


def shoot_regions(browser: Browser, url: str) -> None:
    """Edit, with two regions over a plain picture, drawn."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    page.get_by_role("tab", name="Edit").click()
    page.locator("#edit .view").wait_for()
    plain = BytesIO()
    Image.new("RGB", (256, 128), (250, 206, 62)).save(plain, format="PNG")
    file: FilePayload = {"name": "plain.png", "mimeType": "image/png", "buffer": plain.getvalue()}
    page.locator("#edit-file input[type=file]").set_input_files(file)
    page.locator("#edit .sheet canvas").first.wait_for()
    page.locator("#edit input[data-do=size]").fill("100")
    for prompt, x in (("an owl on a yellow background", 64), ("a rocket on a yellow background", 192)):
        page.get_by_role("button", name="Add a region").click()
        page.locator("#edit .region textarea").fill(prompt)
        box = page.locator("#edit .sheet img").bounding_box()
        assert box
        page.mouse.move(box["x"] + (x - 6) * box["width"] / 256, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + (x + 6) * box["width"] / 256, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
    page.locator("#edit-field-prompt textarea").fill("a yellow background")
    for name, value in (("#edit-strength", "1"), ("#edit-field-seed", "4"), ("#edit-field-width", "256")):
        page.locator(f"{name} input").first.fill(value)
    page.click("#edit-generate")
    page.locator("#edit-interrupt").wait_for(timeout=WAIT)
    page.locator("#edit-generate").wait_for(timeout=WAIT)
    expect(page.locator("#edit-compare .was")).to_be_visible()
    page.mouse.move(0, 0)
    page.wait_for_timeout(800)
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=IMAGES / "edit-regions-1440.png")
    page.close()


def paint(page: Page) -> None:
    """A blot in the middle of the picture."""
    box = page.locator("#edit .sheet img").bounding_box()
    assert box
    across, down = box["width"], box["height"]
    page.mouse.move(box["x"] + 0.35 * across, box["y"] + 0.4 * down)
    page.mouse.down()
    for x, y in ((0.6, 0.4), (0.65, 0.5), (0.4, 0.55), (0.35, 0.65), (0.62, 0.68)):
        page.mouse.move(box["x"] + x * across, box["y"] + y * down, steps=8)
    page.mouse.up()


def write_tree(folder: Path) -> Path:
    """The models folder of another studio: headers of full size over holes, which take no room."""
    root = folder / "stable-diffusion-webui" / "models"
    pad = "model.diffusion_model.rest"
    files: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, str]]] = {
        "Stable-diffusion/harbour-v3": (unet(768) | {pad: (1_000_000_000,)}, {}),
        "Stable-diffusion/harbour-v3-inpainting": (unet(768, 9) | {pad: (1_000_000_000,)}, {}),
        "Stable-diffusion/meadow-768": (unet(1024) | {pad: (1_260_000_000,)}, {}),
        "Stable-diffusion/lines-xl": (unet(2048) | {pad: (3_400_000_000,)}, {}),
        "Lora/ink-wash": ({KOHYA: (16, 768), "rest": (18_900_000,)}, INK),
        "Lora/paper-cut": ({KOHYA: (32, 2048), "lora_unet_rest.alpha": (85_000_000,)}, {}),
        "VAE/soft-light": (VAE | {"rest": (167_000_000,)}, {}),
        "embeddings/tidy-hands": ({"emb_params": (4, 768)}, {}),
        "ControlNet/edges": (CONTROL | {"control_model.rest": (722_000_000,)}, {}),
    }
    for name, (shapes, metadata) in files.items():
        file = root / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_header(file, shapes, metadata)
    (root / "Stable-diffusion" / "from-2022.ckpt").write_bytes(b"PK\x03\x04" * 1000)
    return root


def shoot_models(browser: Browser, studio: Studio, tree: Path) -> None:
    """Models, with the folder opened and a LoRA looked at. Pictures of the gallery are its thumbnails."""
    drawn = sorted((studio.home / "gallery" / "pictures").glob("*/*.png"))
    for picture, name in zip(drawn, ("Lora/ink-wash", "Stable-diffusion/meadow-768"), strict=False):
        shutil.copy(picture, tree / f"{name}.preview.png")
    for width, height in ((1440, 900), (390, 844)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(studio.url)
        page.get_by_role("tab", name="Models").click()
        page.locator(".cards").wait_for()
        if width > 1000:
            page.get_by_role("button", name="Model folders").click()
            page.locator("#folder input, #folder textarea").first.fill(str(tree))
            page.click("#folder-open")
            expect(page.locator("#folder-notice")).to_contain_text("Open")
            page.get_by_role("button", name="Model folders").click()
        page.locator(".card", has_text="ink-wash").click()
        expect(page.locator("#about")).to_contain_text("inkwash")
        expect(page.locator("#about dd").filter(has_text="being taken")).to_have_count(0)
        page.mouse.move(0, 0)
        page.wait_for_timeout(1200)
        page.screenshot(path=IMAGES / f"models-{width}.png", full_page=True)
        page.close()


def draw(page: Page, prompt: str, count: int = 4) -> None:
    page.locator("#field-prompt textarea").fill(prompt)
    page.locator("#field-count input[type=number]").fill(str(count))
    page.click("#generate")
    page.locator("#interrupt").wait_for(timeout=WAIT)
    page.locator("#generate").wait_for(timeout=WAIT)
    expect(page.locator("#results")).to_be_visible()


if __name__ == "__main__":
    main()
