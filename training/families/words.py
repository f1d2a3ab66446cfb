"""Latent diffusion from words: a VAE, a text encoder and a U-Net, as Stable Diffusion is made
(arXiv:2112.10752), small enough for minutes. What it learnt draws on Create.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.load import STARTER
from models.table import read_scheduler
from models.torchvision_guard import guard_torchvision
from schedulers import SCHEDULES, Level, SeededNoise, evaluations, first_noise, solve
from schedulers.samplers import SAMPLERS
from training.families.chance import Chance
from training.families.diffusion import DROPPED, evenly
from training.families.family import Checkpoint, Family, Learner, Reconstruction, Shape

SIDE = 64  # pixels that it learns and draws, the fewest that Create draws
SHRUNK = 8  # of them along the edge of a code
CODE = 8  # channels of a code
MEMORY = 0.99  # of the codes' mean square, at each step
DIVERGENCE = 1e-6  # weight of the codes' divergence from noise (arXiv:2112.10752, app. G)
STEPS, GUIDANCE, SAMPLER, SCHEDULE = 20, 2.0, "dpmpp-2m", "trailing"
SCHEDULER: dict[str, Any] = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing",
    "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 1,
}  # fmt: skip
PARAMETRISATION = read_scheduler(SCHEDULER)


class Words(Learner, Reconstruction, Checkpoint):
    """Pictures (B, C, side, side), learnt as (B, 3, SIDE, SIDE), from codes (B, CODE, SIDE / 8, SIDE / 8)
    under what the bundled model's text encoder, which does not learn, reads in the name of their class."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        guard_torchvision()
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        self.shape = shape
        read = states([*(f"a {name}" for name in shape.called), ""])  # the last is no words
        vae: Any = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType] (diffusers'
            up_block_types=("UpDecoderBlock2D",) * 4,  # pyright: ignore[reportArgumentType] hints say tuples
            block_out_channels=(8, 16, 32, 64),  # pyright: ignore[reportArgumentType] of one)
            layers_per_block=1, latent_channels=CODE,
            norm_num_groups=8, sample_size=SIDE, mid_block_add_attention=False,
        )  # fmt: skip
        unet: Any = UNet2DConditionModel(
            sample_size=SIDE // SHRUNK, in_channels=CODE, out_channels=CODE, block_out_channels=(64, 96),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=1,
            cross_attention_dim=read.shape[-1], norm_num_groups=16,
            attention_head_dim=4,  # of heads: diffusers keeps SD 1.5's misnomer
        )  # fmt: skip
        self.vae, self.unet = vae, unet
        self.register_buffer("read", read)
        self.register_buffer("square", torch.ones(()))
        self.register_buffer("kept", torch.tensor([level.alpha for level in PARAMETRISATION.table.levels]))
        self.read: Tensor  # (classes + 1, L, D)
        self.square: Tensor
        self.kept: Tensor  # (1000,)

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        """The VAE's |x - decoded|^2 and divergence (arXiv:2112.10752, eq. 25), and |v - U-Net|^2 of codes of
        deviation 1 that pass no gradient on (arXiv:2202.00512, app. D)."""
        chance = Chance.of(seed, x)
        large = self.enlarged(x)
        codes = self.vae.encode(large).latent_dist
        found = codes.mean + codes.std * chance.normal(0, *codes.mean.shape[1:])
        apart = (self.vae.decode(found).sample - large).square().mean()
        if self.training:
            self.square.lerp_(found.detach().square().mean(), 1 - MEMORY)
        x0 = found.detach() / self.deviation
        label = torch.where(chance.uniform(1) < DROPPED, self.shape.classes, label)
        t, noise = chance.integers(2, len(self.kept)), chance.normal(3, *x0.shape[1:])
        alpha = self.kept[t][:, None, None, None]
        sigma = (1 - alpha.square()).sqrt()
        told = self.unet(alpha * x0 + sigma * noise, t, self.read[label]).sample.float()
        error = (told - (alpha * noise - sigma * x0)).square().mean()
        loss = apart + DIVERGENCE * codes.kl().mean() + error
        return {"loss": loss, "reconstruction": apart, "v_error": error}

    @property
    def deviation(self) -> Tensor:
        return self.square.clamp_min(1e-4).sqrt()

    def enlarged(self, x: Tensor) -> Tensor:
        """(B, C, side, side) -> (B, 3, SIDE, SIDE)."""
        large = functional.interpolate(x, (SIDE, SIDE), mode="nearest")
        return large if x.shape[1] == 3 else large.mean(1, keepdim=True).expand(-1, 3, -1, -1)

    def reduced(self, large: Tensor) -> Tensor:
        """The other way, in [-1, 1]."""
        x = functional.interpolate(large, (self.shape.side, self.shape.side), mode="area").clamp(-1, 1)
        return (
            x if self.shape.channels == 3 else x.mean(1, keepdim=True).expand(-1, self.shape.channels, -1, -1)
        )

    def decode(self, codes: Tensor) -> Tensor:
        """(B, 3, SIDE, SIDE) of codes of deviation 1, not clamped."""
        return self.vae.decode(codes * self.deviation).sample.float()

    def codes(self, label: Tensor, seed: int) -> list[Tensor]:
        """The estimates of the code on the way, and at last the code."""
        table, seen = PARAMETRISATION.table, list[Tensor]()
        context = torch.cat([self.read[label], self.read[-1:].expand(len(label), -1, -1)])

        def denoise(x: Tensor, level: Level) -> Tensor:
            both, rows = torch.cat([x, x]), 2 * len(x)
            t = torch.full((rows,), PARAMETRISATION.timestep(level), device=x.device)
            output = self.unet(both, t, context).sample.float()
            c, u = PARAMETRISATION.x0(output, both, [level] * rows).chunk(2)
            seen.append(u + GUIDANCE * (c - u))  # arXiv:2207.12598, eq. 6, in x0
            return seen[-1]

        levels, seeds = SCHEDULES[SCHEDULE](table, STEPS), range(seed, seed + len(label))
        shape = (CODE, SIDE // SHRUNK, SIDE // SHRUNK)
        start = levels[0].sigma * first_noise(seeds, shape).to(label.device)
        noise = SeededNoise(tuple(seeds), shape, label.device)
        last = solve(SAMPLER, denoise, start, levels, noise)
        return [*seen, last]

    @torch.no_grad()
    def draw(self, label: Tensor, seed: int) -> Tensor:
        return self.reduced(self.decode(self.codes(label, seed)[-1]))

    @property
    def evaluations(self) -> int:
        return 2 * evaluations(SAMPLERS[SAMPLER], SCHEDULES[SCHEDULE](PARAMETRISATION.table, STEPS))

    @torch.no_grad()
    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        codes = self.codes(label, seed)
        return torch.stack([self.reduced(self.decode(codes[k])) for k in evenly(len(codes), frames)])

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        return self.reduced(
            self.vae.decode(self.vae.encode(self.enlarged(x)).latent_dist.mean).sample.float()
        )

    def save(self, folder: Path) -> None:
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        tokenizer, encoder = reader()
        scale = 1 / float(self.deviation)
        self.vae.register_to_config(scaling_factor=scale)
        nothing: Any = None
        scheduler: Any = DDIMScheduler(**SCHEDULER)
        pipeline = StableDiffusionPipeline(
            self.vae, encoder, tokenizer, self.unet, scheduler, nothing, nothing,
            requires_safety_checker=False,
        )  # fmt: skip
        pipeline.save_pretrained(folder, safe_serialization=True)
        defaults = {"sampler": SAMPLER, "schedule": SCHEDULE, "steps": STEPS, "guidance": GUIDANCE,
                    "width": SIDE, "height": SIDE}  # fmt: skip
        about = {"native_size": [SIDE, SIDE], "defaults": defaults}
        (folder / "atelier.json").write_text(json.dumps(about, indent=2) + "\n")


def reader() -> tuple[Any, Any]:
    """The bundled model's (tokenizer, text encoder in float32)."""
    guard_torchvision()
    from transformers import CLIPTextModel, CLIPTokenizer

    encoder: Any = CLIPTextModel.from_pretrained(STARTER / "text_encoder", dtype=torch.float32)
    return CLIPTokenizer.from_pretrained(STARTER / "tokenizer"), encoder.eval().requires_grad_(False)


@cache
def _states(texts: tuple[str, ...]) -> Tensor:
    tokenizer, encoder = reader()
    length = encoder.config.max_position_embeddings
    told = tokenizer(
        list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    with torch.no_grad():
        return encoder(told.input_ids).last_hidden_state


def states(texts: list[str]) -> Tensor:
    """(N, L, D), what the U-Net sees of texts."""
    return _states(tuple(texts)).clone()


def words(shape: Shape, teacher: Learner | None) -> Learner:
    return Words(shape)


FAMILY = Family(
    "Latent diffusion from words", "diffusion", "arXiv:2112.10752, eq. 3; arXiv:2202.00512, app. D",
    "As Stable Diffusion is made: a VAE learns codes of pictures, and a U-Net that reads words learns to "
    "take noise out of the codes. Both learn at once here. It is the one kind that can be sent to Create.",
    words, plan={"learning_rate": 2e-3}, batch=16, checkpoint=True,
)  # fmt: skip
