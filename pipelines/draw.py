"""The driver that answers one request at a time: the plain way to a picture. Knows no queues or threads."""

from collections.abc import Sequence
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from adapters import (
    ControlNetFolder,
    EmbeddingFolder,
    IpAdapterFolder,
    LoraFolder,
    UpscalerFolder,
    attached,
    hinted,
    likened,
    seamless,
    taught,
)
from adapters.lora import networks_of
from models import Context, ModelError, Parts, with_vae
from pipelines.materials import Folders, Pictures
from pipelines.prompt import runs
from pipelines.recipe import Recipe, RecipeError
from pipelines.requests import (
    Decode,
    Denoise,
    EncodeImage,
    EncodeReference,
    EncodeText,
    Enlarge,
    Prepare,
    Request,
    Step,
)
from pipelines.story import story

COLOURED = ("Edit, Init picture", "Upscale, Picture")  # pictures whose pixels come out again


def draw(
    recipe: Recipe,
    parts: Parts,
    loras: LoraFolder | None = None,
    *,
    controlnets: ControlNetFolder | None = None,
    embeddings: EmbeddingFolder | None = None,
    pictures: Pictures = MappingProxyType({}),
    ip_adapters: IpAdapterFolder | None = None,
    upscalers: UpscalerFolder | None = None,
) -> list[Image.Image]:
    """The ``recipe.count`` pictures of ``recipe`` by the model given, its adapters from the folders given.

    ``pictures`` are those that it is made with, by the names that it has for them, upright, in RGB or RGBA;
    masks, and what it follows or takes after, also in L. A VAE of the recipe is a path here. Raises
    ``RecipeError``.
    """
    check_pictures(recipe, pictures)
    if recipe.vae:
        try:
            parts = with_vae(parts, recipe.vae)
        except ModelError as error:
            raise RecipeError(f"VAE: {error}") from None
    folders = Folders(loras, controlnets, embeddings, pictures, ip_adapters, upscalers)
    pipeline = story(recipe, parts, folders.of(parts))
    reply: Any = None
    while True:
        try:
            request = pipeline.send(reply)
        except StopIteration as done:
            return to_images(done.value)
        reply = answer(request, parts)


def check_pictures(recipe: Recipe, pictures: Pictures) -> None:
    """Raises ``RecipeError`` for those of ``pictures`` whose colours would be misread; one that is not there
    is told by what wants it."""
    for label, name in recipe.pictures():
        try:
            picture = pictures[name]
        except (KeyError, ValueError):
            continue
        allowed = ("RGB", "RGBA") if label in COLOURED else ("RGB", "RGBA", "L")
        got = picture.mode if isinstance(picture, Image.Image) else None
        if got not in allowed:
            told = f"a {type(picture).__name__}" if got is None else f"a picture of mode {got!r}"
            raise RecipeError(f"{label}: got {told}; allowed: a picture of mode {', '.join(allowed)}.")


def answer(request: Request, parts: Parts) -> Any:
    """What ``request`` is sent (see pipelines/requests.py)."""
    match request:
        case EncodeText():
            return encode(request, parts)
        case EncodeReference(adapter, _, picture):
            return adapter.see(picture)
        case EncodeImage() | Decode():
            return coded(request, parts)
        case Enlarge(upscaler, pixels):
            return upscaler.enlarge(pixels)
        case Prepare(make):
            return make()
        case Step():
            return None
        case _:
            return denoise(request, parts)


def encode(request: EncodeText, parts: Parts) -> Context:
    """The rows that ``request`` is answered with."""
    prompts = [[runs(text) for text in stages] for stages in request.prompts]
    with ExitStack() as stack:
        stack.enter_context(parts.at_work(*parts.readers))
        for name, network in networks_of(parts):
            if name != "unet":
                stack.enter_context(attached(network, name, [request.loras]))
        return taught(parts, request.words).encode_prompts(prompts, request.clip_skip)


def coded(request: EncodeImage | Decode, parts: Parts) -> Tensor:
    """What the VAE makes of it: latents of pixels, or pixels of latents."""
    with seamless(request.seamless, parts.vae):
        return (
            parts.encode(request.pixels)
            if isinstance(request, EncodeImage)
            else parts.decode(request.latents)
        )


def denoise(requests: Sequence[Denoise], parts: Parts) -> tuple[Tensor, ...]:
    """One x0 (B, C, h, w) for each; their latents must be of one size. A single call of the network, and one
    more for each length of context, for seamless ones, and where some ask the weak one."""
    answers: dict[int, Tensor] = {}
    kinds = [(ask.context.hidden.shape[1], ask.network == "weak", ask.seamless) for ask in requests]
    for kind in dict.fromkeys(kinds):
        some = [k for k, its in enumerate(kinds) if its == kind]
        answers |= zip(some, together(parts, [requests[k] for k in some]), strict=True)
    return tuple(answers[k] for k in range(len(requests)))


def together(parts: Parts, asks: Sequence[Denoise]) -> tuple[Tensor, ...]:
    """One x0 (B, C, h, w) for each, from a single call of the network."""
    each = [ask for ask in asks for _ in range(len(ask.x))]
    weak = any(ask.network == "weak" for ask in asks)  # all or none; adapters were not made for it
    helped = [] if weak else each
    hints = [ask.hints for ask in helped]
    networks = [parts.weak if weak else parts.unet, *(hint.net.network for rows in hints for hint in rows)]
    # LoRAs first: the queries that an IP-Adapter hears are those that they made.
    with (
        seamless(asks[0].seamless, *networks),  # all of them want the same
        attached(parts.unet, "unet", [ask.loras for ask in helped]),
        hinted(parts.unet, hints),
        likened(parts.unet, [ask.likenesses for ask in helped]),
    ):
        x0 = parts.denoise(
            torch.cat([ask.x for ask in asks]),
            [ask.level for ask in each],
            Context.cat([ask.context for ask in asks]),
            [ask.network for ask in each],
            _beside(asks),
        )
    return x0.split([len(ask.x) for ask in asks])


def _beside(asks: Sequence[Denoise]) -> Tensor | None:
    """(B, 1 + C, h, w): a row for each of theirs; all of them have channels beside x, or none has."""
    rows = [ask.beside.expand(len(ask.x), -1, -1, -1) for ask in asks if ask.beside is not None]
    assert len(rows) in (0, len(asks))
    return torch.cat(rows) if rows else None


def to_images(pixels: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [-1, 1] -> B RGB images; (B, 4, H, W) -> B RGBA images."""
    bytes_ = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [Image.fromarray(row.permute(1, 2, 0).cpu().numpy()) for row in bytes_]
