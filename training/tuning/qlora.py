"""QLoRA: as LoRA, beside a U-Net whose frozen weights are kept in 4 or 8 bits while it learns."""

from collections.abc import Generator
from pathlib import Path

from models import Parts
from training.data.folder import Folder
from training.tuning.denoising import Denoising
from training.tuning.lora import lora_of
from training.tuning.low_rank import add_low_rank
from training.tuning.material import DROPOUT, material
from training.tuning.quantised import bytes_of, quantise
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig

BLOCKS = ("down_blocks.", "mid_block.", "up_blocks.")


def begin(config: TuningConfig, parts: Parts, found: Folder, folder: Path) -> Generator[At, None, Tuned]:
    dropout = DROPOUT if config.dropout is None else config.dropout
    learnt = yield from material(config, parts, found, dropout, config.seed)
    add_low_rank(parts.unet, config)
    before = bytes_of(parts.unet)
    quantise(parts.unet, BLOCKS, config.bits)
    yield At(1, 1, f"U-Net packed from {before / 1e6:.1f} to {bytes_of(parts.unet) / 1e6:.1f} MB")
    return lora_of(Denoising(parts.unet, parts.parametrisation, config.min_snr), learnt, config, parts)


QLORA = Tuning(
    title="QLoRA",
    source="arXiv:2305.14314",
    explains="As LoRA, but the frozen weights are kept in 4 bits (NormalFloat) or 8 while it learns: "
    "a fifth or less than a third of their memory, but slower. The LoRA that comes of it fits the model "
    "as it is.",
    begin=begin,
    settings=("prompt", "rank", "layers", "bits", "dropout", "flip"),
    plan={"learning_rate": 5e-4},
)
