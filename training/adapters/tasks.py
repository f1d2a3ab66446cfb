"""Learning on a frozen starter: a LoRA of a style, and a Control-LoRA of a map. Knows no files."""

import re

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from models import Parts
from training.adapters.scenes import Learnt
from training.starter.cache import LENGTH
from training.starter.unet import DROP_CAPTION, timesteps
from training.tuning.controlnet import Steered, copied
from training.tuning.denoising import Denoising

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
ENDS = ("conv_in", "conv_out")  # each channel of the codes goes through them: they are given ``END_RANK``
END_RANK = 16
NEXT = (r"up_blocks\.2\.resnets\.\d\.conv[12]",)
LEARNT = rf"({'|'.join(ENDS + NEXT)})|.*\.({'|'.join(map(re.escape, ATTENTION))})"  # whole names of modules
WHOLE = ("controlnet_cond_embedding.", "controlnet_down_blocks.", "controlnet_mid_block.")  # learnt in full

MIN_SNR = 5.0  # as the starter itself learnt


def states_of(parts: Parts, texts: list[str]) -> Tensor:
    """(N, L, WIDTH) float16: what the starter's encoder says of ``texts``."""
    encoder: CLIPTextModel = parts.encoders[0].network
    words: CLIPTokenizer = parts.encoders[0].tokenizer
    found = []
    with torch.no_grad():
        for k in range(0, len(texts), 256):
            tokens = words(texts[k : k + 256], padding="max_length", max_length=LENGTH, truncation=True,
                           return_tensors="pt").input_ids  # fmt: skip
            found.append(encoder(tokens.to(encoder.device)).last_hidden_state.half().cpu())
    return torch.cat(found)


class LoraTask:
    """The U-Net's attention and its layers next to the codes gain a LoRA (arXiv:2106.09685), nothing else."""

    def __init__(self, parts: Parts, learnt: Learnt, rank: int, batch: int, seed: int) -> None:
        unet: UNet2DConditionModel = parts.unet.float().requires_grad_(False)
        ends = dict.fromkeys(ENDS, END_RANK)
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=LEARNT,
                                    rank_pattern=ends, alpha_pattern=ends))  # fmt: skip
        self.module = Denoising(unet, parts.parametrisation, MIN_SNR)
        self.drawn = Drawn(learnt, states_of(parts, [*learnt.texts, ""]), batch, seed)

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        _, x0, context, t, noise = self.drawn(step, rank)
        return x0, context, t, noise

    def sample(self) -> Image.Image | None:
        return None


class ControlTask:
    """A ControlNet (arXiv:2302.05543) that begins as the U-Net's encoder and differs from it by a LoRA; the
    layers that the U-Net has not are learnt in full."""

    def __init__(self, parts: Parts, learnt: Learnt, rank: int, batch: int, seed: int) -> None:
        assert learnt.maps is not None
        parts.unet.float()
        self.control = beside(parts, rank)
        self.module = Steered(Denoising(parts.unet, parts.parametrisation, MIN_SNR), self.control)
        self.maps = learnt.maps
        self.drawn = Drawn(learnt, states_of(parts, [*learnt.texts, ""]), batch, seed)

    def batch(self, step: int, rank: int) -> tuple[Tensor, ...]:
        rows, *rest = self.drawn(step, rank)
        return self.maps[rows].float() / 255, *rest

    def sample(self) -> Image.Image | None:
        return None


def beside(parts: Parts, rank: int) -> ControlNetModel:
    """A ControlNet of the U-Net's shape and weights, with a LoRA on all that the U-Net has too."""
    control = copied(parts)
    layers = [re.escape(name) for name, module in control.named_modules()
              if isinstance(module, nn.Conv2d | nn.Linear) and not f"{name}.".startswith(WHOLE)]  # fmt: skip
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules="|".join(layers)), control)
    for name, weight in control.named_parameters():
        weight.requires_grad_(name.startswith(WHOLE) or "lora_" in name)
    return control


class Drawn:
    """Batches of what is learnt: rows, their codes, states of their words (a tenth of them none), timesteps
    and noise, a pure function of step and process."""

    def __init__(self, learnt: Learnt, states: Tensor, batch: int, seed: int) -> None:
        """``states`` (N + 1, L, WIDTH): the last are of no words."""
        self.learnt, self.states, self.size, self.seed = learnt, states, batch, seed

    def __call__(self, step: int, rank: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(hash((self.seed, step, rank)) % 2**63)
        rows = torch.randint(len(self.learnt.codes), (self.size,), generator=generator)
        x0 = self.learnt.codes[rows].float()
        dropped = torch.rand(self.size, generator=generator) < DROP_CAPTION
        context = self.states[torch.where(dropped, len(self.states) - 1, rows)].float()
        noise = torch.randn(x0.shape, generator=generator)
        return rows, x0, context, timesteps(self.size, generator), noise
