"""A folder of pictures, a subfolder a class, as a data set of the lab. Knows no networks."""

from pathlib import Path

import torch

from training.data.buckets import fitted
from training.data.folder import read_folder
from training.data.opened import open_photograph, to_pixels
from training.data.pictures import Pictures, pictures

SIDE = 32  # pixels
TEST = 0.1  # of the pictures are held out, one at least
MOST_CLASSES = 100


def labelled(root: Path) -> Pictures:
    """The middle of each picture, scaled to 32 x 32; kohya's repeats do not count here.

    Raises ``ValueError`` where a picture lies in no subfolder or there are too few of either.
    """
    found = read_folder(root)
    if loose := [one.file.name for one in found.examples if not one.label]:
        raise ValueError(f"data: got {loose[0]!r} in no subfolder; allowed: a subfolder for each class.")
    classes = tuple(sorted({one.label for one in found.examples}))
    count = len(found.examples)
    if count < 2 or len(classes) > MOST_CLASSES:
        got = f"{count} pictures of {len(classes)} classes"
        raise ValueError(f"data: got {got}; allowed: at least 2, of at most {MOST_CLASSES}.")
    pixels = [to_pixels(fitted(open_photograph(one.file, root), (SIDE, SIDE))) for one in found.examples]
    labels = torch.tensor([classes.index(one.label) for one in found.examples])
    mixed = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    test = max(1, round(TEST * count))
    return pictures(root.name, classes, torch.stack(pixels)[mixed], labels[mixed], test)
