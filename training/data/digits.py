"""The handwritten digits that come with scikit-learn: 1797 of 8 x 8 pixels. Knows no networks."""

import numpy as np
import torch

from training.data.pictures import Pictures, pictures

TEST = 360  # a fifth
GREYS = 16  # the file counts 0 to 16


def digits() -> Pictures:
    """One channel, ten classes; split by a fixed shuffle (UCI's test set, as sklearn.datasets bundles it)."""
    from sklearn.datasets import load_digits  # a second to import, and only these need it

    values, target = load_digits(return_X_y=True)
    pixels = np.rint(np.asarray(values).reshape(-1, 1, 8, 8) * (255 / GREYS)).astype(np.uint8)
    order = np.random.Generator(np.random.Philox(key=0)).permutation(len(pixels))
    pixels = torch.from_numpy(pixels[order])
    labels = torch.from_numpy(np.asarray(target)[order]).long()
    return pictures("digits", tuple("0123456789"), pixels, labels, TEST)
