"""What a U-Net predicts, measured where nothing says it. Knows no files."""

from dataclasses import replace

import torch

from models.parametrisation import Parametrisation, Prediction
from models.parts import Parts

SIDE = 16  # latents; one small call
LIKE_NOISE = 0.5  # slope, far from both of what is expected


def measured(parts: Parts) -> Prediction:
    """ "epsilon" or "v_prediction": whichever the network's answer to almost pure noise looks like.

    At the table's last level x is noise but for a few percent. A network that predicts noise gives x back:
    regressed on x, its answer has slope 1. One that predicts v = alpha noise - sigma x0 answers with the
    picture it expects, which has little to do with x: a slope of alpha or less, 0.07 for Stable Diffusion.
    """
    last = parts.levels[-1]
    x = torch.randn(4, parts.latent_channels, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    x = x.to(parts.device)
    output = replace(parts, parametrisation=Parametrisation("sample", parts.table)).denoise(
        x, [last] * len(x), parts.encode_text([""]).expand(len(x))
    )
    covariance = torch.cov(torch.stack([output.flatten(), x.flatten()]))
    return "epsilon" if covariance[0, 1] > LIKE_NOISE * covariance[1, 1] else "v_prediction"
