"""Parts: what loading a checkpoint gives, and the answers it can give. Knows no samplers or recipes."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.chunks import Size, Text
from models.offload import at_work
from models.parametrisation import Parametrisation
from models.perturbed import rows_of
from models.preview import Projection, fit_projection, read_projection
from models.text import Context, TextEncoder, encode_all, encode_prompts
from schedulers.level import Level, Table
from schedulers.network import Network

log = logging.getLogger("atelier.models")
OVERFLOWED = "The VAE's answer was not a number in half precision; it works in float32 since."


@dataclass(frozen=True, eq=False, repr=False)  # a repr would print the networks
class Parts:
    """One loaded text-to-image model. Latents are in the U-Net's scale outside ``encode``, ``decode``."""

    name: str
    family: str
    path: Path  # the folder or the file that it was loaded from
    files: Mapping[str, Path]  # all that decides its answers, by what each is
    parametrisation: Parametrisation
    native_size: tuple[int, int]  # (width, height) in pixels
    defaults: dict[str, Any]  # recipe fields good for this model
    encoders: tuple[TextEncoder, ...]
    unet: Any  # diffusers' UNet2DConditionModel
    vae: Any  # diffusers' AutoencoderKL
    device: torch.device
    dtype: torch.dtype  # of the U-Net; text is encoded in float32
    vae_dtype: torch.dtype  # which the VAE was loaded in; it changes to float32 where that overflows
    weak: Any = None  # a smaller or less trained U-Net of the same task, for autoguidance
    remarks: tuple[str, ...] = ()  # sentences of what loading had to guess
    offload: bool = False  # whether text encoders and VAE wait in main memory while nobody asks them

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of this model, a plain sentence each."""
        return (*self.remarks, *((OVERFLOWED,) if self.vae.dtype != self.vae_dtype else ()))

    @property
    def table(self) -> Table:
        return self.parametrisation.table

    @property
    def levels(self) -> tuple[Level, ...]:
        """The training table; the index is the timestep."""
        return self.table.levels

    @property
    def latent_channels(self) -> int:
        return self.vae.config.latent_channels

    @property
    def inpainting(self) -> bool:
        """Whether the U-Net also wants a mask and the masked picture (9 channels instead of 4)."""
        return self.unet.config.in_channels != self.latent_channels

    @property
    def scale_factor(self) -> int:
        """Pixels along one side of a latent."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def size_multiple(self) -> int:
        """Width and height must be multiples of this."""
        return self.scale_factor

    @property
    def text_limit(self) -> int:
        """The most tokens of one text, its begin and end included."""
        return min(encoder.limit for encoder in self.encoders)

    @cached_property
    def sha256(self) -> str:
        """Names the content: a hash over every file that decides the answers."""
        whole = hashlib.sha256()
        for what, file in self.files.items():
            with file.open("rb") as stream:
                whole.update(f"{what} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
        return whole.hexdigest()

    def tokens(self, text: str) -> int:
        """How many tokens ``text`` is, its begin and end included."""
        return max(encoder.tokens(text) for encoder in self.encoders)

    def size(self, text: Text) -> Size:
        """How many tokens ``text`` is, and how many its chunks hold, begins and ends not counted."""
        return max(encoder.size(text, self.text_limit) for encoder in self.encoders)

    @property
    def text_layers(self) -> int:
        """The most that may be asked for as ``clip_skip``."""
        return min(encoder.layers for encoder in self.encoders)

    def at_work(self, *networks: Any) -> AbstractContextManager[None]:
        """Meanwhile ``networks`` are on the model's device, where an offloaded model's otherwise are not."""
        return at_work(self.device, *networks if self.offload else ())

    @property
    def resting(self) -> torch.device:
        """Where networks that are not asked at every step are while they are not asked."""
        return torch.device("cpu") if self.offload else self.device

    @property
    def readers(self) -> list[Any]:
        """The networks of its text encoders."""
        return [encoder.network for encoder in self.encoders]

    @torch.inference_mode()
    def encode_prompts(self, prompts: Sequence[Sequence[Text]], clip_skip: int = 1) -> Context:
        """(R, n * ``text_limit``, D) float32: a row for each different text of each prompt, n chunks each.

        A prompt is what it says at its stages (see ``models.chunks.emphasised`` for what they share).
        """
        with self.at_work(*self.readers):
            return encode_prompts(self.encoders, prompts, self.text_limit, clip_skip)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> Context:
        """(B, L, D) float32, a row for each plain text. Raises ``ValueError`` over ``text_limit`` tokens."""
        for text in texts:
            if self.tokens(text) > self.text_limit:
                raise ValueError(f"got a text of {self.tokens(text)} tokens; allowed: {self.text_limit}.")
        with self.at_work(*self.readers):
            return encode_all(self.encoders, texts, self.text_limit)

    @torch.inference_mode()
    def denoise(
        self,
        x: Tensor,
        levels: Sequence[Level],
        context: Context,
        networks: Sequence[Network] = (),
        beside: Tensor | None = None,
    ) -> Tensor:
        """The estimate of x0 (B, C, h, w), in x's dtype.

        Row i of x is at ``levels[i]``, on the model's own path, under row i of ``context``, and answered by
        ``networks[i]``: the model as it is unless they are given; all rows or none by the weak one.
        An inpainting model reads the channels ``beside`` (B, 1 + C, h, w) after those of x: where 1 stands it
        may draw, and the latents of the picture without that.
        """
        times = [self.parametrisation.timestep(level) for level in levels]
        weak = "weak" in networks
        assert not weak or set(networks) == {"weak"}
        seen = x if beside is None else torch.cat([x, beside.to(x)], 1)
        output = (self.weak if weak else self.unet)(
            seen.to(self.device, self.dtype, memory_format=torch.channels_last),
            torch.tensor(times, dtype=torch.float32, device=self.device),
            encoder_hidden_states=context.hidden.to(self.device, self.dtype),
            added_cond_kwargs=self._added(x, context),
            cross_attention_kwargs={"rows": rows} if (rows := rows_of(networks, self.device)) else None,
        ).sample
        return self.parametrisation.x0(output.to(x), x, levels)

    def _added(self, x: Tensor, context: Context) -> dict[str, Tensor] | None:
        """SDXL's pooled text and sizes (arXiv:2307.01952, sec. 2.2), of pictures that were not cropped.

        The sizes are (height, width) of the original, (top, left) of the crop, (height, width) of the target.
        """
        if context.pooled is None:
            return None
        height, width = (side * self.scale_factor for side in x.shape[-2:])
        sizes = torch.tensor([height, width, 0, 0, height, width], dtype=torch.float32, device=self.device)
        pooled = context.pooled.to(self.device, self.dtype)
        return {"text_embeds": pooled, "time_ids": sizes.expand(len(x), -1)}

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixels in [-1, 1] -> (B, C, h, w) float32 latents: the mode of the VAE's posterior, so
        that a picture has one encoding and needs no seed for it (its deviation is below what is seen).

        A VAE that overflows in half precision works in float32 from then on, which ``notes`` then says.
        """
        config = self.vae.config
        mode = self._exact(self._mode, pixels)
        return (mode - (config.shift_factor or 0.0)) * config.scaling_factor

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) latents -> (B, 3, H, W) float32 pixels in [-1, 1].

        A VAE that overflows in half precision works in float32 from then on, which ``notes`` then says.
        """
        config = self.vae.config
        raw = latents / config.scaling_factor + (config.shift_factor or 0.0)
        return self._exact(self._pixels, raw).clamp(-1, 1)

    def _exact(self, ask: Callable[[Tensor], Tensor], given: Tensor) -> Tensor:
        """The VAE's answer; in float32 where half precision gives none for numbers that are some."""
        answer = ask(given)
        if (
            self.vae.dtype != torch.float32
            and not bool(answer.isfinite().all())
            and bool(given.isfinite().all())
        ):
            log.warning("%s: %s", self.name, OVERFLOWED)
            self.vae.to(torch.float32)
            answer = ask(given)
        return answer

    def _mode(self, pixels: Tensor) -> Tensor:
        shown = pixels.to(self.device, self.vae.dtype, memory_format=torch.channels_last)
        with self.at_work(self.vae):
            return self.vae.encode(shown).latent_dist.mode().float()

    def _pixels(self, raw: Tensor) -> Tensor:
        raw = raw.to(self.device, self.vae.dtype, memory_format=torch.channels_last)
        with self.at_work(self.vae):
            return self.vae.decode(raw).sample.float()

    @torch.inference_mode()
    def preview(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) x0 latents -> (B, 3, h, w) in [-1, 1], a pixel a latent, by a linear projection."""
        return self._projection(latents)

    @cached_property
    def _projection(self) -> Projection:
        file = self.path / "vae" / "preview.json"
        if file.exists():
            return read_projection(file, self.latent_channels)
        return fit_projection(self.decode, self.latent_channels)
