"""Folders of pictures: every way to say what they show, and nothing in one that stops or misleads."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.data import opened
from training.data.folder import Folder, read_folder


def draw(file: Path, size: tuple[int, int] = (8, 6), colour: str = "red") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)
    return file


def captions(folder: Folder) -> dict[str, str]:
    return {e.file.relative_to(folder.root).as_posix(): e.caption for e in folder.examples}


def reasons(folder: Folder) -> dict[str, str]:
    return {one.file: one.reason for one in folder.skipped}


def test_each_way_to_say_what_a_picture_shows(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("\ufeffa red  square\n", "utf-8")
    draw(tmp_path / "plain.jpg")
    draw(tmp_path / "cats" / "1.webp")
    draw(tmp_path / "10_old dog" / "1.PNG")
    for name in ("b.png", "both.png", "sub/c.png", "csv/d.png"):
        draw(tmp_path / name)
    (tmp_path / "both.txt").write_text("the text wins")
    rows = [{"file_name": n, "text": f"of {n}"} for n in ("b.png", "both.png", "sub/c.png")]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "csv/metadata.csv").write_text('file_name,text\nd.png,"one, two"\n')
    folder = read_folder(tmp_path)
    assert folder.skipped == ()
    assert captions(folder) == {
        "a.png": "a red  square", "plain.jpg": "", "cats/1.webp": "cats", "10_old dog/1.PNG": "old dog",
        "b.png": "of b.png", "both.png": "the text wins", "sub/c.png": "of sub/c.png",
        "csv/d.png": "one, two",
    }  # fmt: skip
    of = {e.file.parent.name: (e.label, e.repeats) for e in folder.examples if e.file.parent != tmp_path}
    assert of["10_old dog"] == ("old dog", 10) and of["cats"] == ("cats", 1)


def test_what_cannot_be_used_is_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, outside = tmp_path / "in", tmp_path / "out"
    good = draw(root / "good.png")
    whole = good.read_bytes()
    Image.effect_noise((40, 40), 50).save(root / "cut.jpg")
    (root / "cut.jpg").write_bytes((root / "cut.jpg").read_bytes()[:-300])
    (root / "words.jpg").write_text("no picture")
    (root / "empty.png").touch()
    (root / "notes.md").write_text("")
    (root / ".hidden").write_text("")
    Image.new("RGB", (8, 8)).save(root / "bitmap.png", "BMP")
    draw(root / "wide.png", (70, 70))
    draw(root / "heavy.png", (8, 7)).write_bytes(whole + b"0" * 5000)
    draw(root / "bytes.png")
    (root / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    draw(root / "long.png")
    (root / "long.txt").write_text("a" * 70_000)
    draw(root / "99999_many" / "a.png")
    secret = draw(outside / "secret.png")
    (outside / "secret.txt").write_text("password")
    (root / "link.png").symlink_to(secret)
    (root / "linked").symlink_to(outside)
    draw(root / "told.png")
    (root / "told.txt").symlink_to(outside / "secret.txt")
    (root / "inner.png").symlink_to(good)
    os.mkfifo(root / "pipe.png")
    (root / "metadata.jsonl").write_text(
        '{"file_name": "../out/secret.png", "text": "x"}\nnonsense\n[1]\n'
        '{"file_name": "gone.png", "text": "x"}\n'
        '{"file_name": "good.png"}\n' + "[" * 100_000
    )
    monkeypatch.setattr(opened, "MAX_PIXELS", 4000)
    monkeypatch.setattr(opened, "MAX_BYTES", 4000)
    folder = read_folder(root)
    assert set(captions(folder)) == {"good.png", "inner.png"}
    found = reasons(folder)
    for name, said in {
        "cut.jpg": "damaged", "words.jpg": "not a PNG, JPEG or WebP", "empty.png": "not a PNG",
        "notes.md": "not a picture; allowed: .png", "bitmap.png": "not a PNG", "wide.png": "70 x 70 pixels",
        "heavy.png": "MB; allowed", "bytes.png": "bytes.txt is not UTF-8",
        "long.png": "long.txt has 70000 bytes", "99999_many/a.png": "99999 repeats",
        "link.png": "a link that leads out", "linked": "a link that leads out",
        "told.png": "a link that leads out", "pipe.png": "not a file",
        "metadata.jsonl, line 1": "out of the folder",
        "metadata.jsonl, line 2": "cannot be read", "metadata.jsonl, line 3": "cannot be read",
        "gone.png": "named in the metadata, not there", "metadata.jsonl, line 5": "has no file_name and text",
        "metadata.jsonl, line 6": "cannot be read",
    }.items():  # fmt: skip
        assert said in found.pop(name), name
    assert found == {}


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allowed: a folder of pictures"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(
        ValueError, match=r"no picture of use; the first that cannot be used, a\.png: not a PNG"
    ):
        read_folder(tmp_path)


def test_the_hash_is_of_pictures_words_and_repeats(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(tmp_path / name / "cat" / "1.png")
    first, second = (read_folder(tmp_path / name).sha256 for name in ("a", "b"))
    assert first == second
    (tmp_path / "b/cat/1.txt").write_text("a cat")
    words = read_folder(tmp_path / "b").sha256
    draw(tmp_path / "b" / "cat" / "1.png", colour="blue")
    assert len({first, words, read_folder(tmp_path / "b").sha256}) == 3


def test_pictures_are_upright_and_on_white(tmp_path: Path) -> None:
    sideways = Image.new("RGB", (8, 6), "blue")
    exif = sideways.getexif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "a.jpg", exif=exif)
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "b.png")
    assert opened.open_photograph(tmp_path / "a.jpg", tmp_path).size == (6, 8)
    assert opened.open_photograph(tmp_path / "b.png", tmp_path).getpixel((0, 0)) == (255, 255, 255)


@given(
    st.binary(max_size=300), st.sampled_from(["x.png", "x.jpg", "x.txt", "metadata.jsonl", "metadata.csv"])
)
def test_no_bytes_are_fatal(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        draw(Path(home) / "good.png")
        (Path(home) / name).write_bytes(data)
        assert "good.png" in captions(read_folder(Path(home)))
