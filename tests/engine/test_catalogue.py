"""A folder that another studio filled is listed as it is, by names, and nothing is written into it."""

import json
import os
import shutil
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from adapters import ControlNetFolder, ImageEncoderFolder
from engine import Catalogue, FolderError
from engine.tree import Found, look_at
from models import ModelError, Parts
from models.ip_adapter import Sight
from tests.ldm import write_header, write_ldm
from tests.models.test_kind import KOHYA, PLUS, unet
from tests.tiny import SEEN, write_controlnet, write_image_encoder
from ui import cards


@pytest.fixture
def tree(tmp_path: Path, tiny_folder: Path) -> Path:
    """A small AUTOMATIC1111 tree, with ComfyUI's names beside it."""
    root = tmp_path / "webui" / "models"
    for name in ("Stable-diffusion/anime", "Lora", "VAE", "vae", "checkpoints", "ControlNet", "embeddings"):
        (root / name).mkdir(parents=True)
    write_header(root / "Stable-diffusion" / "photo.safetensors", unet(768), {"modelspec.title": "Photo"})
    write_header(root / "Stable-diffusion" / "anime" / "lines.safetensors", unet(2048))
    write_header(root / "checkpoints" / "photo.safetensors", unet(1024))
    write_header(
        root / "Lora" / "ink.safetensors", {KOHYA: (4, 768)}, {"modelspec.trigger_phrase": "inkwash"}
    )
    vae = {"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 4, 3, 3)}
    write_header(root / "VAE" / "soft.safetensors", vae)
    write_header(root / "embeddings" / "bad-hands.safetensors", {"emb_params": (2, 768)})
    control = {"control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}
    write_header(root / "ControlNet" / "edges.safetensors", control)
    write_header(root / "ControlNet" / "plus.safetensors", PLUS)
    (root / "Stable-diffusion" / "old.ckpt").write_bytes(b"PK\x03\x04")
    (root / "Stable-diffusion" / "cut.safetensors").write_bytes(b"\x99" * 40)
    (root / "Stable-diffusion" / "notes.txt").write_text("mine")
    shutil.copytree(tiny_folder, root / "diffusers" / "tiny")
    shutil.copytree(tiny_folder / "vae", root / "vae" / "sharp")
    write_image_encoder(root / "clip_vision" / "clip")
    write_controlnet(root / "ControlNet" / "blobs", tiny_folder)
    return root


def catalogue_of(home: Path, *folders: Path) -> Catalogue:
    catalogue = Catalogue(home, folders, starter=None)
    catalogue.look()
    return catalogue


def test_everything_in_a_tree_is_listed(tmp_path: Path, tree: Path) -> None:
    catalogue = catalogue_of(tmp_path / "home", tree)
    listed = [(model.kind, model.name, model.about and model.about.family) for model in catalogue.all()]
    assert listed == [
        ("checkpoint", "checkpoints/photo", "SD 2.x"),
        ("checkpoint", "lines", "SDXL"),
        ("checkpoint", "photo", "SD 1.x"),
        ("checkpoint", "tiny", ""),
        ("lora", "ink", "SD 1.x"),
        ("vae", "sharp", ""),
        ("vae", "soft", ""),
        ("embedding", "bad-hands", "SD 1.x"),
        ("controlnet", "blobs", ""),
        ("controlnet", "edges", "SD 1.x"),
        ("ip-adapter", "plus", "SDXL"),
        ("image-encoder", "clip", ""),
        (None, "cut", None),
        (None, "old", None),
    ]
    ink = catalogue.get("lora", "ink")
    assert ink and ink.about and ink.about.triggers == ("inkwash",)
    assert ink.found.size == (tree / "Lora" / "ink.safetensors").stat().st_size
    assert catalogue.files("lora") == {"ink": tree / "Lora" / "ink.safetensors"}


def test_what_cannot_be_used_says_why_in_one_sentence(tmp_path: Path, tree: Path) -> None:
    catalogue = catalogue_of(tmp_path / "home", tree)
    for name, said in {"old": "a pickle", "cut": "damaged or not all there"}.items():
        model = catalogue.get("", name)
        assert model and said in model.found.fault and "\n" not in model.found.fault
        assert str(tree) not in model.found.fault  # the page shows it


def test_a_read_only_folder_is_listed_and_nothing_is_written_into_it(tmp_path: Path, tree: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [tree, *tree.rglob("*")]}
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        catalogue = catalogue_of(tmp_path / "home", tree)
        assert len(catalogue.all()) == 14
        assert {path: path.stat().st_mtime_ns for path in [tree, *tree.rglob("*")]} == before
    finally:
        for path in before:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_checkpoint_is_taken_in_whole_or_not_at_all(tmp_path: Path, tiny_folder: Path) -> None:
    catalogue = catalogue_of(tmp_path / "home")

    def half(folder: Path) -> None:
        folder.mkdir()
        (folder / "model_index.json").write_text("{}")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        catalogue.take_in("mine", half)
    catalogue.look()
    assert "mine" not in catalogue.names()
    name = catalogue.take_in("mine", lambda folder: shutil.copytree(tiny_folder, folder) and None)
    assert name == "mine" and "mine" in catalogue.names() and catalogue.good("mine")
    assert catalogue.take_in("mine", half) == "mine", "one that is there stays"


def test_a_file_that_did_not_change_is_not_opened_again(tmp_path: Path, tree: Path) -> None:
    home = tmp_path / "home"
    before = catalogue_of(home, tree).all()
    file = tree / "Lora" / "ink.safetensors"
    status = file.stat()
    file.write_bytes(b"\0" * status.st_size)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert catalogue_of(home, tree).all() == before
    file.touch()
    assert catalogue_of(home, tree).get("", "ink")


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": 1, "found": 3}', '{"format": 1, "found": [{}]}']
)
def test_a_damaged_list_is_made_again(tmp_path: Path, tree: Path, damage: str) -> None:
    home = tmp_path / "home"
    before = catalogue_of(home, tree).all()
    for name in ("models-found.json", "models.json"):
        (home / name).write_text(damage)
    assert catalogue_of(home, tree).all() == before


def test_what_links_and_folders_lead_to_twice_is_there_once(tmp_path: Path, tree: Path) -> None:
    (tree / "again").symlink_to(tree / "Lora")
    (tree / "round").symlink_to(tree)
    (tree / "Lora" / "same.safetensors").symlink_to(tree / "Lora" / "ink.safetensors")
    catalogue = catalogue_of(tmp_path / "home", tree, tree / "Lora", tree.parent)
    assert list(catalogue.files("lora")) == ["ink"]


def test_hidden_folders_and_environments_are_left_out(tmp_path: Path, tree: Path) -> None:
    for name in (".downloads", "venv"):
        (tree / name).mkdir()
        write_header(tree / name / "no.safetensors", unet(768))
    (tree / "venv" / "pyvenv.cfg").touch()
    assert not catalogue_of(tmp_path / "home", tree).get("checkpoint", "no")


def test_a_model_loads_by_its_name_and_by_nothing_else(tmp_path: Path, tree: Path) -> None:
    catalogue = catalogue_of(tmp_path / "home", tree)
    assert catalogue.load("tiny").latent_channels == 4
    for name in (str(tree / "diffusers" / "tiny"), "../tiny", "", "soft"):
        with pytest.raises(ModelError, match="is not here; allowed: photo"):
            catalogue.load(name)


def test_good_values_are_the_familys(tmp_path: Path, tree: Path) -> None:
    catalogue = catalogue_of(tmp_path / "home", tree)
    sizes = {
        name: catalogue.good(name).get("width") for name in ("photo", "checkpoints/photo", "lines", "no")
    }
    assert sizes == {"photo": 512, "checkpoints/photo": 768, "lines": 1024, "no": None}


def test_a_host_may_say_what_a_model_predicts(tmp_path: Path, tree: Path, tiny_folder: Path) -> None:
    home = tmp_path / "home"
    catalogue = catalogue_of(home, tree)
    catalogue.predict("tiny", "epsilon")
    catalogue.predict("checkpoints/photo", "epsilon")
    again = catalogue_of(home, tree)
    assert again.prediction("tiny") == "epsilon" and again.good("checkpoints/photo")["width"] == 512
    (tree / "diffusers" / "tiny" / "scheduler" / "scheduler_config.json").write_text(json.dumps({
        "_class_name": "DDIMScheduler", "prediction_type": "v_prediction", "num_train_timesteps": 1000,
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    }))  # fmt: skip
    assert again.load("tiny").parametrisation.prediction == "epsilon"
    again.predict("tiny", None)
    assert again.load("tiny").parametrisation.prediction == "v_prediction"
    with pytest.raises(ModelError, match="Prediction: got 'magic'"):
        again.predict("tiny", "magic")
    with pytest.raises(ModelError, match="Prediction"):
        again.predict("nothing", "epsilon")


def test_folders_are_opened_and_shut_and_remembered(tmp_path: Path, tree: Path) -> None:
    home = tmp_path / "home"
    given = tmp_path / "given"
    given.mkdir()
    catalogue = catalogue_of(home, given)
    assert catalogue.names() == ["starter"]  # whose loading then says what is missing
    catalogue.open(f" {tree} ")
    assert "photo" in catalogue.names()
    again = catalogue_of(home, given)
    assert again.folders == (given, tree) and again.names() == catalogue.names()
    again.shut(str(tree))
    assert again.folders == (given,) and again.names() == ["starter"]
    with pytest.raises(FolderError, match="allowed: one of none"):
        again.shut(str(given))


@pytest.mark.parametrize("folder", ["", " ", "relative", "/no/such/folder", "/etc/hostname", "\0"])
def test_what_is_no_folder_is_not_opened(tmp_path: Path, folder: str) -> None:
    catalogue = catalogue_of(tmp_path / "home")
    with pytest.raises(FolderError, match="Model folder: got .*; allowed: the whole path of a folder"):
        catalogue.open(folder)


def test_the_sidecar_picture_is_found(tmp_path: Path, tree: Path) -> None:
    (tree / "Lora" / "ink.preview.png").touch()
    (tree / "diffusers" / "tiny.jpg").touch()
    catalogue = catalogue_of(tmp_path / "home", tree)
    for kind, name, picture in (("lora", "ink", "ink.preview.png"), ("checkpoint", "tiny", "tiny.jpg")):
        model = catalogue.get(kind, name)
        thumbnail = model and model.found.thumbnail()
        assert thumbnail and thumbnail.name == picture


def picture(size: tuple[int, int] = (64, 48), form: str = "JPEG") -> str:
    buffer = BytesIO()
    Image.new("RGB", size, "red").save(buffer, form)
    return b64encode(buffer.getvalue()).decode()


def pictured(folder: Path, name: str, said: str) -> Found:
    """A LoRA whose metadata holds a picture."""
    name = f"{name}.safetensors"
    save_file({"lora_unet_x.lora_up.weight": torch.zeros(1, 1)}, folder / name, {"modelspec.thumbnail": said})
    found = look_at(folder / name)
    assert found is not None and found.kind == "lora"
    return found


def shown(uri: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(uri.removeprefix("data:image/jpeg;base64,")))).convert("RGB")


def test_the_picture_within_a_file_is_shown_where_none_is_beside_it(tmp_path: Path) -> None:
    found = pictured(tmp_path, "ink", "data:image/jpeg;base64," + picture((640, 480)))
    image = shown(cards.thumbnail(found, 96))
    red = image.getpixel((9, 9))
    assert image.size == (96, 72) and isinstance(red, tuple) and red[0] > 200 and red[2] < 60
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "ink.png")
    blue = shown(cards.thumbnail(found, 96)).getpixel((4, 4))
    assert isinstance(blue, tuple) and blue[2] > 200 and blue[0] < 60


@pytest.mark.parametrize("said", [
    "", "data:,", "data:image/jpeg;base64,", "data:image/jpeg;base64,no!", "data:image/jpeg;base64,AAAA",
    "data:image/svg+xml;base64," + b64encode(b"<svg onload='alert(1)'/>").decode(),
    "data:text/html;base64," + picture(), "http://example.org/x.jpg", picture(),
    "data:image/png;base64," + picture((8, 8), "GIF"),
    "data:image/png;base64," + picture((4097, 4096), "PNG"),  # few bytes, too many pixels
    "data:image/png;base64," + b64encode(bytes((1 << 20) + 3)).decode(), '"><script>alert(1)</script>',
], ids=range(13))  # fmt: skip
def test_what_is_no_small_picture_is_not_shown(tmp_path: Path, said: str) -> None:
    assert cards.thumbnail(pictured(tmp_path, "ink", said), 96) == ""


def test_a_file_of_strange_shapes_is_refused_in_a_sentence(
    tmp_path: Path, tree: Path, tiny_folder: Path
) -> None:
    write_ldm(tiny_folder, tree / "small.safetensors")
    catalogue = catalogue_of(tmp_path / "home", tree)
    model = catalogue.get("", "small")
    assert model and "a U-Net of another family" in model.found.fault


def test_a_network_in_a_folder_loads_from_there(tmp_path: Path, tree: Path, tiny: Parts) -> None:
    catalogue = catalogue_of(tmp_path / "home", tree)
    nets = ControlNetFolder(tmp_path / "none", lambda: catalogue.files("controlnet"))
    encoders = ImageEncoderFolder(tmp_path / "none", lambda: catalogue.files("image-encoder"))
    assert nets.load("blobs", tiny).name == "blobs"
    found = encoders.find(Sight(True, SEEN[True]), tiny)
    assert found is not None and found.name == "clip"


def test_an_empty_home_has_the_bundled_model_first(tmp_path: Path, tiny_folder: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "models" / "another")
    catalogue = Catalogue(tmp_path, starter=tiny_folder)
    catalogue.look()
    assert catalogue.names() == [tiny_folder.name, "another"]
    assert (
        list(catalogue.checkpoints) == catalogue.names() and catalogue.checkpoints["another"]["width"] == 64
    )
    assert "nothing" not in catalogue.checkpoints


def test_how_many_steps_are_enough_is_told_where_it_was_measured(tmp_path: Path, tiny_folder: Path) -> None:
    starter = Path(shutil.copytree(tiny_folder, tmp_path / "starter"))
    about = starter / "atelier.json"
    catalogue = Catalogue(tmp_path / "home", starter=starter)
    catalogue.look()
    assert catalogue.converged("starter") == (0.0, {}) == catalogue.converged("nothing")
    about.write_text(json.dumps({"converged": {"distance": 0.1, "steps": {"heun": 6}}}))
    assert catalogue.converged("starter") == (0.1, {"heun": 6})
    about.write_text(json.dumps({"converged": {"distance": 0.1, "steps": ["heun"]}}))
    assert catalogue.converged("starter") == (0.0, {})


def test_the_levels_of_a_model_are_known_before_it_is_loaded(tmp_path: Path, tiny_folder: Path) -> None:
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "models" / "mine"))
    catalogue = Catalogue(tmp_path, starter=None)
    catalogue.look()
    assert catalogue.table("mine") == catalogue.load("mine").table and catalogue.table("nothing") is None
    (folder / "scheduler" / "scheduler_config.json").write_text("{")
    assert catalogue.table("mine") is None


def test_what_is_shipped_with_the_bundled_model_is_listed(
    tmp_path: Path, tree: Path, tiny_folder: Path
) -> None:
    starter = Path(shutil.copytree(tiny_folder, tmp_path / "starter"))
    (starter / "loras").mkdir()
    shutil.copy(tree / "Lora" / "ink.safetensors", starter / "loras")
    catalogue = Catalogue(tmp_path / "home", starter=starter)
    catalogue.look()
    assert catalogue.files("lora") == {"ink": starter / "loras" / "ink.safetensors"}
    assert catalogue.names() == ["starter"]


def test_the_studios_own_folders_of_every_kind_are_listed(tmp_path: Path, tree: Path) -> None:
    home = tmp_path / "home"
    for own, file in (
        ("loras", "Lora/ink"),
        ("controlnets", "ControlNet/edges"),
        ("embeddings", "embeddings/bad-hands"),
        ("ip-adapters", "ControlNet/plus"),
    ):
        (home / own).mkdir(parents=True)
        shutil.copy(tree / f"{file}.safetensors", home / own)
    assert [(model.kind, model.name) for model in catalogue_of(home).all()] == [
        ("lora", "ink"), ("embedding", "bad-hands"), ("controlnet", "edges"),
        ("ip-adapter", "plus"),
    ]  # fmt: skip
