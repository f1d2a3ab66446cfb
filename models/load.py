"""From a name to ``Parts``: diffusers' folder layout and safetensors only. Knows no samplers or recipes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from models.defaults import read_defaults, read_extra, read_json
from models.hardware import best_device, best_dtype
from models.parts import Parts
from models.perturbed import make_perturbable
from models.table import read_scheduler
from models.torchvision_guard import guard_torchvision

STARTER = Path(__file__).parent / "starter"
FAMILIES = {"StableDiffusionPipeline": "stable-diffusion"}
COMPONENTS = ("text_encoder", "tokenizer", "unet", "vae", "scheduler")
WEAK = "weak"  # the folder of a weaker U-Net for autoguidance, if a model has one
PERTURBED_BLOCKS = ("mid_block",)  # where the papers' perturbed attention is
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
HUB_FILES = ["*.safetensors", "*.json", "*.txt"]


class ModelError(ValueError):
    """A model cannot be loaded. The message says what was asked, what is wrong and what would do."""


def load(
    name: str = "starter",
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    download: bool = False,
) -> Parts:
    """Load "starter", a folder in diffusers' layout, or a model of the Hugging Face hub ("owner/name").

    ``device`` and ``dtype`` are the best of this machine unless given. Nothing is fetched from the hub unless
    ``download`` is true; without it the hub's local cache is used. Raises ``ModelError``.
    """
    guard_torchvision()
    folder = _find(name, download)
    try:
        with _quiet():
            return _load_folder(folder, Path(name).resolve().name, device, dtype)
    except (ModelError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the libraries raise a dozen kinds over files that anyone may have written
        raise ModelError(f"Model {name!r} cannot be loaded: {error}") from error


def defaults(name: str) -> dict[str, Any]:
    """The recipe fields good for the model that ``load(name)`` gives, without its weights.

    Empty where they cannot be read: such a model cannot be loaded either, and ``load`` says what is wrong.
    """
    try:
        return read_defaults(_find(name, download=False))[1]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars, which would run through those of the command line."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _find(name: str, download: bool) -> Path:
    path = STARTER if name == "starter" else Path(name).expanduser()
    if name and path.is_dir():
        return path
    if path.suffix.lower() in PICKLES:
        raise ModelError(f"Model {name!r} is a pickle, which can run any program; allowed: safetensors.")
    if path.is_file() or path.suffix == ".safetensors":
        raise ModelError(f"Model {name!r} is a single file; allowed: a folder in diffusers' layout.")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return _from_hub(name, download)
    raise ModelError(f"Model {name!r} was not found; allowed: 'starter', a folder, or a hub id 'owner/name'.")


def _from_hub(name: str, download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES, local_files_only=not download))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"Model {name!r} is not on this machine; load it with download=True while online."
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"Model {name!r} could not be fetched from the hub: {error}") from error


def _load_folder(
    folder: Path, name: str, device: str | torch.device | None, dtype: torch.dtype | None
) -> Parts:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    family = _family(folder)
    place = torch.device(device) if device is not None else best_device()
    kind = dtype or best_dtype(place)
    vae_kind = torch.float32 if kind == torch.float16 else kind  # half precision overflows in some decoders
    unet = _network(UNet2DConditionModel, folder / "unet", kind).to(place)
    vae = _network(AutoencoderKL, folder / "vae", vae_kind).to(place)
    wanted, made = unet.config.in_channels, vae.config.latent_channels
    if wanted != made:
        raise ModelError(f"Model {name!r} has a U-Net for {wanted} latent channels and a VAE of {made}.")
    native_size, defaults = read_defaults(folder)
    make_perturbable(unet, PERTURBED_BLOCKS)
    weak = None
    if (folder / WEAK).is_dir():
        weak = _network(UNet2DConditionModel, folder / WEAK, kind).to(
            place, memory_format=torch.channels_last
        )
    return Parts(
        name=name,
        family=family,
        folder=folder,
        files=_files(folder),
        parametrisation=read_scheduler(
            read_json(folder / "scheduler" / "scheduler_config.json"), read_extra(folder).get("sigmas", ())
        ),
        native_size=native_size,
        defaults=defaults,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        text_encoder=_network(CLIPTextModel, folder / "text_encoder", torch.float32).to(place),
        unet=unet.to(memory_format=torch.channels_last),
        vae=vae.to(memory_format=torch.channels_last),
        device=place,
        dtype=kind,
        weak=weak,
    )


def _family(folder: Path) -> str:
    index = folder / "model_index.json"
    if not index.exists():
        raise ModelError(
            f"Folder {str(folder)!r} has no model_index.json; allowed: diffusers' folder layout."
        )
    name = read_json(index).get("_class_name")
    if name not in FAMILIES:
        raise ModelError(f"Folder {str(folder)!r} holds a {name}; allowed: {', '.join(FAMILIES)}.")
    missing = [part for part in COMPONENTS if not (folder / part).is_dir()]
    if missing:
        raise ModelError(
            f"Folder {str(folder)!r} lacks {', '.join(missing)}; allowed: all of {', '.join(COMPONENTS)}."
        )
    return FAMILIES[name]


def _network(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A network in eval mode, every weight from the file: libraries only log what they had to invent."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = any(file.suffix in PICKLES for file in folder.iterdir())
        got = "only pickles, which can run any program" if pickles else "no weights"
        raise ModelError(f"Folder {str(folder)!r} has {got}; allowed: safetensors.")
    variant = None if any(".fp16." not in file.name for file in weights) else "fp16"
    network, info = kind.from_pretrained(
        folder,
        variant=variant,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    if info["missing_keys"]:
        some = ", ".join(sorted(info["missing_keys"])[:3])
        raise ModelError(f"Folder {str(folder)!r} lacks {len(info['missing_keys'])} weights ({some} ...).")
    return network.eval().requires_grad_(False)


def _files(folder: Path) -> tuple[Path, ...]:
    parts = (*COMPONENTS, *((WEAK,) if (folder / WEAK).is_dir() else ()))
    found = (file for part in parts for file in sorted((folder / part).iterdir()))
    return tuple(
        file.relative_to(folder) for file in found if file.suffix in (".safetensors", ".json", ".txt")
    )
