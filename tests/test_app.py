"""The front door: options come from the recipe's declarations, and a drawn file says how it was made."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

import app
from gallery import Gallery, read_recipe, save_picture, sha256_of
from pipelines import to_images
from pipelines.recipe import Control, Recipe, fields, part_fields
from tests.gallery.sampled import write
from tests.tiny import write_controlnet, write_image_encoder, write_ip_adapter

ROOT = Path(__file__).parents[1]


def run(*words: str) -> tuple[int, str]:
    """(exit code, everything printed, without the boxes that Typer draws around it)."""
    result = CliRunner().invoke(app.app, list(words), env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"})
    return result.exit_code, re.sub(r"[│╭╰─╮╯\s]+", " ", result.output)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the studio keeps the pictures that a drawing is made with."""
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_every_setting_of_the_recipe_is_an_option_with_its_help() -> None:
    code, said = run("draw", "--help")
    assert code == 0
    for spec in fields():
        if spec.name != "prompt":
            assert f"--{spec.name.replace('_', '-')}" in said
        assert spec.help in said
        if spec.choices:
            assert spec.allowed in said
    for part in ("edit", "variation", "hires", "tiles"):
        assert all(spec.help in said for spec in part_fields(part))
    assert "--init" in said and "--mask" in said and "--hires-scale" in said and "--no-soft" in said


def test_draw_writes_pictures_that_say_how_they_were_made(tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "cat.png"
    code, said = run(
        "draw", "a cat", "--model", str(tiny_folder), "--steps", "2", "--width", "64", "--height", "64",
        "--negative", "dogs", "--sampler", "euler", "--seed", "7", "--count", "2", "--out", str(out),
    )  # fmt: skip
    assert code == 0, said
    recipes = [read_recipe(out.with_name(f"cat-{k}.png")) for k in (1, 2)]
    assert [r.seed for r in recipes] == [7, 8] and "seed 8" in said
    assert {(r.prompt, r.negative, r.sampler, r.steps, r.width, r.count) for r in recipes} == {
        ("a cat", "dogs", "euler", 2, 64, 1)
    }


def test_options_that_are_not_given_are_the_models_own(tiny_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "model"))
    good = {"steps": 2, "guidance": 3.5, "schedule": "trailing", "sampler": "ddim"}
    (folder / "atelier.json").write_text(json.dumps({"native_size": [64, 72], "defaults": good}))
    code, said = run("draw", "x", "--model", str(folder), "--steps", "1", "--out", str(tmp_path / "a.png"))
    assert code == 0, said
    drawn = read_recipe(tmp_path / "a.png").model_dump()
    wanted = good | {"steps": 1, "width": 64, "height": 72}
    assert {name: drawn[name] for name in wanted} == wanted


def test_draw_over_a_picture_from_the_command_line(tiny_folder: Path, tmp_path: Path) -> None:
    picture = Image.effect_noise((70, 50), 90).convert("RGB")
    mask = Image.new("L", (70, 50))
    mask.paste(255, (30, 20, 50, 40))
    picture.save(tmp_path / "photo.png")
    mask.save(tmp_path / "mask.png")
    asked = ("draw", "a cat", "--model", str(tiny_folder), "--steps", "2", "--width", "64", "--height", "64")
    files = ("--init", str(tmp_path / "photo.png"), "--mask", str(tmp_path / "mask.png"))
    out = tmp_path / "made.png"
    code, said = run(
        *asked, *files, "--strength", "0.5", "--feather", "2", "--area", "masked", "--out", str(out)
    )
    assert code == 0, said
    edit = read_recipe(out).edit
    assert edit and (edit.strength, edit.feather, edit.area, edit.content) == (0.5, 2, "masked", "original")
    with Image.open(out) as made:
        changed = np.any(np.asarray(made) != np.asarray(picture), axis=2)
    assert changed[20:40, 30:50].mean() > 0.5 and not changed[:18].any() and not changed[:, 52:].any()
    code, said = run(*asked, "--strength", "0.5", "--out", str(tmp_path / "x.png"))
    assert code == 2 and "got it without --init" in said
    code, said = run(*asked, *files, "--strength", "2", "--out", str(tmp_path / "x.png"))
    assert code == 2 and "Edit, Strength: got 2.0; allowed: a number from 0 to 1" in said
    (tmp_path / "photo.png").write_text("<html>")
    code, said = run(*asked, *files, "--out", str(tmp_path / "x.png"))
    assert code == 2 and "Picture: not a PNG" in said


@pytest.mark.parametrize(("down", "said"), [
    (torch.zeros(0, 32), "its change of unet.time_embedding.linear_1 has "
     "lora_down of shape [0, 32]; allowed: two or four sides, none of them 0."),
    (torch.tensor(1.0), "linear_1 has lora_down of shape []; allowed"),
])  # fmt: skip
def test_a_bad_lora_is_said_and_the_command_ends(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down: Tensor, said: str
) -> None:
    module = "lora_unet_time_embedding_linear_1"
    (tmp_path / "loras").mkdir()
    made = {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": torch.zeros(32, 0)}
    save_file(made, tmp_path / "loras" / "bad.safetensors")
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path))
    size = ("--width", "64", "--height", "64", "--steps", "1")
    code, answer = run("draw", "a cat <lora:bad>", "--model", str(tiny_folder), *size,
                       "--out", str(tmp_path / "never.png"))  # fmt: skip
    assert code == 1 and "Prompt: LoRA 'bad': " in answer and said in answer, answer
    assert "Traceback" not in answer and not (tmp_path / "never.png").exists()


def test_draw_with_regions_from_the_command_line(tiny_folder: Path, tmp_path: Path) -> None:
    left = Image.new("L", (64, 64))
    left.paste(255, (0, 0, 32, 64))
    left.save(tmp_path / "left.png")
    asked = (
        "draw",
        "grass",
        "--model",
        str(tiny_folder),
        "--steps",
        "2",
        "--seed",
        "3",
        "--width",
        "64",
        "--height",
        "64",
    )
    out, plain = tmp_path / "two.png", tmp_path / "plain.png"
    code, said = run(*asked, "--region", f"{tmp_path / 'left.png'}:0.8=a cat", "--out", str(out))
    assert code == 0, said
    [region] = read_recipe(out).regions
    assert (region.prompt, region.weight) == ("a cat", 0.8) and region.mask == sha256_of(left)
    assert run(*asked, "--out", str(plain))[0] == 0
    with Image.open(out) as made, Image.open(plain) as without:
        assert made.tobytes() != without.tobytes()
    for wrong, told in (
        (f"{tmp_path / 'left.png'}", "allowed: FILE[:WEIGHT]=PROMPT"),
        (f"{tmp_path / 'gone.png'}=a cat", "no longer there"),
        (f"{tmp_path / 'left.png'}:9=a cat", "Region 1, Region weight: got 9.0; allowed"),
    ):
        code, said = run(*asked, "--region", wrong, "--out", str(tmp_path / "x.png"))
        assert code == 2 and told in said and not (tmp_path / "x.png").exists()


def test_upscale_from_the_command_line(tiny_folder: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(256, size=(20, 30, 1), dtype=np.uint8)
    Image.fromarray(noise.repeat(3, 2)).save(tmp_path / "photo.png")
    asked = ("draw", "", "--model", str(tiny_folder), "--upscale", str(tmp_path / "photo.png"))
    out = tmp_path / "larger.png"
    code, said = run(*asked, "--upscale-scale", "2.5", "--out", str(out))
    assert code == 0, said
    recipe = read_recipe(out)
    assert recipe.upscale and (recipe.upscale.scale, recipe.upscale.upscaler) == (2.5, "lanczos")
    assert recipe.levels is None  # nothing was drawn
    with Image.open(out) as made, Image.open(tmp_path / "photo.png") as photo:
        plain = photo.resize((75, 50), Image.Resampling.LANCZOS)
        assert (
            made.size == plain.size and np.abs(np.int16(made) - np.int16(plain)).mean() < 2
        )  # of 85 between two such pictures
    for options, told in (
        (("--upscale-scale", "9"), "Upscale, Scale: got 9.0; allowed: a number from 1 to 8"),
        (("--hires-scale", "2"), "Upscale: got one with Hires fix; allowed: one of the two"),
        (("--count", "2"), "Upscale: got one for 2 pictures; allowed: for one"),
    ):
        code, said = run(*asked, *options, "--out", str(tmp_path / "x.png"))
        assert code == 2 and told in said
    code, said = run(*asked, "--upscale-upscaler", "gone", "--out", str(tmp_path / "x.png"))
    assert code == 1 and "Upscaler: got the upscaler 'gone'" in said
    code, said = run("draw", "", "--upscale-scale", "2", "--out", str(tmp_path / "x.png"))
    assert code == 2 and "got it without --upscale" in said
    save_picture(Image.new("RGB", (64, 64)), Recipe(prompt="a cat", seed=7, steps=9), tmp_path / "cat.png")
    code, said = run("draw", "--upscale", str(tmp_path / "cat.png"), "--out", str(out), "--overwrite")
    assert code == 0 and said.strip().endswith("larger.png"), said
    recipe = read_recipe(out)
    assert recipe.known and (recipe.prompt, recipe.seed, recipe.steps) == ("a cat", 7, 9)


def test_draw_does_not_replace_a_file_unasked(tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.png"
    out.write_bytes(b"precious")
    asked = (
        "draw",
        "x",
        "--model",
        str(tiny_folder),
        "--steps",
        "1",
        "--width",
        "64",
        "--height",
        "64",
        "--out",
    )
    code, said = run(*asked, str(out))
    assert code != 0 and "exists already" in said and out.read_bytes() == b"precious"
    code, said = run(*asked, str(out), "--overwrite")
    assert code == 0, said
    assert read_recipe(out).prompt == "x"


SMALL = ("--steps", "2", "--width", "64", "--height", "64", "--seed", "7")


@pytest.mark.parametrize("ending", ["interrupt", "failure"])
def test_draw_keeps_what_was_finished_when_it_stops(
    ending: str,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Two pictures are done when the third brings the end."""
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, ignored))
    done: list[int] = []

    def interrupted(pixels: Tensor) -> list[Image.Image]:
        done.append(1)
        if len(done) == 3 and ending == "interrupt":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(1)  # the main thread takes the interrupt before the last pictures can be done
        if len(done) == 3 and ending == "failure":
            raise RuntimeError
        return to_images(pixels)

    monkeypatch.setattr("engine.engine.to_images", interrupted)
    out = tmp_path / "cat.png"
    code, said = run("draw", "x", "--model", str(tiny_folder), *SMALL, "--count", "4", "--out", str(out))
    assert code == (130 if ending == "interrupt" else 1)
    written = sorted(tmp_path.iterdir())
    assert [file.name for file in written][:2] == ["cat-1.png", "cat-2.png"]
    assert all(f"{file} (seed {read_recipe(file).seed})" in said for file in written)
    assert all(read_recipe(file).seed == 6 + int(file.stem[-1]) for file in written)


def test_draw_says_which_file_could_not_be_written(tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "cat.png"
    out.with_name("cat-1.png").mkdir()
    asked = ("x", "--model", str(tiny_folder), *SMALL, "--count", "2", "--out", str(out), "--overwrite")
    code, said = run("draw", *asked)
    assert code == 1 and "cat-1.png could not be written: Is a directory" in said
    assert "Traceback" not in said and read_recipe(out.with_name("cat-2.png")).seed == 8


@pytest.mark.parametrize("name", ["cat.jpg", "cat"])
def test_draw_writes_nothing_but_png(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(app, "Engine")  # refused before anything is drawn
    code, said = run("draw", "x", "--out", str(tmp_path / name))
    assert code == 2 and "allowed: .png" in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--steps", "0"), "Steps: got 0; allowed: a whole number from 1 to 150"),
        (("--sampler", "unipc"), "Sampler: got 'unipc'; allowed: one of dpmpp-2m"),
        (("--width", "100"), "Width: got 100"),
        (("--guidance", "1e9"), "Guidance: got 1000000000.0"),
        (("--model", "no/such/model"), "no/such/model"),
    ],
)
def test_a_bad_option_is_named_with_what_is_allowed(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    out = tmp_path / "never.png"
    code, answer = run("draw", "x", *words, "--out", str(out))
    assert code != 0 and said in answer and not out.exists()
    assert "Traceback" not in answer


def test_the_doctor_reports(tmp_path: Path) -> None:
    code, said = run("doctor", "--home", str(tmp_path))
    assert code == 0 and "Python" in said


def test_the_page_opens_without_waiting_for_heavy_libraries() -> None:
    """What only a model needs is imported when one is loaded, in the background."""
    heavy = "sorted({'diffusers', 'transformers', 'accelerate', 'torchvision'} & set(sys.modules))"
    code = f"import sys, app, ui; print({heavy})"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert answer.stdout.strip() == "[]"


def test_the_page_secret_is_made_once_and_private(tmp_path: Path) -> None:
    first = app.page_secret(tmp_path)
    assert len(first) == 32 and app.page_secret(tmp_path) == first
    assert (tmp_path / "page-secret").stat().st_mode & 0o077 == 0


def test_draw_follows_and_takes_after_pictures(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "home"))
    write_controlnet(tmp_path / "home" / "controlnets" / "edges", tiny_folder)
    write_ip_adapter(tmp_path / "home" / "ip-adapters" / "plus.safetensors", tiny_folder, fine=True)
    write_image_encoder(tmp_path / "home" / "image-encoders" / "clip")
    photo = tmp_path / "a photo:2.png"  # a file that is there is one, though it seems to have a weight
    Image.radial_gradient("L").convert("RGB").save(photo)
    size = ("--model", str(tiny_folder), "--steps", "2", "--width", "64", "--height", "64", "--seed", "7")
    given = ["--control", f"edges={photo}:0.5,end=0.5,start=0.0,resize=fit"]
    given += ["--reference", f"plus={photo}", "--reference", f"plus={photo}:0.25,end=0.5"]
    code, said = run("draw", "a cat", *size, "--out", str(tmp_path / "plain.png"))
    assert code == 0, said
    code, said = run("draw", "a cat", *size, *given, "--out", str(tmp_path / "led.png"))
    assert code == 0, said
    recipe = read_recipe(tmp_path / "led.png")
    with Image.open(photo) as picture:
        name = sha256_of(picture)
    [control] = recipe.controls
    assert (control.net, control.weight, control.picture) == ("edges", 0.5, name)
    assert (control.start, control.end, control.resize, control.balance) == (0.0, 0.5, "fit", "balanced")
    assert [(r.adapter, r.weight, r.end) for r in recipe.references] == [
        ("plus", 1.0, 1),
        ("plus", 0.25, 0.5),
    ]
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "led.png") as led:
        assert plain.tobytes() != led.tobytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--control", "edges"), "got 'edges'; allowed: NAME=FILE or NAME=FILE:WEIGHT"),
        (("--control", "=photo.png"), "got '=photo.png'; allowed: NAME=FILE"),
        (("--control", "edges=PHOTO,end=late"), "got 'end=late'; allowed: start (a number from 0 to 1), end"),
        (("--control", "edges=PHOTO,colour=1"), "got 'colour=1'; allowed: start (a number from 0 to 1), end"),
        (("--control", "edges=PHOTO,resize=grow"), "ControlNet 1, Resize: got 'grow'; allowed: one of crop"),
        (("--control", "edges=PHOTO,start=0.5,end=0.5"), "ControlNet 1, End: got 0.5; allowed: more than"),
        (("--reference", "plus=photo.png:much"), "got 'plus=photo.png:much'; allowed: NAME=FILE"),
        (("--reference", "plus=/nowhere/photo.png"), "/nowhere/photo.png:"),
        (("--reference", "plus=PHOTO:3"), "Reference 1, Weight: got 3.0; allowed: a number from 0 to 2"),
        (
            (
                "--control",
                "edges=PHOTO",
            )
            * 5,
            "ControlNets: got",
        ),
        (("--control", "gone=PHOTO"), "ControlNet 1: got the ControlNet 'gone'; allowed: edges, shapes"),
        (("--reference", "plus=PHOTO"), "Reference 1: got the IP-Adapter 'plus'; allowed: none"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named(
    tiny_folder: Path, tmp_path: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "home"))
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    given = [word.replace("PHOTO", str(tmp_path / "photo.png")) for word in words]
    out, size = tmp_path / "never.png", ("--width", "64", "--height", "64", "--steps", "1")
    code, answer = run("draw", "x", "--model", str(tiny_folder), *size, *given, "--out", str(out))
    assert code != 0 and said in answer and not out.exists()
    assert "Traceback" not in answer


def test_preprocess_writes_what_a_controlnet_reads(tmp_path: Path) -> None:
    picture, out = tmp_path / "photo.jpg", tmp_path / "edges.png"
    Image.radial_gradient("L").point(lambda value: 255 * (value > 128)).save(picture)
    code, said = run("preprocess", str(picture), "canny", "--out", str(out))
    assert code == 0, said
    with Image.open(out) as made:
        assert made.size == (256, 256) and set(made.convert("L").get_flattened_data()) == {0, 255}
    code, said = run("preprocess", str(picture), "canny", "--out", str(out))
    assert code == 2 and "exists already" in said
    code, said = run("preprocess", str(picture), "depth-midas", "--out", str(tmp_path / "depth.png"))
    assert code == 2 and "needs dpt_hybrid-midas-501f0c75.pt" in said and "493 MB" in said
    (tmp_path / "page.png").write_text("<html>")
    code, said = run("preprocess", str(tmp_path / "page.png"), "canny", "--out", str(tmp_path / "x.png"))
    assert code == 2 and "not a PNG, JPEG or WebP" in said


def test_a_bundle_and_another_studios_picture_are_imported(tmp_path: Path) -> None:
    here, there, out = tmp_path / "here", tmp_path / "there", tmp_path / "out" / "cat.zip"
    gallery = Gallery(here / "gallery")
    source = Image.new("RGB", (8, 8), "navy")
    control = Control(net="edges", picture=gallery.inputs.add(source))
    entry = gallery.add(Image.new("RGB", (16, 16)), Recipe(prompt="a cat", controls=(control,)))
    gallery.close()
    code, said = run("bundle", entry.id, "--out", str(out), "--home", str(here))
    assert code == 0 and said.strip() == str(out), said

    swarm = {"sui_image_params": {"prompt": "a dog", "steps": 9, "sampler": "euler", "zeronegative": True}}
    theirs = write(tmp_path / "dog.png", "png", {"parameters": json.dumps(swarm)})
    code, said = run("import", str(out), str(theirs), "--home", str(there))
    assert code == 0 and "zeronegative (True) has no equal here" in said, said
    found = Gallery(there / "gallery")
    assert [one.recipe for one in found.find()] == [
        Recipe(prompt="a dog", steps=9, sampler="euler"),
        entry.recipe,
    ]
    assert found.get(entry.id) is not None and control.picture in found.inputs


def test_what_cannot_be_bundled_or_imported_says_why(tmp_path: Path) -> None:
    home = str(tmp_path / "here")
    Gallery(tmp_path / "here" / "gallery").close()
    out = tmp_path / "taken.zip"
    out.write_text("kept")
    for words, said in (
        (("bundle", "ab", "--out", str(tmp_path / "a.png"), "--home", home), "got '.png'; allowed: .zip"),
        (("bundle", "ab", "--out", str(out), "--home", home), "exists already; --overwrite replaces it"),
        (("bundle", "ab", "--out", str(tmp_path / "a.zip"), "--home", home), "ENTRY: got 'ab'; allowed: ids"),
        (
            ("bundle", "ab", "--out", str(tmp_path / "a.zip"), "--home", str(tmp_path / "no")),
            "has no gallery",
        ),
        (("import", str(out), "--home", home), "not a PNG, JPEG or WebP"),
    ):
        code, told = run(*words)
        assert code != 0 and said in told, told
    assert out.read_text() == "kept" and not (tmp_path / "a.zip").exists() and not (tmp_path / "no").exists()


def made_files(tmp_path: Path) -> tuple[str, ...]:
    """Options that draw over a picture inside a mask."""
    Image.effect_noise((70, 50), 90).convert("RGB").save(tmp_path / "photo.jpg", quality=95)
    mask = Image.new("L", (70, 50))
    mask.paste(255, (30, 20, 50, 40))
    mask.save(tmp_path / "mask.png")
    return "--init", str(tmp_path / "photo.jpg"), "--mask", str(tmp_path / "mask.png"), "--strength", "0.5"


def test_an_edit_is_run_again_here_and_elsewhere_byte_by_byte(
    tiny_folder: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the picture and from its JSON beside what was kept, and in another studio from a bundle."""
    out, bundle = tmp_path / "a.png", tmp_path / "a.zip"
    code, said = run("draw", "a {cat|dog}", "--model", str(tiny_folder), *SMALL, *made_files(tmp_path),
                     "--out", str(out))  # fmt: skip
    assert code == 0, said
    assert run("import", str(out), "--home", str(home))[0] == 0
    gallery = Gallery(home / "gallery")
    [entry] = gallery.find()
    gallery.close()
    assert entry.recipe == read_recipe(out) and entry.recipe.words and entry.recipe.levels
    assert run("bundle", entry.id, "--out", str(bundle), "--home", str(home))[0] == 0
    (tmp_path / "a.json").write_text(entry.recipe.to_json())
    for file in ("photo.jpg", "mask.png"):
        (tmp_path / file).unlink()
    for name in ("a.png", "a.json"):
        code, said = run(
            "draw", "--recipe", str(tmp_path / name), "--out", str(tmp_path / "b.png"), "--overwrite"
        )
        assert code == 0 and (tmp_path / "b.png").read_bytes() == out.read_bytes(), said
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "elsewhere"))
    code, said = run("draw", "--recipe", str(out), "--out", str(tmp_path / "c.png"))
    assert code == 2 and "Edit, Init picture: got" in said and "Edit, Mask: got" in said, said
    code, said = run("draw", "--recipe", str(bundle), "--out", str(tmp_path / "c.png"))
    assert code == 0 and (tmp_path / "c.png").read_bytes() == out.read_bytes(), said


def test_an_option_takes_the_place_of_what_the_recipe_says(tiny_folder: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "a.png", tmp_path / "b.png"
    files = made_files(tmp_path)
    asked = ("a {cat|dog}", "--model", str(tiny_folder), *SMALL, "--negative", "fog")
    assert run("draw", *asked, *files, "--out", str(out))[0] == 0
    before = read_recipe(out)
    code, said = run("draw", "--recipe", str(out), "--steps", "3", "--strength", "0.75", "--out", str(again))
    assert code == 0, said
    after = read_recipe(again)
    assert after.edit == before.edit.model_copy(update={"strength": 0.75}) and after.steps == 3  # pyright: ignore[reportOptionalMemberAccess]
    assert after.levels and len(after.levels) == 4
    assert (after.seed, after.negative, after.words) == (before.seed, "fog", before.words)
    code, said = run("draw", "an owl", "--recipe", str(out), "--feather", "300", "--out", str(again))
    assert code == 2 and "Edit, Feather: got 300; allowed" in said
    code, said = run("draw", "an owl", "--recipe", str(out), "--out", str(again), "--overwrite")
    assert code == 0 and read_recipe(again).prompt == "an owl" and read_recipe(again).words is None, said


def test_without_a_recipe_the_prompt_is_asked_for(tmp_path: Path) -> None:
    code, said = run("draw", "--out", str(tmp_path / "never.png"))
    assert code == 2 and "PROMPT: got none; allowed: a text, which may be empty" in said
