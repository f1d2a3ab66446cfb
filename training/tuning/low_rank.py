"""Low-rank changes of a frozen U-Net (LoRA, arXiv:2106.09685) by PEFT, and their files in kohya's names."""

import re
from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from training.tuning.tuning import TuningConfig

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
SIDES = {".lora_A.weight": ".lora_down.weight", ".lora_B.weight": ".lora_up.weight"}  # PEFT's -> kohya's


def add_low_rank(unet: UNet2DConditionModel, config: TuningConfig) -> None:
    """W x + B A x with A (rank, in) and B (out, rank) = 0, of the attention's maps, and if asked for of the
    layers next to the latents; nothing else learns."""
    unet.requires_grad_(False)
    learnt = [rf".*\.({'|'.join(map(re.escape, ATTENTION))})"]
    if config.layers == "attention+ends":
        last = len(unet.config["up_block_types"]) - 1
        learnt += ["conv_in", "conv_out", rf"up_blocks\.{last}\.resnets\.\d+\.conv[12]"]
    unet.add_adapter(
        LoraConfig(r=config.rank, lora_alpha=config.rank, target_modules=rf"({'|'.join(learnt)})")
    )


def save_low_rank(unet: UNet2DConditionModel, config: TuningConfig, file: Path, title: str) -> Path:
    """Write what was learnt to ``file``, in half precision; returns it."""
    weights: dict[str, Tensor] = {}
    for name, weight in get_peft_model_state_dict(unet).items():
        side = next(side for side in SIDES if name.endswith(side))
        module = "lora_unet_" + name.removesuffix(side).replace(".", "_")
        weights[module + SIDES[side]] = weight.detach().cpu().half().contiguous()
        weights[f"{module}.alpha"] = torch.tensor(float(config.rank))
    about = {
        "ss_network_module": "networks.lora", "ss_network_dim": str(config.rank),
        "ss_network_alpha": str(float(config.rank)), "modelspec.title": title,
        **({"modelspec.trigger_phrase": config.prompt} if config.prompt else {}),
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, str(file), about)
    return file
