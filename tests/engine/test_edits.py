"""Edits in the engine: beside other pictures, from pictures that the gallery keeps, encoded once."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine import Engine, JobCancelled, JobFailed
from gallery import Gallery, read_recipe, sha256_of
from models import Parts
from pipelines import Recipe, draw
from pipelines.edit import Edit
from pipelines.upscale import Upscale
from tests.engine.conftest import Network
from tests.gallery.test_inputs import linear_profile
from tests.pipelines.test_edit import box_mask, noise_picture, untouchable


def a_picture(channels: int = 3) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, channels), dtype=np.uint8))


def a_mask() -> Image.Image:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 16, 40, 50))
    return mask


def test_edits_share_calls_with_others_and_rerun_from_their_files(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    gallery = Gallery(tmp_path)
    picture, mask = gallery.inputs.add(a_picture(4)), gallery.inputs.add(a_mask())
    edit = Edit(picture=picture, mask=mask, strength=0.5, feather=4)
    encoded: list[int] = []
    hook = tiny.vae.encoder.register_forward_hook(lambda module, args, out: encoded.append(len(args[0])))
    recipes = [a_recipe(seed=3), a_recipe(seed=4, count=3, edit=edit), a_recipe(steps=6, edit=edit)]
    try:
        engine = Engine(lambda name: tiny, gallery, rows=16)
        jobs = [engine.submit(recipe) for recipe in recipes]
        with engine:
            made = [job.result(120) for job in jobs]
    finally:
        hook.remove()
    assert max(network.calls) == 10 and encoded == [1]  # 5 pictures under two texts; one encoding
    for recipe, entries in zip(recipes, made, strict=True):
        for single, entry in zip(recipe.each(), entries, strict=True):
            [alone] = draw(single, tiny, pictures=gallery.inputs)
            with Image.open(entry.path) as kept:
                assert kept.mode == alone.mode and np.abs(np.int16(kept) - np.int16(alone)).max() <= 1
    again = read_recipe(made[1][1].path)
    assert again.edit == edit and again.steps == 4
    [rerun] = draw(again, tiny, pictures=gallery.inputs)
    with Image.open(made[1][1].path) as kept:
        assert np.abs(np.int16(kept) - np.int16(rerun)).max() <= 1
    gallery.close()


def test_strength_0_and_progress(tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    edit = Edit(picture=gallery.inputs.add(a_picture()), strength=0.0)
    with Engine(lambda name: tiny, gallery) as engine:
        [entry] = engine.submit(a_recipe(edit=edit)).result(60)
        job = engine.submit(a_recipe(edit=edit.model_copy(update={"strength": 0.5})))
        steps = {(event.step, event.of) for event in job.events() if hasattr(event, "of")}
    with Image.open(entry.path) as kept:
        assert kept.tobytes() == a_picture().tobytes()
    assert {of for _, of in steps} == {2}
    gallery.close()


class SlowDisk(Mapping[str, Image.Image]):
    """Pictures that are read once they may be, and by which threads."""

    def __init__(self, pictures: Mapping[str, Image.Image]) -> None:
        self._pictures = pictures
        self.may, self.readers = threading.Event(), set[str]()

    def __getitem__(self, name: str) -> Image.Image:
        self.readers.add(threading.current_thread().name)
        assert self.may.wait(60)
        return self._pictures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)


def held(tiny: Parts) -> tuple[Callable[[str], Parts], threading.Event]:
    """A model that is loaded once it may be: what is submitted before is not checked yet."""
    may = threading.Event()

    def load(name: str) -> Parts:
        assert may.wait(60)
        return tiny

    return load, may


def test_a_picture_that_takes_long_to_read_keeps_nobody_waiting(
    tiny: Parts, a_recipe: Callable[..., Recipe]
) -> None:
    picture = a_picture()
    disk = SlowDisk({sha256_of(picture): picture})
    edit = a_recipe(edit=Edit(picture=sha256_of(picture), strength=0.5))
    upscale = Recipe(model="tiny", upscale=Upscale(picture=sha256_of(picture), scale=2.0))
    load, may = held(tiny)
    engine = Engine(load, pictures=disk)
    waiting = [engine.submit(one, user="somebody") for one in (edit, upscale)]
    may.set()
    with engine:
        assert len(engine.submit(a_recipe(), user="another").result(60)) == 1
        assert disk.readers and not any(job.ended for job in waiting)
        disk.may.set()
        made, larger = (job.result(60)[0] for job in waiting)
    assert {name.partition("_")[0] for name in disk.readers} == {"atelier-preparer"}
    [alone] = draw(edit, tiny, pictures={sha256_of(picture): picture})
    assert np.abs(np.int16(made) - np.int16(alone)).max() <= 1
    assert larger.size == (128, 128)


@pytest.mark.parametrize("count", [1, 3])
def test_what_waits_may_be_cancelled_and_a_missing_picture_fails_alone(
    count: int, tiny: Parts, a_recipe: Callable[..., Recipe]
) -> None:
    picture = a_picture()
    disk = SlowDisk({sha256_of(picture): picture})
    load, may = held(tiny)
    engine = Engine(load, pictures=disk)
    stopped = engine.submit(a_recipe(count=count, edit=Edit(picture=sha256_of(picture))), user="somebody")
    lost = engine.submit(a_recipe(count=count, edit=Edit(picture="0" * 64)), user="another")
    may.set()
    with engine:
        engine.submit(a_recipe()).result(60)
        stopped.cancel()
        with pytest.raises(JobCancelled):
            stopped.result(60)
        disk.may.set()
        with pytest.raises(JobFailed, match="Init picture: got 000000000000…, which is not here"):
            lost.result(60)
        engine.submit(a_recipe(seed=9)).result(60)


@pytest.mark.parametrize("broken", ["absent", "changed"])
def test_a_picture_that_is_gone_names_its_field(
    broken: str, tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    gallery = Gallery(tmp_path)
    name = gallery.inputs.add(a_picture())
    [file] = (tmp_path / "inputs").rglob("*.png")
    file.unlink() if broken == "absent" else a_mask().save(file)
    said = {"absent": "not here", "changed": "was changed"}[broken]
    with (
        Engine(lambda name: tiny, gallery) as engine,
        pytest.raises((RuntimeError, ValueError), match=f"Init picture: .*{said}"),
    ):
        engine.submit(a_recipe(edit=Edit(picture=name))).result(60)
    gallery.close()


@pytest.mark.parametrize("channels", [3, 4])
def test_ten_edits_each_of_the_saved_file_leave_no_trace_elsewhere(
    channels: int, tiny: Parts, tmp_path: Path
) -> None:
    """As the page goes on from a result: out of the gallery's PNG, into its inputs, drawn over, saved."""
    gallery = Gallery(tmp_path)
    file = tmp_path / "first.png"
    noise_picture(61, 45, channels).save(file)
    before = np.asarray(noise_picture(61, 45, channels))
    touched = np.zeros((45, 61), bool)
    with Engine(lambda name: tiny, gallery) as engine:
        for k in range(10):
            mask = box_mask(61, 45, (4 * k, (7 * k) % 30, 4 * k + 8, (7 * k) % 30 + 8))
            touched |= ~untouchable(np.asarray(mask), 2)
            names = {"picture": gallery.inputs.add(file), "mask": gallery.inputs.add(mask)}
            edit = Edit(**names, feather=2, strength=0.5, area="masked" if k % 2 else "whole")
            [entry] = engine.submit(Recipe(steps=2, width=64, height=64, seed=k, edit=edit)).result(60)
            file = entry.path
    with Image.open(file) as kept:
        made = np.asarray(kept)
    assert made.shape == before.shape and np.array_equal(made[~touched], before[~touched])
    changed = (made != before).any(axis=2)
    assert changed[touched].mean() > 0.5 and 0.3 < touched.mean() < 0.8
    assert len(gallery.family(entry.id).members) == 10  # each is the child of the one before
    gallery.close()


def camera(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO = noise_picture(24, 16)
FILES: dict[str, tuple[str, Image.Image, dict[str, object]]] = {
    "jpeg": ("JPEG", PHOTO, {"quality": 80}),
    "grey jpeg": ("JPEG", PHOTO.convert("L"), {}),
    "lossy webp": ("WEBP", PHOTO, {"quality": 60}),
    "lossless webp": ("WEBP", noise_picture(24, 16, 4), {"lossless": True, "exact": True}),
    "palette": ("PNG", PHOTO.quantize(32), {}),
    "transparent palette": ("PNG", PHOTO.quantize(32), {"transparency": 3}),
    "turned": ("JPEG", PHOTO, {"exif": camera(6)}),
    "mirrored": ("PNG", PHOTO, {"exif": camera(5)}),
    "sRGB": ("JPEG", PHOTO, {"icc_profile": SRGB}),
    "linear": ("PNG", PHOTO, {"icc_profile": linear_profile()}),
}


def seen(kind: str, decoded: Image.Image) -> Image.Image:
    """What is to come out, by another way than the gallery's."""
    match kind:
        case "turned":
            return decoded.transpose(Image.Transpose.ROTATE_270)
        case "mirrored":
            return decoded.transpose(Image.Transpose.TRANSPOSE)
        case "lossless webp" | "transparent palette":
            return decoded.convert("RGBA")
        case "linear":
            light = np.asarray(decoded) / 255  # what sRGB's gamma makes of it, IEC 61966-2-1
            curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
            return Image.fromarray((curve * 255).round().astype(np.uint8))
        case _:
            return decoded.convert("RGB")


@pytest.mark.parametrize("kind", FILES)
def test_at_strength_0_the_pixels_of_any_file_come_out(kind: str, tiny: Parts, tmp_path: Path) -> None:
    form, image, options = FILES[kind]
    file = tmp_path / "photo"
    image.save(file, form, **options)
    gallery = Gallery(tmp_path / "gallery")
    edit = Edit(picture=gallery.inputs.add(file), strength=0.0)
    recipe = Recipe(steps=2, width=64, height=64, edit=edit)
    entry = gallery.add(draw(recipe, tiny, pictures=gallery.inputs)[0], recipe)
    with Image.open(file) as decoded, Image.open(entry.path) as made:
        wanted = seen(kind, decoded)
        assert made.mode == wanted.mode and made.size == wanted.size
        off = np.abs(np.int16(made) - np.int16(wanted)).max()
    assert off <= (2 if kind == "linear" else 0)  # a profile's tables are rounded
    assert sha256_of(made) == edit.picture
    gallery.close()
