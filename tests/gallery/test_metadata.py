"""A recipe travels in the picture it made; others' pictures give theirs as far as it is understood."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gallery.metadata import MetadataError, Stamp, encode_png, read_recipe, read_stamp, restore, save_picture
from gallery.pictures import PictureError, open_picture
from pipelines.recipe import Recipe

RECIPE = Recipe(
    prompt='three "red" apples,\nNegative prompt: on blue <b>日本</b>',
    negative="Steps: 1, Sampler: x, Seed: 3",
    sampler="ddim",
    eta=0.5,
    guidance=7.25,
    seed=2**32 - 1,
    rescale=0.7,
    schedule="karras",
)
PICTURE = Image.new("RGB", (16, 8), "navy")


def png_with(tmp_path: Path, **chunks: str) -> Path:
    info = PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text)
    file = tmp_path / "given.png"
    PICTURE.save(file, pnginfo=info)
    return file


def test_a_recipe_comes_back_exactly(tmp_path: Path) -> None:
    save_picture(PICTURE, RECIPE, tmp_path / "a.png")
    assert read_recipe(tmp_path / "a.png") == RECIPE  # though its prompt looks like the other format's lines
    assert restore(tmp_path / "a.png").notes == ()
    assert open_picture(tmp_path / "a.png").tobytes() == PICTURE.tobytes()


def test_the_longest_recipe_comes_back_too(tmp_path: Path) -> None:
    long = "\x01" * 4000  # six characters each in JSON
    recipe = Recipe(prompt=long, negative=long, words=(long, long))
    save_picture(PICTURE, recipe, tmp_path / "long.png")
    assert read_recipe(tmp_path / "long.png") == recipe


def test_both_texts_are_in_the_file(tmp_path: Path) -> None:
    save_picture(PICTURE, Recipe(prompt="a cat", seed=5), tmp_path / "a.png")
    info = Image.open(tmp_path / "a.png").info
    assert json.loads(info["atelier"])["prompt"] == "a cat"
    assert info["parameters"].startswith("a cat\nSteps: 20, Sampler: DPM++ 2M, ")
    assert "Seed: 5, Size: 128x128, Model: starter" in info["parameters"]
    assert "atelier-entry" not in info  # a picture outside the gallery has no place in it


def test_a_stamp_comes_back(tmp_path: Path) -> None:
    stamp = Stamp("0" * 32, datetime(2026, 1, 2, 3, 4, 5, 678, UTC), ("1" * 32,))
    (tmp_path / "a.png").write_bytes(encode_png(PICTURE, RECIPE, stamp))
    assert read_stamp(open_picture(tmp_path / "a.png")) == stamp


def test_a_picture_without_settings_says_so(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "plain.png")
    with pytest.raises(MetadataError, match="carries no settings"):
        restore(tmp_path / "plain.png")


def test_what_is_not_understood_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    values = {
        "version": 1,
        "prompt": "a cat",
        "steps": 0,
        "sampler": "unipc",
        "wings": 2,
        "seed": 9,
        "guidance": True,
    }
    found = restore(png_with(tmp_path, atelier=json.dumps(values)))
    assert found.recipe == Recipe(prompt="a cat", seed=9)
    told = " ".join(found.notes)
    for part in ("Steps: got 0", "Sampler: got 'unipc'", "'wings'", "Guidance: got True"):
        assert part in told
    assert len(found.notes) == 4


def test_fields_are_checked_together(tmp_path: Path) -> None:
    values = {"count": 16, "width": 2048, "height": 2048, "eta": 0.5, "sampler": "ddim", "prompt": "x"}
    found = restore(png_with(tmp_path, atelier=json.dumps(values)))
    assert found.recipe.count == 1 and found.recipe.eta == 0.5
    assert len(found.notes) == 1 and "Count" in found.notes[0]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", "[" * 60_000, '{"a":' * 30_000, "{}", '{"steps": 1e999}', '{"prompt": NaN}'],
)
def test_a_hostile_chunk_is_one_plain_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(MetadataError, match="^Picture: "):
        restore(png_with(tmp_path, atelier=text))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"id": 1, "created": "soon", "parents": []}', '{"id":1,"parents":7}']
)
def test_a_stamp_of_nonsense_is_none(tmp_path: Path, text: str) -> None:
    assert read_stamp(open_picture(png_with(tmp_path, **{"atelier-entry": text}))) is None


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_settings_in_exif_are_read(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    text = "a fox 🦊\nSteps: 12, Sampler: Heun, CFG scale: 3, Seed: 4, Size: 64x64"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    PICTURE.save(tmp_path / "given", format=kind, exif=exif)
    assert read_recipe(tmp_path / "given") == Recipe(
        prompt="a fox 🦊", steps=12, sampler="heun", guidance=3.0, seed=4, width=64, height=64
    )


def test_a_torn_file_of_ours_is_a_picture_error(tmp_path: Path) -> None:
    save_picture(Image.effect_noise((64, 64), 90), RECIPE, tmp_path / "a.png")
    raw = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(PictureError, match="damaged"):
        restore(tmp_path / "a.png")
