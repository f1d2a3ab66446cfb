"""DreamBooth: one thing under a word of its own, while others of its kind are kept in mind."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from models import Parts
from training.data.folder import Example, Folder
from training.tuning.denoising import Denoising
from training.tuning.drawing import draw, shown, to_images
from training.tuning.low_rank import add_low_rank, save_low_rank
from training.tuning.material import Material, material, sides_of
from training.tuning.tuning import At, Tuned, Tuning, TuningConfig

TOGETHER = 4  # class pictures that are drawn at once
CLASS_SEED = 1_000_000


class Preserving(nn.Module):
    """L = E of the thing + lambda E of its class (arXiv:2208.12242, eq. 2), both in the denoising loss."""

    def __init__(self, denoising: Denoising, weight: float) -> None:
        super().__init__()
        self.denoising, self.prior_weight = denoising, weight

    def forward(self, *batch: Tensor) -> dict[str, Tensor]:
        """x0, context, t, noise of the thing; then the same of its class, which may be of another size."""
        thing = self.denoising.errors(*batch[:4]).mean()
        prior = self.denoising.errors(*batch[4:]).mean()
        return {"loss": thing + self.prior_weight * prior, "thing": thing, "prior": prior}


def begin(config: TuningConfig, parts: Parts, found: Folder, folder: Path) -> Generator[At, None, Tuned]:
    learnt = yield from material(config, parts, found, 0.0, config.seed)
    drawn = yield from class_pictures(config, parts, folder / "class")
    of_class = config.model_copy(update={"prompt": config.class_prompt})
    prior = yield from material(of_class, parts, drawn, 0.0, config.seed + 1)
    add_low_rank(parts.unet, config)
    denoising = Denoising(parts.unet, parts.parametrisation, config.min_snr)
    return Tuned(
        Preserving(denoising, config.prior_weight),
        partial(_batch, learnt, prior),
        partial(shown, parts, config.samples or (config.prompt or "",), sides_of(config, parts)),
        lambda out: save_low_rank(parts.unet, config, out / "lora.safetensors", config.folder.name),
    )


def class_pictures(config: TuningConfig, parts: Parts, folder: Path) -> Generator[At, None, Folder]:
    """``class_pictures`` of ``class_prompt`` by the model as it is, kept in ``folder``; those that are there
    are not drawn again."""
    folder.mkdir(parents=True, exist_ok=True)
    size = sides_of(config, parts)
    files = [folder / f"{k:05d}.png" for k in range(config.class_pictures)]
    missing = [k for k, file in enumerate(files) if not file.is_file()]
    for start in range(0, len(missing), TOGETHER):
        some = missing[start : start + TOGETHER]
        yield At(len(files) - len(missing) + start, len(files), "drawing pictures of the class")
        with torch.no_grad():
            drawn = draw(parts, [config.class_prompt or ""] * len(some), [CLASS_SEED + k for k in some], size)
        for k, image in zip(some, to_images(drawn), strict=True):
            staged = files[k].with_suffix(".part")
            image.save(staged, "PNG")
            staged.replace(files[k])
    return Folder(folder, tuple(Example(file, "", "", 1, size) for file in files), (), "")


def _batch(learnt: Material, prior: Material, step: int, rank: int) -> tuple[Tensor, ...]:
    return *learnt.batch(step, rank), *prior.batch(step, rank)


DREAMBOOTH = Tuning(
    title="DreamBooth",
    source="arXiv:2208.12242, eq. 2",
    explains="A handful of pictures of one thing are all called by a word the model does not know, as in "
    "'a sks dog'. So that not every dog becomes yours, it also learns from pictures of dogs that it drew "
    "itself before. What learns is a LoRA.",
    begin=begin,
    settings=("prompt", "class_prompt", "class_pictures", "prior_weight", "rank", "layers", "flip"),
    needs=("prompt", "class_prompt"),
    plan={"learning_rate": 5e-4},
)
