"""The VAE of a model, its own or another that was chosen for it. Knows no U-Nets."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import PREFIXES, from_checkpoint, read_config
from models.defaults import read_json
from models.error import ModelError
from models.header import read_header
from models.networks import PICKLES, from_folder
from models.parts import Parts
from models.source import Source


def read_vae(source: Source, chosen: str | None, dtype: torch.dtype) -> tuple[Any, dict[str, Path]]:
    """diffusers' AutoencoderKL on the CPU, and the files that decide it beside the model's own.

    ``chosen`` is a folder of a VAE in diffusers' layout, or a safetensors file of one under LDM's or
    diffusers' names; None is the model's own. Raises ``ModelError``.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    own = read_config(source.configs, "vae")
    if chosen is None:
        return source.network(AutoencoderKL, "vae", _dtype(own, source.layout.penultimate, dtype)), {}
    return _other(chosen, own, source.layout.penultimate, dtype)


def with_vae(parts: Parts, chosen: str) -> Parts:
    """The model with another VAE, a path as in ``read_vae``; all else is shared. Raises ``ModelError``."""
    own = parts.vae.config
    try:
        vae, files = _other(chosen, own, parts.family == "stable-diffusion-xl", parts.dtype)
    except (OSError, KeyError, TypeError) as error:
        raise ModelError(f"VAE {Path(chosen).name!r} cannot be loaded: {error}") from error
    shape, wanted = (
        (one["latent_channels"], 2 ** (len(one["block_out_channels"]) - 1)) for one in (vae.config, own)
    )
    if shape != wanted:
        got = "{} latent channels of {} pixels".format(*shape)
        allowed = "{} of {}, the model's".format(*wanted)
        raise ModelError(f"VAE {Path(chosen).name!r} has {got}; allowed: {allowed}.")
    vae = vae.to(parts.resting, memory_format=torch.channels_last)
    kept = {what: file for what, file in parts.files.items() if not what.startswith("vae: ")}
    return replace(parts, vae=vae, vae_dtype=vae.dtype, files=kept | files)


def _other(chosen: str, own: Mapping[str, Any], xl: bool, dtype: torch.dtype) -> tuple[Any, dict[str, Path]]:
    """A VAE in place of the one of config ``own``, and the files that decide it."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    path = Path(chosen).expanduser()
    if path.suffix.lower() in PICKLES:
        raise ModelError(f"VAE {chosen!r} is a pickle, which can run any program; allowed: safetensors.")
    if path.is_dir():
        vae = from_folder(AutoencoderKL, path, _dtype(read_json(path / "config.json"), xl, dtype))
        files = {
            f"vae: {file.name}": file for file in sorted(path.iterdir()) if file.suffix == ".safetensors"
        }
    elif path.is_file():
        header = read_header(path)
        prefix = next((one for one in PREFIXES["vae"] if header.has(one)), "")
        vae = from_checkpoint(AutoencoderKL, header, "vae", dict(own), _dtype(own, xl, dtype), prefix)
        files = {f"vae: {path.name}": path}
    else:
        raise ModelError(f"VAE {chosen!r} was not found; allowed: a folder or a safetensors file.")
    _check_scale(vae, own, chosen)
    return vae, files


def _dtype(config: Mapping[str, Any], xl: bool, dtype: torch.dtype) -> torch.dtype:
    """float32 for an SDXL VAE that says float16 is too small for it, as diffusers' pipeline does."""
    overflows = xl and config.get("force_upcast", True)
    return torch.float32 if dtype == torch.float16 and overflows else dtype


def _check_scale(vae: Any, own: Mapping[str, Any], chosen: str) -> None:
    """The VAEs of SD and SDXL differ in no shape, but their latents are not each other's."""
    scale = own.get("scaling_factor", 0.18215)
    if abs(vae.config.scaling_factor - scale) > 1e-4:
        raise ModelError(
            f"VAE {chosen!r} has latents of scale {vae.config.scaling_factor}; allowed: {scale}, the model's."
        )
