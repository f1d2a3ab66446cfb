"""Full fine-tuning: every weight of the U-Net learns. The text encoder and the VAE stay."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

from models import Parts
from training.data.folder import Folder
from training.tuning.denoising import Denoising
from training.tuning.drawing import shown
from training.tuning.material import DROPOUT, material, sides_of
from training.tuning.model_folder import save_model
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig


def begin(config: TuningConfig, parts: Parts, found: Folder, folder: Path) -> Generator[At, None, Tuned]:
    dropout = DROPOUT if config.dropout is None else config.dropout
    learnt = yield from material(config, parts, found, dropout, config.seed)
    module = Denoising(parts.unet.requires_grad_(True), parts.parametrisation, config.min_snr)
    sample = partial(shown, parts, config.samples, sides_of(config, parts))
    return Tuned(module, learnt.batch, sample, lambda out: save_model(parts, out / "model"))


FULL = Tuning(
    title="Full fine-tuning",
    source="arXiv:2112.10752, eq. 3",
    explains="Every weight of the U-Net goes on learning, on your pictures. It can learn most and forget "
    "most, wants many pictures, four times the model's memory, and gives a whole model.",
    begin=begin,
    settings=("prompt", "dropout", "flip"),
    plan={"learning_rate": 1e-5},
)
