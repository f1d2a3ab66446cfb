"""A data set of four classes, for which nothing is fetched: a bright square in one corner."""

import torch

from training.data.pictures import Pictures

CLASSES = ("top left", "top right", "bottom left", "bottom right")


def corners(train: int = 200, test: int = 100, seed: int = 0) -> Pictures:
    """8 x 8 grey pictures."""
    generator = torch.Generator().manual_seed(seed)
    count = train + test
    labels = torch.randint(4, (count,), generator=generator)
    pixels = torch.randint(0, 60, (count, 1, 8, 8), generator=generator)
    bright = torch.randint(150, 250, (count,), generator=generator)
    for k, label in enumerate(labels.tolist()):
        down, across = 4 * (label // 2), 4 * (label % 2)
        pixels[k, :, down : down + 4, across : across + 4] += bright[k]
    pixels = pixels.clamp(0, 255).to(torch.uint8)
    return Pictures(
        "corners", CLASSES, pixels[:train], labels[:train], pixels[train:], labels[train:], f"{seed:064x}"
    )
