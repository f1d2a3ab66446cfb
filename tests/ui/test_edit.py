"""The Edit tab without a browser: what it accepts from one, refuses and restores."""

import io
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from engine import Catalogue, Engine
from gallery import Gallery, PictureError, save_picture
from pipelines.recipe import Control, Recipe, RecipeError, Reference, Region, Tiles, Variation
from pipelines.recipe import Edit as Over
from tests.gallery.test_pictures import header_only_png
from ui import show
from ui.create import Create
from ui.easel import DATA, NO_PICTURE, Given
from ui.edit import Edit

SIZE = (48, 32)


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Edit]:
    gallery = Gallery(tmp_path / "gallery")
    engine, catalogue = Engine(gallery=gallery), Catalogue(tmp_path)
    catalogue.look()
    with gr.Blocks(), gr.Tabs() as tabs:
        with gr.Tab():
            create = Create(engine, gallery, catalogue, gr.BrowserState({}))
        with gr.Tab():
            yield Edit(engine, gallery, catalogue, create, gr.BrowserState({}), tabs)
    gallery.close()


def kept(tab: Edit) -> str:
    return tab._gallery.inputs.add(Image.linear_gradient("L").resize(SIZE).convert("RGB"))


def sent(image: Image.Image, form: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, format=form)
    return DATA + b64encode(buffer.getvalue()).decode()


def settings(tab: Edit, **values: Any) -> list[Any]:
    switched = tab.settings._switched.names
    names = ["controls", "references", *tab.settings.form.names, *switched, *tab.settings.part.names]
    boxes = zip(names, tab.settings.asked, strict=True)
    return [values.get(name, box.value) for name, box in boxes]  # pyright: ignore


def test_the_form_the_picture_and_the_mask_make_a_recipe(tab: Edit) -> None:
    mask = Image.new("L", SIZE)
    mask.paste(255, (0, 0, 20, 20))
    given = settings(tab, prompt="a cat", strength=0.5, feather=3, content="noise", left=16, seed=7)
    recipe = tab.recipe(given, Given(kept(tab), sent(mask), "", ""))
    assert recipe.edit is not None and recipe.edit.mask is not None
    assert (recipe.prompt, recipe.seed) == ("a cat", 7)
    edit = recipe.edit
    assert (edit.strength, edit.feather, edit.content, edit.left) == (0.5, 3, "noise", 16)
    assert edit.picture == kept(tab)
    assert tab._gallery.inputs[edit.mask].convert("L").tobytes() == mask.tobytes()


def test_no_mask_is_all_of_the_picture(tab: Edit) -> None:
    recipe = tab.recipe(settings(tab), Given(kept(tab), "", "", ""))
    assert recipe.edit is not None and recipe.edit.everywhere


REFUSED: dict[str, tuple[object, str]] = {
    "a list": (["x"], "^Mask: got .*; allowed: a PNG"),
    "an address": ("http://127.0.0.1/mask.png", "^Mask: got .*; allowed: a PNG"),
    "no base64": (DATA + "<>", "^Mask: got one that cannot be opened"),
    "no picture": (DATA + b64encode(b"<svg onload=alert(1)>").decode(), "^Mask: got one that cannot be"),
    "a JPEG": (sent(Image.new("L", SIZE, 255), "JPEG"), "not a PNG file"),
    "too large": (DATA + "A" * 27_000_000, "^Mask: got 20 MB; allowed: at most 20 MB"),
    "another size": (sent(Image.new("L", (32, 48), 255)), "^Mask: got 32 x 48 pixels; allowed: the 48 x 32"),
    "a bomb": (DATA + b64encode(header_only_png(30_000, 30_000)).decode(), "megapixels"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_mask_that_is_none_is_refused(tab: Edit, what: str) -> None:
    mask, said = REFUSED[what]
    before = set(tab._gallery.inputs) | {kept(tab)}
    with pytest.raises(RecipeError, match=said):
        tab.recipe(settings(tab), Given(kept(tab), mask, "", ""))
    assert set(tab._gallery.inputs) == before  # and is not kept


@pytest.mark.parametrize("picture", ["", None, 7, "0" * 64, "../../../etc/passwd"])
def test_a_picture_that_is_not_here_is_refused(tab: Edit, picture: object) -> None:
    with pytest.raises(RecipeError, match="^Init picture: got .*; allowed"):
        tab.recipe(settings(tab), Given(picture, "", "", ""))


def test_settings_that_are_not_allowed_name_their_field(tab: Edit) -> None:
    with pytest.raises(RecipeError, match="^Edit, Padding: got nothing; allowed: a whole number"):
        tab.recipe(settings(tab, padding=None), Given(kept(tab), "", "", ""))
    updates = tab._start({}, {}, *settings(tab), "", "", "", "")
    assert updates == {tab.watch.notice: show.notice(NO_PICTURE)}


def test_a_click_before_the_page_has_opened_is_obeyed(tab: Edit) -> None:
    picture = kept(tab)
    drawn = tab._start(None, None, *settings(tab), picture, "", "", "")
    larger = tab._upscale._start(None, None, "lanczos", 2, picture, "", "", "")
    jobs = tab._engine.jobs("local")
    assert [updates[tab._kept]["job"] for updates in (drawn, larger)] == [job.id for job in jobs]
    assert jobs[1].recipe.upscale is not None and "seed" not in larger[tab._kept]


def test_what_cannot_be_opened_says_why(tab: Edit, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<svg onload=alert(1)>")
    updates = tab._open(str(tmp_path / "page.png"))
    assert updates[tab._easel.told] == "" and "not a PNG, JPEG or WebP" in updates[tab.watch.notice]


def test_an_opened_picture_is_told_to_the_canvas(tab: Edit, tmp_path: Path) -> None:
    Image.new("RGB", SIZE, "olive").save(tmp_path / "given.png")
    told = json.loads(tab._open(str(tmp_path / "given.png"))[tab._easel.told])["picture"]
    assert (told["width"], told["height"]) == SIZE
    assert told["name"] in tab._gallery.inputs and told["url"].endswith(f"/{told['name']}.png")


def test_what_is_changed_of_an_opened_picture_is_said(tab: Edit, tmp_path: Path) -> None:
    Image.fromarray(np.zeros(SIZE[::-1], np.uint16)).save(tmp_path / "deep.png")
    updates = tab._open(str(tmp_path / "deep.png"))
    assert "16 bits a channel became 8" in updates[tab.watch.notice] and updates[tab._easel.told]
    Image.new("RGBA", SIZE).save(tmp_path / "clear.png")
    assert tab._open(str(tmp_path / "clear.png"))[tab.watch.notice] == ""  # nothing was
    panel = tab.settings._panels[0]
    seen = panel._look(str(tmp_path / "deep.png"))[panel._hint]
    assert "16 bits a channel became 8" in seen
    assert "transparent parts are seen as black" in panel._look(str(tmp_path / "clear.png"))[panel._hint]
    assert "transparency was dropped" in panel._look(str(tmp_path / "clear.png"), "canny")[panel._hint]


def test_an_edit_is_restored_whole(tab: Edit) -> None:
    mask = tab._gallery.inputs.add(Image.new("L", SIZE, 255))
    over = Over(picture=kept(tab), mask=mask, strength=0.4, content="fill", area="masked", padding=5, grow=-2,
                feather=1, invert=True, soft=True, left=8, top=24, resize="crop")  # fmt: skip
    recipe = Recipe(prompt="a cat", seed=9, steps=7, rescale=0.3, edit=over)
    entry = tab._gallery.add(Image.new("RGB", SIZE), recipe)
    updates = tab.rerun(entry.id)
    told = json.loads(updates[tab._easel.told])
    assert told["picture"]["name"] == over.picture and told["mask"].endswith(f"/{mask}.png")
    shown = {box.elem_id: update["value"] for box, update in updates.items()
             if box in tab.settings.asked and isinstance(update, dict)}  # fmt: skip
    edit_boxes = {
        f"edit-{name}": value
        for name, value in over.model_dump(exclude={"picture", "mask", "sketch"}).items()
    }
    assert shown.items() >= edit_boxes.items()
    assert {"edit-field-seed": 9, "edit-field-steps": 7, "edit-field-rescale": 0.3}.items() <= shown.items()


def test_what_an_edit_follows_and_takes_after_is_drawn_kept_and_restored(tab: Edit) -> None:
    picture = kept(tab)
    lists = {
        "controls": [Control(net="edges", picture=picture, weight=0.7, end=0.5).model_dump()],
        "references": [Reference(adapter="plus", picture=picture, start=0.25).model_dump()],
    }
    given = settings(tab, **{field: json.dumps(some) for field, some in lists.items()})
    recipe = tab.recipe(given, Given(picture, "", "", ""))
    assert {field: recipe.model_dump()[field] for field in lists} == {k: tuple(v) for k, v in lists.items()}

    memory = tab.settings.remembered(given)
    entry = tab._gallery.add(Image.new("RGB", SIZE), recipe)
    for updates in (tab.open({}, json.loads(json.dumps(memory))), tab.rerun(entry.id)):
        shown = {box.elem_id: value for box, value in updates.items() if box in tab.settings.outputs}
        for field, some in lists.items():
            assert json.loads(shown[f"edit-field-{field}"]) == some
            assert "weight" in shown[f"edit-{field}-list"]
    assert "Not restored" not in tab.rerun(entry.id)[tab.watch.notice]


def test_what_is_no_list_of_controlnets_is_refused(tab: Edit) -> None:
    with pytest.raises(RecipeError, match="^ControlNets: got '{'; allowed: a list of at most 4"):
        tab.recipe(settings(tab, controls="{"), Given(kept(tab), "", "", ""))


def test_an_edit_whose_picture_is_gone_says_so(tab: Edit) -> None:
    entry = tab._gallery.add(Image.new("RGB", SIZE), Recipe(edit=Over(picture="0" * 64)))
    updates = tab.rerun(entry.id)
    assert updates[tab._easel.told] == ""
    assert f"Init picture: got {'0' * 64}, which is not here" in updates[tab.watch.notice]


def test_a_model_that_is_not_here_is_said(tab: Edit) -> None:
    entry = tab._gallery.add(Image.new("RGB", SIZE), Recipe(model="<b>", edit=Over(picture=kept(tab))))
    assert "Not restored: Model &#x27;&lt;b&gt;&#x27;" in tab.rerun(entry.id)[tab.watch.notice]


def test_variation_tiles_and_seamless_edges_go_with_an_edit_and_come_back(tab: Edit) -> None:
    given = settings(tab, **{"variation": True, "variation-seed": 7, "variation-strength": 0.3})
    recipe = tab.recipe(given, Given(kept(tab), "", "", ""))
    assert recipe.variation == Variation(seed=7, strength=0.3) and recipe.tiles is None
    for more in ({"tiles": Tiles(side=256, overlap=32)}, {"seamless": "x"}):
        made = recipe.model_copy(update=more)
        entry = tab._gallery.add(Image.new("RGB", SIZE), made)
        updates = tab.rerun(entry.id)
        assert "Not restored" not in updates[tab.watch.notice]
        again = [updates[box]["value"] if isinstance(updates.get(box), dict) else value
                 for box, value in zip(tab.settings.asked, given, strict=True)]  # fmt: skip
        assert tab.recipe(again, Given(kept(tab), "", "", "")) == made
        memory = json.loads(json.dumps(tab.settings.remembered(again)))
        shown = tab.open({}, memory)
        switch = tab.settings._switched.components[0]
        assert shown[switch]["value"] is True


def test_regions_come_back_with_their_words_loras_weights_and_masks(tab: Edit) -> None:
    masks = [Image.new("L", SIZE, 255), Image.linear_gradient("L").resize(SIZE)]
    words = [("{red|blue} cat <lora:noir:0.8>", 0.5), ("a (dog:1.2)", 1.0)]
    painted = [{"prompt": said, "weight": weight, "mask": sent(mask)}
               for (said, weight), mask in zip(words, masks, strict=True)]  # fmt: skip
    recipe = tab.recipe(settings(tab), Given(kept(tab), "", "", json.dumps(painted)))
    entry = tab._gallery.add(Image.new("RGB", SIZE), recipe)
    told = json.loads(tab.rerun(entry.id)[tab._easel.told])["regions"]
    assert [(one["prompt"], one["weight"]) for one in told] == words
    for one, mask in zip(told, masks, strict=True):
        file = one["url"].removeprefix("gradio_api/file=")
        with Image.open(file) as image:
            assert image.convert("L").tobytes() == mask.tobytes()


def dropped(tab: Edit, tmp_path: Path, **more: Any) -> tuple[Path, Recipe]:
    """A file of an edit, and its recipe."""
    recipe = Recipe(prompt="a cat", edit=Over(picture=kept(tab), strength=0.4), **more)
    save_picture(Image.new("RGB", SIZE, "teal"), recipe, tmp_path / "made.png")
    return tmp_path / "made.png", recipe


def test_the_edit_of_a_dropped_file_is_offered_and_restored(tab: Edit, tmp_path: Path) -> None:
    file, recipe = dropped(tab, tmp_path)
    create = tab._create
    for updates, offer, notice in (
        (create._restore(str(file)), create.rerun, create.watch.notice),
        (tab._open(str(file)), tab._rerun, tab.watch.notice),
    ):
        assert updates[offer.button]["visible"] is True and "Re-run this edit" in updates[notice]
        restored = tab.restore(updates[offer.recipe])
        assert json.loads(restored[tab._easel.told])["picture"]["name"] == kept(tab)
        assert restored[tab.settings.form["prompt"]]["value"] == "a cat"
        assert "The edit was restored" in restored[tab.watch.notice]
        assert set(offer.outputs) <= {*create.reuse_outputs, *tab._told}
    assert recipe == updates[offer.recipe]


def test_what_a_dropped_edit_lacks_is_named(tab: Edit, tmp_path: Path) -> None:
    far = {"controls": (Control(net="edges", picture="1" * 64),), "regions": (Region(mask="2" * 64),)}
    file, _ = dropped(tab, tmp_path, **far)
    create = tab._create
    for updates, offer, notice in (
        (create._restore(str(file)), create.rerun, create.watch.notice),
        (tab._open(str(file)), tab._rerun, tab.watch.notice),
    ):
        assert updates[offer.button]["visible"] is False and updates[offer.recipe] is None
        said = updates[notice]
        assert "cannot be run again here" in said and "Init picture" not in said
        assert f"ControlNet 1: got {'1' * 64}, which is not here" in said
        assert f"Region 1: got {'2' * 64}, which is not here" in said
    assert (
        json.loads(updates[tab._easel.told])["picture"]["width"] == SIZE[0]
    )  # to be drawn over all the same


def test_a_file_that_is_no_edit_offers_nothing(tab: Edit, tmp_path: Path) -> None:
    save_picture(Image.new("RGB", SIZE, "teal"), Recipe(prompt="x"), tmp_path / "plain.png")
    for updates, offer in (
        (tab._create._restore(str(tmp_path / "plain.png")), tab._create.rerun),
        (tab._open(str(tmp_path / "plain.png")), tab._rerun),
    ):
        assert updates[offer.button]["visible"] is False and updates[offer.recipe] is None


def test_a_picture_of_the_gallery_comes_with_its_words(tab: Edit) -> None:
    entry = tab._gallery.add(Image.new("RGB", SIZE, "teal"), Recipe(prompt="an owl", seed=5, steps=9))
    updates, form = tab.take(entry.id), tab.settings.form
    assert json.loads(updates[tab._easel.told])["picture"]["width"] == SIZE[0]
    assert updates[form["prompt"]]["value"] == "an owl" and form["seed"] not in updates
    assert tab.take("nothing")[tab._easel.told] == ""


def test_before_lies_within_after(tab: Edit) -> None:
    over = Over(picture=kept(tab), left=48, top=8)
    entry = tab._gallery.add(Image.new("RGB", (96, 40)), Recipe(edit=over))
    assert "left:50.000%;top:20.000%;width:50.000%" in tab._beside(entry.id)[tab._compare]
    assert set(tab._beside("nothing").values()) == {""}


def test_the_details_tell_of_the_edit() -> None:
    over = Over(picture="0" * 64, mask="1" * 64, area="masked", soft=True)
    assert show._edit(over) == "inside a mask, Strength 0.75, Inpaint area Only masked, Soft inpainting"


def test_a_file_that_is_no_picture_is_told_apart() -> None:
    from gallery.pictures import open_bytes

    with pytest.raises(PictureError, match="not a PNG, JPEG or WebP"):
        open_bytes(b"nothing")


@pytest.mark.parametrize(("regions", "said"), [
    ("{}", "^Regions: got "), ("[" * 100_000, "^Regions: got "), ("[1]", "^Regions: got "),
    ('[{"prompt": "x", "weight": 1, "mask": ""}]', "^Region 1: got one that is not painted"),
    ('[{"prompt": "x", "weight": 1, "mask": "file:///x"}]', "^Region 1: got 'file:///x'; allowed: a PNG"),
    ('[{"prompt": 3, "weight": 1, "mask": "MASK"}]', "^Region 1, Region prompt: got 3"),
    ('[{"prompt": "x", "weight": 9, "mask": "MASK"}]', "^Region 1, Region weight: got 9.0; allowed"),
    (3, None),
])  # fmt: skip
def test_regions_that_are_none_are_refused(tab: Edit, regions: Any, said: str | None) -> None:
    mask = Image.new("L", SIZE, 255)
    given = Given(kept(tab), "", "", regions.replace("MASK", sent(mask)) if said else regions)
    if said is None:
        assert tab.recipe(settings(tab), given).regions == ()
        return
    with pytest.raises(RecipeError, match=said):
        tab.recipe(settings(tab), given)
