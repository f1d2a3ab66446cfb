"""Parts: what loading a checkpoint gives, and the answers it can give. Knows no samplers or recipes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.parametrisation import Parametrisation
from models.perturbed import rows_of
from models.preview import Projection, fit_projection, read_projection
from schedulers.level import Level, Table
from schedulers.network import Network


@dataclass(frozen=True, eq=False, repr=False)  # a repr would print the networks
class Parts:
    """One loaded text-to-image model. Latents are in the U-Net's scale everywhere but inside ``decode``."""

    name: str
    family: str
    folder: Path
    files: tuple[Path, ...]  # all that decides its answers, relative to the folder
    parametrisation: Parametrisation
    native_size: tuple[int, int]  # (width, height) in pixels
    defaults: dict[str, Any]  # recipe fields good for this model
    tokenizer: Any  # transformers' CLIPTokenizer
    text_encoder: Any  # transformers' CLIPTextModel
    unet: Any  # diffusers' UNet2DConditionModel
    vae: Any  # diffusers' AutoencoderKL
    device: torch.device
    dtype: torch.dtype  # of the U-Net; text is encoded in float32, pixels decoded in bfloat16 or float32
    weak: Any = None  # a smaller or less trained U-Net of the same task, for autoguidance

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
        return min(self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings)

    @cached_property
    def sha256(self) -> str:
        """Names the content: a hash over every file that decides the answers."""
        whole = hashlib.sha256()
        for file in self.files:
            with (self.folder / file).open("rb") as stream:
                whole.update(
                    f"{file.as_posix()} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()
                )
        return whole.hexdigest()

    def tokens(self, text: str) -> int:
        """How many tokens ``text`` is, its begin and end included."""
        return len(self.tokenizer(text, truncation=False, verbose=False).input_ids)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(B, L, D) float32, one row a text. Raises ``ValueError`` for a text over ``text_limit`` tokens."""
        for text in texts:
            if self.tokens(text) > self.text_limit:
                raise ValueError(f"got a text of {self.tokens(text)} tokens; allowed: {self.text_limit}.")
        ids = self.tokenizer(
            list(texts), padding="max_length", max_length=self.text_limit, return_tensors="pt"
        ).input_ids
        return self.text_encoder(ids.to(self.device))[0]

    @torch.inference_mode()
    def denoise(
        self, x: Tensor, levels: Sequence[Level], context: Tensor, networks: Sequence[Network] = ()
    ) -> Tensor:
        """The estimate of x0 (B, C, h, w), in x's dtype.

        Row i of x is at ``levels[i]``, on the model's own path, under ``context[i]`` (L, D), and answered by
        ``networks[i]``: the model as it is unless they are given; all rows or none by the weak one.
        """
        times = [self.parametrisation.timestep(level) for level in levels]
        weak = "weak" in networks
        assert not weak or set(networks) == {"weak"}
        output = (self.weak if weak else self.unet)(
            x.to(self.device, self.dtype, memory_format=torch.channels_last),
            torch.tensor(times, dtype=torch.float32, device=self.device),
            encoder_hidden_states=context.to(self.device, self.dtype),
            cross_attention_kwargs={"rows": rows} if (rows := rows_of(networks, self.device)) else None,
        ).sample
        return self.parametrisation.x0(output.to(x), x, levels)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) latents -> (B, 3, H, W) float32 pixels in [-1, 1]."""
        config = self.vae.config
        raw = latents / config.scaling_factor + (config.shift_factor or 0.0)
        raw = raw.to(self.device, self.vae.dtype, memory_format=torch.channels_last)
        return self.vae.decode(raw).sample.float().clamp(-1, 1)

    @torch.inference_mode()
    def preview(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) x0 latents -> (B, 3, h, w) in [-1, 1], a pixel a latent, by a linear projection."""
        return self._projection(latents)

    @cached_property
    def _projection(self) -> Projection:
        file = self.folder / "vae" / "preview.json"
        if file.exists():
            return read_projection(file, self.latent_channels)
        return fit_projection(self.decode, self.latent_channels)
