"""The starter's U-Net: text-conditioned diffusion on cached codes, which are the VAE's latents.

The network predicts x0 on a zero-terminal-SNR schedule; the loss on x0 is weighted by the signal-to-noise
ratio clamped to [0.4, 5] (min-SNR-5, arXiv:2303.09556; the floor keeps the noisiest levels, where layout is
decided, in the objective). A tenth of the captions are dropped for classifier-free guidance.
"""

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from models.hardware import best_device, best_dtype
from training.data.scenes import scene_at
from training.starter.cache import LENGTH, Cache
from training.starter.codes import CHANNELS, EDGE, codes, to_grid
from training.starter.text import WIDTH

DROP_CAPTION = 0.1
MIDDLE = (300, 900)  # timesteps between which SNR falls from 1.3 to 0.003

SCHEDULER = DDIMScheduler(
    num_train_timesteps=1000,
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="scaled_linear",
    prediction_type="sample",
    rescale_betas_zero_snr=True,
    timestep_spacing="trailing",
    steps_offset=1,  # as Stable Diffusion's; trailing spacing does not use it
    clip_sample=False,
    set_alpha_to_one=True,
)


def build_unet() -> UNet2DConditionModel:
    """Three levels, 8 x 8 to 2 x 2. The first has a place for each patch that the encoder's last states tell
    of, and attention there; the last sees the whole picture at once.
    """
    return UNet2DConditionModel(
        sample_size=EDGE,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(192, 256, 256),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        addition_embed_type="text",  # the whole caption, pooled, beside the timestep in every block
        addition_embed_type_num_heads=4,
        resnet_time_scale_shift="scale_shift",  # and it scales as well as shifts
        attention_head_dim=(3, 4, 4),  # pyright: ignore[reportArgumentType]  # numbers of heads: diffusers keeps SD 1.5's historical misnomer
    )


def build_weak() -> UNet2DConditionModel:
    """A companion for autoguidance (arXiv:2406.02507): the same task, a fiftieth of the parameters."""
    return UNet2DConditionModel(
        sample_size=EDGE,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(32, 32, 32),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=WIDTH,
        resnet_time_scale_shift="scale_shift",
        attention_head_dim=2,  # heads
    )


class Denoising(nn.Module):
    """Weighted regression of x0 from x = alpha x0 + sigma noise (arXiv:2303.09556, eq. 9, x0 form)."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet
        self.register_buffer("alphas_cumprod", SCHEDULER.alphas_cumprod, persistent=False)
        self.alphas_cumprod: Tensor

    def forward(self, x0: Tensor, context: Tensor, t: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """x0, noise (B, C, h, w); context (B, L, WIDTH) states of the captions; t (B,) timesteps."""
        kept = self.alphas_cumprod[t][:, None, None, None]  # alpha^2
        x = kept.sqrt() * x0 + (1 - kept).sqrt() * noise
        estimate = self.unet(x.contiguous(memory_format=torch.channels_last), t, context).sample.float()
        error = (estimate - x0).square().mean((1, 2, 3))  # (B,)
        weight = (kept / (1 - kept).clamp_min(1e-5)).flatten().clamp(0.4, 5.0)
        return {"loss": (weight * error).mean(), "x0_error": error.mean()}


class UnetTask:
    """Draws its batches from the cache; shows fixed prompts with fixed seeds."""

    def __init__(
        self,
        cache: Cache,
        unet: UNet2DConditionModel,
        encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        seed: int,
        batch: int,
    ) -> None:
        self.module = Denoising(unet)
        self.encoder = encoder.requires_grad_(False).to(best_device())  # pyright: ignore[reportArgumentType]
        self.cache, self.tokenizer, self.seed, self.size = cache, tokenizer, seed, batch
        self.nothing = self._read(self._tokens([""]))[0]
        self.states = self._read(cache.tokens.flatten(0, 1)).unflatten(0, cache.tokens.shape[:2])
        self.shown = [scene_at(k, seed + 2)[2] for k in range(12)] + SHOWN

    def _tokens(self, texts: list[str]) -> Tensor:
        return self.tokenizer(
            texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
        ).input_ids

    def _read(self, tokens: Tensor) -> Tensor:
        """(N, L) tokens -> (N, L, WIDTH) float16 states, once: the encoder learns no more, and an eighth of a
        step would go into reading the same captions again."""
        device = self.encoder.device
        states = torch.empty(*tokens.shape, WIDTH, dtype=torch.float16)
        with torch.no_grad(), torch.autocast(device.type, best_dtype(device)):
            for rows in torch.arange(len(tokens)).split(256):
                states[rows] = self.encoder(tokens[rows].to(device)).last_hidden_state.half().cpu()
        return states

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(hash((self.seed, step, rank)) % 2**63)
        rows = torch.randint(len(self.cache.latents), (self.size,), generator=generator)
        which = torch.randint(self.cache.tokens.shape[1], (self.size,), generator=generator)
        x0 = self.cache.latents[rows].float()
        dropped = torch.rand(self.size, generator=generator) < DROP_CAPTION
        context = torch.where(dropped[:, None, None], self.nothing, self.states[rows, which]).float()
        return x0, context, timesteps(self.size, generator), torch.randn(x0.shape, generator=generator)

    def sample(self) -> Image.Image:
        """Prompts of fresh scenes and hand-written ones, seed k for prompt k, DDIM 25 steps, guidance 4; as
        the codes themselves say it, without a decoder."""
        device = next(self.module.parameters()).device
        scheduler = DDIMScheduler(**SCHEDULER.config)
        scheduler.set_timesteps(25)
        count = len(self.shown)
        x = torch.stack([
            torch.randn(CHANNELS, EDGE, EDGE, generator=torch.Generator().manual_seed(k))
            for k in range(count)
        ]).to(device)  # fmt: skip
        context = self._read(self._tokens([*self.shown, *[""] * count])).float().to(device)
        for t in scheduler.timesteps:
            both = torch.cat([x, x]).contiguous(memory_format=torch.channels_last)
            asked, plain = self.module.unet(both, t, context).sample.float().chunk(2)
            x = scheduler.step(plain + 4 * (asked - plain), int(t), x).prev_sample  # type: ignore[union-attr]
        return to_grid(codes(self.seed).decode(x), 12)


def timesteps(count: int, generator: torch.Generator) -> Tensor:
    """(count,) timesteps: half of them anywhere, half in the middle, where it is decided what is drawn."""
    anywhere = torch.randint(SCHEDULER.config["num_train_timesteps"], (count,), generator=generator)
    middle = torch.randint(*MIDDLE, (count,), generator=generator)
    return torch.where(torch.rand(count, generator=generator) < 0.5, anywhere, middle)


SHOWN = [
    "three red apples on a blue background", "a cat", "cat face on red", "a drawing of a cat, red background",
    "a rocket under a night sky with stars", "a penguin in the snow", "a dog to the left of a tree on grass",
    "two bananas on a purple background", "a pixel art frog on yellow", "a house above a car on white",
    "a pencil sketch of a lion", "a neon guitar",
]  # fmt: skip
