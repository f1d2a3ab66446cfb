"""LoRA: the U-Net stays as it is and gains thin matrices, a hundredth of its size."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

from models import Parts
from training.data.folder import Folder
from training.tuning.denoising import Denoising
from training.tuning.drawing import shown
from training.tuning.low_rank import add_low_rank, save_low_rank
from training.tuning.material import DROPOUT, Material, material, sides_of
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig


def begin(config: TuningConfig, parts: Parts, found: Folder, folder: Path) -> Generator[At, None, Tuned]:
    dropout = DROPOUT if config.dropout is None else config.dropout
    learnt = yield from material(config, parts, found, dropout, config.seed)
    add_low_rank(parts.unet, config)
    return lora_of(Denoising(parts.unet, parts.parametrisation, config.min_snr), learnt, config, parts)


def lora_of(module: Denoising, learnt: Material, config: TuningConfig, parts: Parts) -> Tuned:
    """The task whose U-Net has gained a LoRA; writes ``lora.safetensors``."""
    return Tuned(
        module,
        learnt.batch,
        partial(shown, parts, config.samples, sides_of(config, parts)),
        lambda out: save_low_rank(parts.unet, config, out / "lora.safetensors", config.folder.name),
    )


LORA = Tuning(
    title="LoRA",
    source="arXiv:2106.09685",
    explains="The model is frozen. Beside each map of its attention a product of two thin matrices learns, "
    "which starts at nothing. The file is small, and is switched on in a prompt, as strongly as wanted.",
    begin=begin,
    settings=("prompt", "rank", "layers", "dropout", "flip"),
    plan={"learning_rate": 5e-4},
)
