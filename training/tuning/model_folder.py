"""A tuned model as a folder in diffusers' layout, which ``models.load`` and diffusers read."""

import json
import shutil
from pathlib import Path

from safetensors.torch import save_file

from models import Parts
from models.defaults import read_json
from models.header import read_header
from models.source import WEAK, CheckpointFile, Folder, Source

LEFT_OUT = ("safety_checker", "feature_extractor", "image_encoder")  # of which nothing is loaded
UNET = "diffusion_pytorch_model.safetensors"


def save_model(parts: Parts, folder: Path) -> Path:
    """``parts`` with its U-Net as it is now, in half precision; the rest as it was loaded.

    Returns ``folder``; one that was there is replaced."""
    source: Source = Folder(parts.path) if parts.path.is_dir() else CheckpointFile(read_header(parts.path))
    staged = folder.with_suffix(".part")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    index = read_json(source.configs / "model_index.json")
    index |= {name: [None, None] for name in LEFT_OUT if name in index} | {"requires_safety_checker": False}
    (staged / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    if (source.configs / "atelier.json").is_file():
        shutil.copyfile(source.configs / "atelier.json", staged / "atelier.json")
    for place in source.layout.encoders:
        shutil.copytree(source.configs / place.tokenizer, staged / place.tokenizer)
    _rest(parts, source, staged)
    _unet(parts, staged / "unet")
    scheduler = source.scheduler()[0]
    if parts.path.is_file():  # which may not say it: it was guessed then
        scheduler |= {"prediction_type": parts.parametrisation.prediction}
    (staged / "scheduler").mkdir()
    (staged / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    staged.rename(folder)
    return folder


def _rest(parts: Parts, source: Source, folder: Path) -> None:
    """What did not learn: the files of a folder, or what was read from one file."""
    if parts.path.is_dir():
        others = ["vae", *(place.network for place in source.layout.encoders), *([WEAK] * source.has_weak)]
        for name in others:
            shutil.copytree(
                source.path / name, folder / name, ignore=shutil.ignore_patterns("*.bin", "*.ckpt")
            )
        return
    parts.vae.save_pretrained(folder / "vae", safe_serialization=True)
    for place, encoder in zip(source.layout.encoders, parts.encoders, strict=True):
        encoder.network.save_pretrained(folder / place.network, safe_serialization=True)


def _unet(parts: Parts, folder: Path) -> None:
    folder.mkdir()
    parts.unet.save_config(folder)
    half = {name: w.detach().cpu().half().contiguous() for name, w in parts.unet.state_dict().items()}
    save_file(half, str(folder / UNET), {"format": "pt"})
