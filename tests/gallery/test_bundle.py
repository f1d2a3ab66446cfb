"""A bundle re-runs elsewhere, and one from somebody else is kept whole or refused in a sentence."""

import json
import random
import shutil
import stat
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest
from PIL import Image

from gallery import Entry, Gallery, read_recipe, sha256_of, unpacked
from gallery.bundle import BundleError, export, take_in
from pipelines.recipe import Control, Recipe
from tests.gallery.sampled import SAMPLES, texts_of
from tests.gallery.sampled import write as write_sample

SOURCE = Image.radial_gradient("L").convert("RGB").resize((24, 24))
Files = dict[str, bytes]


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery(tmp_path / "here")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Gallery:
    return Gallery(tmp_path / "elsewhere")


def made(gallery: Gallery) -> tuple[Entry, Entry]:
    """A picture, and one that was made with it."""
    parent = gallery.add(SOURCE, Recipe(prompt="a gradient"))
    control = Control(net="edges", picture=gallery.inputs.add(SOURCE), weight=0.5)
    child = gallery.add(
        Image.new("RGB", (16, 16), "teal"), Recipe(prompt="日本", seed=7, controls=(control,))
    )
    return parent, child


@pytest.fixture
def bundle(gallery: Gallery, tmp_path: Path) -> Path:
    out = tmp_path / "bundle.zip"
    export(gallery, made(gallery), out)
    return out


def files_of(bundle: Path) -> Files:
    with ZipFile(bundle) as zip_:
        return {name: zip_.read(name) for name in zip_.namelist()}


def write(bundle: Path, files: Files, **also: bytes) -> Path:
    with ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as zip_:
        for name, data in (files | also).items():
            zip_.writestr(name, data)
    return bundle


def test_what_was_exported_is_the_same_elsewhere(gallery: Gallery, elsewhere: Gallery, bundle: Path) -> None:
    child, parent = gallery.find()
    imported = take_in(elsewhere, bundle)
    assert imported.notes == () and [entry.id for entry in imported.entries] == [parent.id, child.id]
    for entry in (parent, child):
        there = elsewhere.get(entry.id)
        assert there is not None and there.path.read_bytes() == entry.path.read_bytes()
        assert (there.recipe, there.created, there.parents) == (entry.recipe, entry.created, entry.parents)
    assert child.recipe is not None
    picture = child.recipe.controls[0].picture
    assert (
        elsewhere.inputs[picture].tobytes() == gallery.inputs[picture].tobytes()
    )  # so it can be drawn again
    assert [entry.id for entry in elsewhere.parents_of(child.id)] == [parent.id]


def test_a_bundle_has_what_anybody_can_read(gallery: Gallery, bundle: Path) -> None:
    child, parent = gallery.find()
    assert child.recipe is not None
    files = files_of(bundle)
    picture = child.recipe.controls[0].picture
    assert set(files) == {
        "bundle.json", f"inputs/{picture}.png",
        *(f"{kind}/{entry.id}.{end}" for entry in (child, parent) for kind, end in
          (("pictures", "png"), ("recipes", "json"))),
    }  # fmt: skip
    assert Recipe.from_json(files[f"recipes/{child.id}.json"].decode()) == child.recipe


def test_the_same_bundle_has_the_same_bytes(gallery: Gallery, bundle: Path, tmp_path: Path) -> None:
    export(gallery, list(reversed(gallery.find())), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_what_is_here_already_stays(elsewhere: Gallery, bundle: Path) -> None:
    first = take_in(elsewhere, bundle)
    again = take_in(elsewhere, bundle)
    assert again.entries == first.entries and len(elsewhere.find()) == 2
    assert len(again.notes) == 2 and "here already" in again.notes[0]


def test_what_cannot_be_run_again_is_not_exported(gallery: Gallery, tmp_path: Path) -> None:
    _, child = made(gallery)
    shutil.rmtree(gallery.folder / "inputs")
    with pytest.raises(BundleError, match="made with it, and it is no longer kept"):
        export(gallery, [child], tmp_path / "out.zip")
    child.path.write_bytes(b"torn")
    (damaged,) = [entry for entry in Gallery(gallery.folder).find() if entry.id == child.id]
    with pytest.raises(BundleError, match="damaged|not a PNG"):
        export(gallery, [damaged], tmp_path / "out.zip")
    assert not list(tmp_path.glob("*out.zip*"))  # nor a temporary file


def test_a_file_of_another_studio_becomes_one_of_ours_on_the_way(
    gallery: Gallery, elsewhere: Gallery, tmp_path: Path
) -> None:
    folder = gallery.pictures / "2026-01-01"
    folder.mkdir()
    write_sample(folder / f"{'ab' * 16}.png", "png", texts_of(SAMPLES["swarmui-0.6"]))
    gallery.rebuild()
    (entry,) = gallery.find()
    export(gallery, [entry], tmp_path / "out.zip")
    (imported,) = take_in(elsewhere, tmp_path / "out.zip").entries
    assert imported.id == entry.id and read_recipe(imported.path) == entry.recipe


def name_of(files: Files, start: str) -> str:
    return next(name for name in files if name.startswith(start))


def _renamed(files: Files, old: str, new: str) -> Files:
    return {new if name == old else name: data for name, data in files.items()}


def _other_hash(files: Files) -> Files:
    old = name_of(files, "inputs/")
    manifest = json.loads(files["bundle.json"]) | {"inputs": ["0" * 64]}
    return {**_renamed(files, old, f"inputs/{'0' * 64}.png"), "bundle.json": json.dumps(manifest).encode()}


def _bomb(files: Files) -> Files:
    return files | {name_of(files, "pictures/"): bytes(200_000_000)}


def _with(name: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: files | {name_of(files, name): data}


HOSTILE: dict[str, tuple[Callable[[Files], Files], str]] = {
    "traversal": (lambda files: files | {"../../evil.png": b"x"}, "allowed: bundle.json, pictures"),
    "absolute": (lambda files: files | {"/tmp/evil.png": b"x"}, "allowed: bundle.json"),
    "backslashes": (lambda files: files | {"pictures\\..\\evil.png": b"x"}, "allowed: bundle.json"),
    "folder": (lambda files: files | {"pictures/": b""}, "allowed: bundle.json"),
    "short name": (lambda files: files | {f"inputs/{'a' * 32}.png": b"x"}, "allowed: bundle.json"),
    "no manifest": (lambda files: {k: v for k, v in files.items() if k != "bundle.json"}, "no bundle.json"),
    "other version": (_with("bundle.json", b'{"bundle": 2}'), "version 2; allowed: 1"),
    "deep manifest": (_with("bundle.json", b"[" * 900_000), "not JSON"),
    "list of a manifest": (_with("bundle.json", b"[1]"), "version None"),
    "missing input": (lambda files: {k: v for k, v in files.items() if "inputs/" not in k}, "list of inputs"),
    "missing recipe": (lambda files: {k: v for k, v in files.items() if "recipes/" not in k}, "is not in"),
    "other pixels": (_other_hash, "not those that its name says"),
    "too many": (lambda files: files | {f"inputs/{k:064x}.png": b"" for k in range(1000)}, "at most 1000"),
    "bomb": (_bomb, "200 MB; at most 80 MB"),
    "no picture": (_with("pictures/", b"<svg onload=alert(1)>"), "not a PNG, JPEG or WebP"),
    "recipe of nonsense": (_with("recipes/", b'{"steps": 0}'), "Steps: got 0"),
    "other recipe": (_with("recipes/", b'{"prompt": "another"}'), "not the recipe that the picture holds"),
    "recipe of bytes": (_with("recipes/", b"\xff\xfe"), "recipes/"),
    "recipe without end": (_with("recipes/", b"x" * 2_000_000), "2 MB; at most 1 MB"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_and_nothing_is_kept(name: str, elsewhere: Gallery, bundle: Path) -> None:
    change, said = HOSTILE[name]
    write(bundle, change(files_of(bundle)))
    with pytest.raises(BundleError, match=said):
        take_in(elsewhere, bundle)
    assert elsewhere.find() == [] and len(elsewhere.inputs) == 0
    assert not any(file.name.startswith("evil") for file in elsewhere.folder.parent.rglob("*"))


def test_a_picture_under_anothers_id_is_refused(elsewhere: Gallery, bundle: Path) -> None:
    files = files_of(bundle)
    old, new = name_of(files, "pictures/")[9:41], "0" * 32
    text = files["bundle.json"].decode().replace(old, new)
    changed = {name.replace(old, new): data for name, data in files.items()} | {"bundle.json": text.encode()}
    with pytest.raises(BundleError, match="list of pictures|names another one"):
        take_in(elsewhere, write(bundle, changed))
    assert elsewhere.find() == []


def _special(bundle: Path, info: ZipInfo, data: bytes) -> None:
    files = files_of(bundle)
    with ZipFile(bundle, "w") as zip_:
        for name, kept in files.items():
            zip_.writestr(info if name == info.filename else name, data if name == info.filename else kept)


def test_a_link_is_refused(elsewhere: Gallery, bundle: Path) -> None:
    info = ZipInfo(name_of(files_of(bundle), "pictures/"))
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    _special(bundle, info, b"/etc/passwd")
    with pytest.raises(BundleError, match="a link or a device"):
        take_in(elsewhere, bundle)


def test_a_packing_that_is_not_read_is_refused(elsewhere: Gallery, bundle: Path) -> None:
    info = ZipInfo(name_of(files_of(bundle), "pictures/"))
    info.compress_type = zipfile.ZIP_LZMA
    _special(bundle, info, b"x" * 100)
    with pytest.raises(BundleError, match="packed in a way"):
        take_in(elsewhere, bundle)


def test_a_file_that_is_there_twice_is_refused(elsewhere: Gallery, bundle: Path) -> None:
    name = name_of(files_of(bundle), "recipes/")
    with pytest.warns(UserWarning, match="Duplicate"), ZipFile(bundle, "a") as zip_:
        zip_.writestr(name, b"{}")
    with pytest.raises(BundleError, match="there twice"):
        take_in(elsewhere, bundle)


def test_a_size_that_is_a_lie_is_seen(elsewhere: Gallery, bundle: Path) -> None:
    """The list says that a picture of much is little: no more than that little is unpacked."""
    write(bundle, files_of(bundle))
    data = bytearray(bundle.read_bytes())
    for start in (k for k in range(len(data) - 4) if data[k : k + 4] == b"PK\x01\x02"):
        if data[start + 46 : start + 55] == b"pictures/":
            data[start + 24 : start + 28] = struct.pack("<L", 10)
    bundle.write_bytes(data)
    with pytest.raises(BundleError, match="size|damaged|CRC"):
        take_in(elsewhere, bundle)
    assert elsewhere.find() == []


def test_a_list_of_files_without_end_is_not_read(elsewhere: Gallery, bundle: Path) -> None:
    data = bytearray(bundle.read_bytes())
    data[-10:-6] = struct.pack("<L", 400_000_000)  # the size of the list, in the 22 bytes at the end
    bundle.write_bytes(data)
    with pytest.raises(BundleError, match="list of its files has 400000000 bytes"):
        take_in(elsewhere, bundle)


def test_all_together_may_not_be_too_much(
    elsewhere: Gallery, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacked, "MOST_UNPACKED", bundle.stat().st_size - 500)
    with pytest.raises(BundleError, match="at most"):
        take_in(elsewhere, bundle)


def test_a_small_zip_may_not_become_a_large_folder(
    elsewhere: Gallery, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes behind a picture's end are no fault of the picture, and pack to nothing."""
    monkeypatch.setattr(unpacked, "GRANTED", 1000)
    files = files_of(bundle)
    name = name_of(files, "pictures/")
    with pytest.raises(BundleError, match="MB that would be 5; at most 10 times as much is allowed"):
        take_in(elsewhere, write(bundle, files | {name: files[name] + bytes(5_000_000)}))
    assert elsewhere.find() == []
    assert len(take_in(elsewhere, write(bundle, files)).entries) == 2


def test_a_damaged_bundle_is_one_sentence_and_soon(elsewhere: Gallery, bundle: Path) -> None:
    rng, whole = random.Random(3), bundle.read_bytes()
    refused = 0
    for k in range(60):
        data = bytearray(whole)
        for _ in range(rng.choice([1, 5, 40])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        bundle.write_bytes(data[: rng.randrange(len(data))] if k % 3 == 0 else data)
        started = time.process_time()
        try:
            take_in(elsewhere, bundle)
        except BundleError as error:
            refused += 1
            assert ": " in str(error) and len(str(error)) < 2000
        assert time.process_time() - started < 1
    assert refused > 40


def test_a_picture_or_a_text_is_no_bundle(elsewhere: Gallery, tmp_path: Path) -> None:
    for data in (b"", b"PK", b"no zip" * 100, b"PK\x05\x06"):
        (tmp_path / "x.zip").write_bytes(data)
        with pytest.raises(BundleError, match="no zip"):
            take_in(elsewhere, tmp_path / "x.zip")


def test_a_picture_of_the_recipe_that_nobody_has_is_told(
    gallery: Gallery, elsewhere: Gallery, bundle: Path
) -> None:
    files = {name: data for name, data in files_of(bundle).items() if not name.startswith("inputs/")}
    files["bundle.json"] = json.dumps(json.loads(files["bundle.json"]) | {"inputs": []}).encode()
    notes = take_in(elsewhere, write(bundle, files)).notes
    assert len(notes) == 1 and sha256_of(SOURCE)[:12] in notes[0] and "not in the bundle" in notes[0]
