"""A source's networks and settings, put together as ``Parts``. Knows no names and no hub."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from models.defaults import read_extra
from models.error import ModelError
from models.hardware import best_device, best_dtype, offloads
from models.parametrisation import Parametrisation
from models.parts import Parts
from models.perturbed import make_perturbable
from models.prediction import measured
from models.source import WEAK, Source
from models.table import read_scheduler
from models.text import TextEncoder
from models.tokenizer import read_tokenizer
from models.vae import read_vae

PERTURBED_BLOCKS = ("mid_block",)  # where the papers' perturbed attention is
GUESSED = (
    "{name!r} does not say whether it predicts noise or velocity. Asked once at its noisiest level, it "
    "answered with {guess}; if its pictures are only noise or blotches, load it with prediction={other!r}."
)


@dataclass(frozen=True)
class Wishes:
    """What whoever loads a model may choose; None is the best of this machine, or the model's own."""

    device: str | torch.device | None = None
    dtype: torch.dtype | None = None
    prediction: str | None = None
    vae: str | None = None


def assemble(name: str, source: Source, wishes: Wishes) -> Parts:
    """The model of ``source``, ready. Raises ``ModelError``, and ``ValueError`` for unknown settings."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    place = torch.device(wishes.device) if wishes.device is not None else best_device()
    place = torch.empty(0, device=place).device  # with its number, as tensors there say it
    kind = wishes.dtype or best_dtype(place)
    parametrisation, known = parametrisation_of(source, wishes.prediction)
    unet = source.network(UNet2DConditionModel, "unet", kind)
    vae, vae_files = read_vae(source, wishes.vae, kind)
    encoders = _encoders(source)
    weak = source.network(UNet2DConditionModel, WEAK, kind) if source.has_weak else None
    _check_fit(name, unet, vae, encoders)
    make_perturbable(unet, PERTURBED_BLOCKS)
    sometimes = [vae, *(encoder.network for encoder in encoders)]
    drawing = [unet, weak] if weak is not None else [unet]
    offload = offloads(place, sum(_bytes(network) for network in (*sometimes, *drawing)))
    for network in drawing if offload else (*drawing, *sometimes):
        network.to(place)
    native_size, defaults = source.defaults(parametrisation.prediction if known else None)
    parts = Parts(
        name=name,
        family=source.layout.family,
        path=source.path,
        files=source.files() | vae_files,
        parametrisation=parametrisation,
        native_size=native_size,
        defaults=defaults,
        encoders=encoders,
        unet=unet.to(memory_format=torch.channels_last),
        vae=vae.to(memory_format=torch.channels_last),
        device=place,
        dtype=kind,
        vae_dtype=vae.dtype,
        weak=weak.to(memory_format=torch.channels_last) if weak is not None else None,
        offload=offload,
    )
    return parts if known else _guess(parts, source)


def parametrisation_of(source: Source, wished: str | None) -> tuple[Parametrisation, bool]:
    """What the U-Net predicts at which levels, and whether that is known rather than assumed."""
    scheduler, known = source.scheduler()
    if wished is not None:
        scheduler, known = scheduler | {"prediction_type": wished}, True
    return read_scheduler(scheduler, read_extra(source.configs).get("sigmas", ())), known


def _guess(parts: Parts, source: Source) -> Parts:
    """With what the U-Net seems to predict, and a remark that says so."""
    guess = measured(parts)
    other = "v_prediction" if guess == "epsilon" else "epsilon"
    native_size, defaults = source.defaults(guess)
    return replace(
        parts,
        parametrisation=replace(parts.parametrisation, prediction=guess),
        native_size=native_size,
        defaults=defaults,
        remarks=(GUESSED.format(name=parts.name, guess=guess, other=other),),
    )


def _bytes(network: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in network.parameters())


def _encoders(source: Source) -> tuple[TextEncoder, ...]:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    return tuple(
        TextEncoder(
            tokenizer=read_tokenizer(source.configs / where.tokenizer),
            network=source.network(
                CLIPTextModelWithProjection if where.pooled else CLIPTextModel, where.network, torch.float32
            ),
            penultimate=source.layout.penultimate,
            pooled=where.pooled,
        )
        for where in source.layout.encoders
    )


def _check_fit(name: str, unet: Any, vae: Any, encoders: tuple[TextEncoder, ...]) -> None:
    """Networks of one file or folder need not be of one model."""
    wanted, made = unet.config.in_channels, vae.config.latent_channels
    if wanted not in (made, 2 * made + 1):  # alone, or with the masked picture's and the mask
        raise ModelError(f"Model {name!r} has a U-Net for {wanted} latent channels and a VAE of {made}.")
    wanted, made = unet.config.cross_attention_dim, sum(e.network.config.hidden_size for e in encoders)
    if wanted != made:
        raise ModelError(f"Model {name!r} has a U-Net for texts of {wanted} numbers and encoders of {made}.")
    if pooled := sum(e.network.config.projection_dim for e in encoders if e.pooled):
        wanted = unet.config.projection_class_embeddings_input_dim
        made = pooled + 6 * (unet.config.addition_time_embed_dim or 0)
        if wanted != made:
            raise ModelError(
                f"Model {name!r} has a U-Net for {wanted} numbers of pooled text and sizes, and gets {made}."
            )
