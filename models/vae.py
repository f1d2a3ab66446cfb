"""The VAE of a model, its own or another that was chosen for it. Knows no U-Nets."""

from pathlib import Path
from typing import Any

import torch

from models.checkpoint import PREFIXES, from_checkpoint, read_config
from models.defaults import read_json
from models.error import ModelError
from models.header import read_header
from models.layout import Layout
from models.networks import PICKLES, from_folder
from models.source import Source


def read_vae(source: Source, chosen: str | None, dtype: torch.dtype) -> tuple[Any, dict[str, Path]]:
    """diffusers' AutoencoderKL on the CPU, and the files that decide it beside the model's own.

    ``chosen`` is a folder of a VAE in diffusers' layout, or a safetensors file of one under LDM's or
    diffusers' names; None is the model's own. Raises ``ModelError``.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    own = read_config(source.configs, "vae")
    if chosen is None:
        return source.network(AutoencoderKL, "vae", _dtype(own, source.layout, dtype)), {}
    path = Path(chosen).expanduser()
    if path.suffix.lower() in PICKLES:
        raise ModelError(f"VAE {chosen!r} is a pickle, which can run any program; allowed: safetensors.")
    if path.is_dir():
        config = read_json(path / "config.json")
        vae = from_folder(AutoencoderKL, path, _dtype(config, source.layout, dtype))
        files = {
            f"vae: {file.name}": file for file in sorted(path.iterdir()) if file.suffix == ".safetensors"
        }
    elif path.is_file():
        header = read_header(path)
        prefix = next((one for one in PREFIXES["vae"] if header.has(one)), "")
        kind = _dtype(own, source.layout, dtype)
        vae = from_checkpoint(AutoencoderKL, header, "vae", own, kind, prefix)
        files = {f"vae: {path.name}": path}
    else:
        raise ModelError(f"VAE {chosen!r} was not found; allowed: a folder or a safetensors file.")
    _check_scale(vae, own, chosen)
    return vae, files


def _dtype(config: dict[str, Any], layout: Layout, dtype: torch.dtype) -> torch.dtype:
    """float32 for an SDXL VAE that says float16 is too small for it, as diffusers' pipeline does."""
    overflows = layout.penultimate and config.get("force_upcast", True)
    return torch.float32 if dtype == torch.float16 and overflows else dtype


def _check_scale(vae: Any, own: dict[str, Any], chosen: str) -> None:
    """The VAEs of SD and SDXL differ in no shape, but their latents are not each other's."""
    scale = own.get("scaling_factor", 0.18215)
    if abs(vae.config.scaling_factor - scale) > 1e-4:
        raise ModelError(
            f"VAE {chosen!r} has latents of scale {vae.config.scaling_factor}; allowed: {scale}, the model's."
        )
