"""IP-Adapters (arXiv:2308.06721): pictures that a drawing takes after, row by row, no weight touched.

Each cross-attention of the U-Net reads, beside the text, what an image encoder sees in a picture, by keys and
values of its own, and adds what it finds (eq. 5). Knows no recipes and no files of pictures.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from adapters.controlnet import OTHERS
from adapters.image_encoder import ImageEncoder
from models import ModelError, Parts
from models.header import Header, read_header
from models.ip_adapter import HEAD, MAPS, PROJECTION, Make, Sight, recognise_ip_adapter
from models.networks import fill

LARGEST = 4 << 30  # bytes
NAMES = (  # of the published layout -> of diffusers' networks
    (r"^proj\.", "image_embeds."),
    (r"^(layers\.\d+)\.0\.norm1\.", r"\1.ln0."),
    (r"^(layers\.\d+)\.0\.norm2\.", r"\1.ln1."),
    (r"^(layers\.\d+)\.0\.to_out\.", r"\1.attn.to_out.0."),
    (r"^(layers\.\d+)\.0\.to_", r"\1.attn.to_"),
    (r"^(layers\.\d+)\.1\.0\.", r"\1.ff.0."),
    (r"^(layers\.\d+)\.1\.1\.", r"\1.ff.1.net.0.proj."),
    (r"^(layers\.\d+)\.1\.3\.", r"\1.ff.1.net.2."),
)


class Tokens(NamedTuple):
    """What the U-Net's cross-attentions read of a picture, in their order: (T, C) each."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]


class Seen(NamedTuple):
    """A picture as an IP-Adapter sees it."""

    there: Tokens  # under a prompt
    away: Tokens  # no picture: under what a drawing is guided away from


class Likeness(NamedTuple):
    """What is taken after, and how strongly."""

    tokens: Tokens
    weight: float


Likenesses: TypeAlias = tuple[Likeness, ...]


@dataclass(frozen=True, eq=False)
class IpAdapter:
    """A loaded IP-Adapter of one model's shape."""

    name: str
    encoder: ImageEncoder
    fine: bool  # "plus"
    projection: nn.Module  # diffusers' ImageProjection or IPAdapterPlusImageProjection
    maps: tuple[tuple[Any, Any], ...]  # keys and values of each cross-attention: linear

    @torch.inference_mode()
    def see(self, picture: Image.Image) -> Seen:
        """``picture`` in RGB, whatever its size; its middle square is seen."""
        return Seen(*map(self._tokens, self.encoder.see(picture, self.fine)))

    def _tokens(self, seen: Tensor) -> Tokens:
        [tokens] = self.projection(seen)  # (T, D)
        return Tokens(*zip(*((to_k(tokens), to_v(tokens)) for to_k, to_v in self.maps), strict=True))


@contextmanager
def likened(unet: Any, rows: Sequence[Likenesses]) -> Iterator[None]:
    """Inside, row i of the next calls of ``unet`` (diffusers' UNet2DConditionModel) takes after ``rows[i]``.

    Attention processors stay as they are, whichever they are: a hook hears each cross-attention's queries,
    another adds what they find to what goes into its last map. Outside, the network is as it was, bit for
    bit.
    """
    by_length: dict[int, list[tuple[int, Likeness]]] = defaultdict(list)
    for i, likenesses in enumerate(rows):
        for one in likenesses:
            by_length[len(one.tokens.keys[0])].append((i, one))
    hooks = []
    try:
        for k, (_, place) in enumerate(cross_attentions(unet) if by_length else ()):
            attention = unet.get_submodule(place)
            finds = [_Found.of(pairs, k) for pairs in by_length.values()]
            queries: list[Tensor] = []
            hooks.append(attention.to_q.register_forward_hook(_hears(queries)))
            adds = _adds(queries, finds, attention.heads)
            hooks.append(attention.to_out[0].register_forward_pre_hook(adds))
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Found(NamedTuple):
    """Likenesses of one length at one cross-attention, each for a row of the call."""

    which: Tensor  # (n,)
    weights: Tensor  # (n, 1, 1)
    keys: Tensor  # (n, T, C)
    values: Tensor

    @classmethod
    def of(cls, pairs: Sequence[tuple[int, Likeness]], k: int) -> "_Found":
        keys, values = (torch.stack([one.tokens[side][k] for _, one in pairs]) for side in (0, 1))
        weights = keys.new_tensor([one.weight for _, one in pairs]).view(-1, 1, 1)
        return cls(torch.tensor([i for i, _ in pairs], device=keys.device), weights, keys, values)


def _hears(queries: list[Tensor]) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], query: Tensor) -> None:
        queries[:] = [query]

    return hook


def _adds(queries: list[Tensor], finds: Sequence[_Found], heads: int) -> Callable[..., tuple[Any, ...]]:
    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        seen, *rest = inputs  # (B, L, C)
        query = queries.pop()
        for found in finds:
            q, k, v = (
                t.unflatten(-1, (heads, -1)).transpose(1, 2)
                for t in (query[found.which], found.keys, found.values)
            )
            gained = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            seen = seen.index_add(0, found.which, found.weights * gained)
        return (seen, *rest)

    return hook


def cross_attentions(unet: Any) -> list[tuple[int, str]]:
    """(number in files, name) of each attention that reads the text.

    Files number all attentions in the order of the U-Net's ``attn_processors``, which is down, up, middle.
    """
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return [(number, name) for number, name in enumerate(names) if name.endswith("attn2")]


def load_ip_adapter(
    file: Path, parts: Parts, encoder: Callable[[Sight, Parts], ImageEncoder | None]
) -> IpAdapter:
    """The IP-Adapter of a safetensors file for the model ``parts``; ``encoder`` finds the one that it wants.

    Raises ``ModelError`` where it is unsound, made for another model, or sees by an encoder that is not here.
    """
    header = read_header(file)
    name = file.stem
    make = recognise_ip_adapter(header)
    if make is None:
        raise ModelError(f"IP-Adapter {name!r} {_other(header)}; allowed: an IP-Adapter, base or plus.")
    width = parts.unet.config.cross_attention_dim
    if make.text != width:
        raise ModelError(
            f"IP-Adapter {name!r} reads texts of width {make.text}, as another family does; allowed with "
            f"model {parts.name!r}: {width}."
        )
    if file.stat().st_size > LARGEST:
        raise ModelError(f"File {file.name!r} has {file.stat().st_size} bytes; allowed: at most {LARGEST}.")
    projection, maps = _networks(header, make, parts)
    seer = encoder(make.sight, parts)
    if seer is None:
        raise ModelError(f"IP-Adapter {name!r} sees pictures by {make.sight.missing}.")
    return IpAdapter(name, seer, make.sight.fine, projection, maps)


def _networks(header: Header, make: Make, parts: Parts) -> tuple[Any, tuple[tuple[Any, Any], ...]]:
    """What makes tokens, and the keys and values of each cross-attention."""
    from accelerate import init_empty_weights
    from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection
    from safetensors.torch import load_file

    unet, what = parts.unet, f"IP-Adapter {header.file.stem!r}"
    with init_empty_weights():
        if make.sight.fine:
            projection: nn.Module = IPAdapterPlusImageProjection(
                make.sight.width, make.text, make.hidden, make.depth, HEAD, make.heads, make.tokens
            )
        else:
            projection = ImageProjection(make.sight.width, make.text, make.tokens)
        maps = nn.ModuleDict({
            str(number): nn.ModuleDict({
                f"to_{side}_ip": nn.Linear(make.text, len(unet.get_submodule(place).to_k.weight), bias=False)
                for side in "kv"
            })
            for number, place in cross_attentions(unet)
        })  # fmt: skip
    tensors = load_file(header.file)
    projected = _beginning(tensors, PROJECTION)
    fill(projection, _in_diffusers_names(projected), parts.dtype, f"{what}, {PROJECTION}*,").to(parts.device)
    fill(maps, _beginning(tensors, MAPS), parts.dtype, f"{what}, {MAPS}*,").to(parts.device)
    pairs: Any = maps.values()
    return projection, tuple((pair["to_k_ip"], pair["to_v_ip"]) for pair in pairs)


def _beginning(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _in_diffusers_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for theirs, ours in NAMES:
            name = re.sub(theirs, ours, name)
        if "attn.to_kv." in name:
            named[name.replace("to_kv", "to_k")], named[name.replace("to_kv", "to_v")] = tensor.chunk(2)
        else:
            named[name] = tensor
    return named


def _other(header: Header) -> str:
    """In words, what a file is that is none."""
    for beginning, what in (OTHERS | {"control_model.": "a ControlNet"}).items():
        if header.has(beginning):
            return f"is {what}"
    return "has no weights of one"
