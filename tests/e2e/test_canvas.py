"""The Edit tab's canvas by itself, in a real browser: strokes, keys, fingers, undo, zoom, what is kept."""

import io
from base64 import b64decode
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.studio import ROOT
from tests.e2e.test_create import until
from ui.easel import SCRIPTS

pytestmark = pytest.mark.e2e

STATIC = ROOT / "static"
ADDRESS = "http://127.0.0.1:9/"  # nothing listens there: the test answers
SIZE = (96, 64)


def document() -> str:
    scripts = "".join(f"<script>{script.read_text()}</script>" for script in SCRIPTS)
    styles = "".join((STATIC / name).read_text() for name in ("style.css", "edit.css"))
    canvas = (STATIC / "canvas.html").read_text()
    mount = "<script>AtelierEdit.mount(document.body)</script>"
    return f"<!doctype html><style>{styles}</style>{scripts}<input id=words>{canvas}{mount}"


def answer(route: Route) -> None:
    if not route.request.url.endswith(".png"):
        route.fulfill(body=document(), content_type="text/html; charset=utf-8")
        return
    picture = io.BytesIO()
    Image.new("RGB", SIZE, "white" if "mask" in route.request.url else "navy").save(picture, format="PNG")
    route.fulfill(body=picture.getvalue(), content_type="image/png")


@pytest.fixture(params=[1440, 390])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": request.param, "height": 844}, has_touch=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    context.route(ADDRESS + "**", answer)
    page.goto(ADDRESS)
    open_picture(page)
    yield page
    context.close()
    assert not faults


def open_picture(page: Page, name: str = "a", more: str = "") -> None:
    width, height = SIZE
    page.evaluate(
        f"""AtelierEdit.open('{{"picture": {{"name": "{name}", "url": "/{name}.png", "width": {width},
        "height": {height}}}{more}}}')""".replace("\n", " ")
    )
    expect(page.locator(".sheet canvas")).to_be_visible()
    page.wait_for_function(f"AtelierEdit.given()[0] === '{name}'")


def mask(page: Page) -> np.ndarray:
    """(H, W) of bytes: what would be sent; zeros where nothing is."""
    sent = page.evaluate("AtelierEdit.given()[1]")
    if not sent:
        return np.zeros(SIZE[::-1], np.uint8)
    with Image.open(io.BytesIO(b64decode(sent.removeprefix("data:image/png;base64,")))) as image:
        assert image.size == SIZE
        return np.asarray(image.convert("L"))


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture is on the screen."""
    box = page.locator(".sheet img").bounding_box()
    assert box
    return box["x"] + x * box["width"] / SIZE[0], box["y"] + y * box["height"] / SIZE[1]


def stroke(page: Page, *points: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*at(page, *point), steps=4)
    page.mouse.up()


def test_a_stroke_masks_what_the_brush_went_over(page: Page) -> None:
    stroke(page, (20, 32), (70, 32))
    drawn = mask(page)
    assert drawn[32, 20:71].min() == 255  # along its way
    assert drawn[:20].max() == drawn[44:].max() == 0 and drawn[:, :10].max() == drawn[:, 80:].max() == 0
    expect(page.locator(".said")).to_contain_text("% of the picture is masked")
    page.mouse.click(*at(page, 50, 10))
    assert mask(page)[10, 50] == 255  # a dot


def test_tools_by_key_and_undo(page: Page) -> None:
    stroke(page, (20, 32), (70, 32))
    whole = mask(page)
    page.keyboard.press("e")
    stroke(page, (45, 10), (45, 60))
    holed = mask(page)
    assert holed[32, 45] == 0 and holed[32, 25] == 255
    page.keyboard.press("x")
    assert (mask(page) == 255 - holed).all()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert (mask(page) == whole).all()
    page.keyboard.press("Control+Shift+z")
    assert (mask(page) == holed).all()
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Brush")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Clear the mask").click()
    assert mask(page).max() == 0
    before = int(page.locator(".size output").inner_text())
    page.keyboard.press("]")
    assert int(page.locator(".size output").inner_text()) > before
    page.keyboard.press("[")
    assert int(page.locator(".size output").inner_text()) == before


def test_what_is_typed_is_no_command(page: Page) -> None:
    stroke(page, (20, 32), (70, 32))
    drawn = mask(page)
    page.locator("#words").press_sequentially("xb[")
    assert (mask(page) == drawn).all() and page.locator("#words").input_value() == "xb["


def test_zoomed_and_panned_strokes_land_where_the_pointer_is(page: Page) -> None:
    page.mouse.move(*at(page, 48, 32))
    page.mouse.wheel(0, -600)
    page.wait_for_function("document.querySelector('.far').textContent !== ''")
    spot = at(page, 48, 32)
    page.keyboard.down(" ")
    page.mouse.down()
    page.mouse.move(spot[0] + 30, spot[1] + 20, steps=3)
    page.mouse.up()
    page.keyboard.up(" ")
    assert mask(page).max() == 0  # panning paints nothing
    moved = at(page, 48, 32)
    assert moved[0] - spot[0] == pytest.approx(30, abs=1) and moved[1] - spot[1] == pytest.approx(20, abs=1)
    stroke(page, (44, 30), (52, 30))
    drawn = mask(page)
    assert drawn[30, 44:53].min() == 255 and drawn[:20].max() == 0


def reloaded(page: Page) -> np.ndarray:
    page.reload()
    page.wait_for_function("AtelierEdit.given()[1] !== ''")
    assert page.evaluate("AtelierEdit.given()[0]") == "a"
    return mask(page)


def test_a_reload_right_after_a_stroke_loses_nothing(page: Page) -> None:
    page.evaluate("HTMLCanvasElement.prototype.toBlob = () => {}")  # as if the picture were endlessly large
    stroke(page, (20, 32), (70, 40))
    drawn = mask(page)
    assert (reloaded(page) == drawn).all()
    until(lambda: page.evaluate("Object.keys(localStorage).length") == 0)  # what was left is where it belongs
    assert (reloaded(page) == drawn).all()


def test_two_pages_do_not_disturb_each_other(page: Page) -> None:
    stroke(page, (20, 12), (70, 12))
    first = mask(page)
    assert (reloaded(page) == first).all()
    with page.context.expect_page() as opened:
        page.evaluate("window.open(location.href) && 0")  # has the first one's sessionStorage
    other = opened.value
    other.wait_for_function("AtelierEdit.given()[1] !== ''")
    assert (mask(other) == first).all()  # what the last page left
    stroke(other, (20, 50), (70, 50))
    second = mask(other)
    assert (second != first).any()
    assert (reloaded(page) == first).all() and (reloaded(other) == second).all()


def test_elements_made_anew_show_the_same_mask(page: Page) -> None:
    stroke(page, (20, 32), (70, 40))
    drawn = mask(page)
    page.evaluate(
        """(made) => {
            document.querySelector(".easel").outerHTML = made;
            AtelierEdit.mount(document.body);
        }""",
        (STATIC / "canvas.html").read_text(),
    )
    assert (mask(page) == drawn).all()
    stroke(page, (20, 50), (70, 50))
    assert mask(page)[50, 20:71].min() == 255


def test_the_keyboard_alone_paints(page: Page) -> None:
    page.locator(".view").focus()
    page.keyboard.press("Enter")
    middle = mask(page)
    assert middle[32, 48] == 255 and middle[:, :30].max() == 0
    for _ in range(8):
        page.keyboard.press("Shift+ArrowLeft")
    drawn = mask(page)
    assert drawn[32, 34:49].min() == 255 and drawn[:, 60:].max() == 0
    expect(page.locator(".said")).to_contain_text("Painted at")


def test_a_pen_paints_its_other_end_erases_and_a_palm_beside_it_does_nothing(page: Page) -> None:
    wire = page.context.new_cdp_session(page)
    page.evaluate("addEventListener('pointerdown', (event) => { window.kind = event.pointerType; }, true)")

    def pen(kind: str, x: float, y: float) -> None:
        place = dict(zip("xy", at(page, x, y), strict=True))
        held = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen", "force": 0.5}
        wire.send("Input.dispatchMouseEvent", {"type": kind, **place, **held})

    def palm(kind: str, *points: tuple[float, float]) -> None:
        places = [dict(zip("xy", at(page, *point), strict=True)) for point in points]
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    pen("mousePressed", 20, 32)
    assert page.evaluate("kind") == "pen"
    pen("mouseMoved", 40, 32)
    palm("touchStart", (60, 58))
    palm("touchMove", (80, 58))
    palm("touchEnd")
    pen("mouseMoved", 70, 32)
    pen("mouseReleased", 70, 32)
    drawn = mask(page)
    assert drawn[32, 20:71].min() == 255 and drawn[45:].max() == 0
    page.mouse.move(*at(page, 45, 20))  # a browser has no way to turn a pen but to say so: button 5
    page.evaluate(
        """([[x, y], [to_x, to_y]]) => {
            const view = document.querySelector(".view");
            const turned = { pointerId: 1, pointerType: "pen", button: 5, buttons: 32, bubbles: true };
            const says = (kind, clientX, clientY) =>
                view.dispatchEvent(new PointerEvent(kind, { ...turned, clientX, clientY }));
            says("pointerdown", x, y);
            says("pointermove", to_x, to_y);
            says("pointerup", to_x, to_y);
        }""",
        [at(page, 45, 20), at(page, 45, 44)],
    )
    assert mask(page)[32, 45] == 0 and mask(page)[32, 25] == 255


def test_two_fingers_zoom_and_paint_nothing(page: Page) -> None:
    wire = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    left, right = at(page, 30, 32), at(page, 60, 32)
    width = (page.locator(".sheet img").bounding_box() or {})["width"]
    touch("touchStart", left)
    touch("touchMove", (left[0] + 6, left[1] + 6))
    touch("touchStart", (left[0] + 6, left[1] + 6), right)
    for far in (10, 20, 40):
        touch("touchMove", (left[0] - far, left[1]), (right[0] + far, right[1]))
    touch("touchEnd")
    assert mask(page).max() == 0
    assert (page.locator(".sheet img").bounding_box() or {})["width"] > width * 1.3
    touch("touchStart", at(page, 48, 20))
    touch("touchMove", at(page, 48, 30))
    touch("touchEnd")
    assert mask(page)[20:31, 48].min() == 255  # one finger paints


def test_a_mask_is_loaded_or_refused(page: Page) -> None:
    half = Image.new("L", SIZE)
    half.paste(255, (0, 0, 48, 64))
    half.paste(128, (48, 0, 60, 64))
    for image, said in (
        (half, "Mask: loaded."),
        (half.resize((48, 32)), "Mask: got 48 x 32 pixels; allowed: the 96 x 64"),
    ):
        file = io.BytesIO()
        image.save(file, format="PNG")
        page.locator(".mask-file").set_input_files(
            [{"name": "mask.png", "mimeType": "image/png", "buffer": file.getvalue()}]
        )
        expect(page.locator(".said")).to_contain_text(said)
        assert np.abs(mask(page).astype(int) - np.asarray(half)).max() <= 1
    page.locator(".mask-file").set_input_files(
        [{"name": "m.png", "mimeType": "image/png", "buffer": b"<svg>"}]
    )
    expect(page.locator(".said")).to_contain_text("a file that is no picture")


def test_another_picture_has_a_mask_of_its_own_and_the_same_size_may_keep_it(page: Page) -> None:
    stroke(page, (20, 32), (70, 40))
    drawn = mask(page)
    open_picture(page, "b", ', "keepMask": true')
    assert (mask(page) == drawn).all()
    open_picture(page, "c", ', "mask": "/mask.png"')
    assert mask(page).min() == 255
    open_picture(page, "d")
    assert mask(page).max() == 0
