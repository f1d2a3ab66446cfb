"""The loss of every tuning: regression of what the U-Net predicts, whatever that is. Knows no data."""

import torch
from torch import Tensor, nn

from models.parametrisation import Parametrisation, Prediction

FLOOR = 0.4  # least weight of an x0 estimate: layout is decided where signal is least (the starter's too)


class Denoising(nn.Module):
    """E || target - F(x, t, text) ||^2 at x = alpha x0 + sigma noise (arXiv:2006.11239, eq. 14), each level
    weighed by min(SNR, gamma) on the scale of x0 (min-SNR-gamma, arXiv:2303.09556, sec. 3.4)."""

    def __init__(self, unet: nn.Module, parametrisation: Parametrisation, gamma: float) -> None:
        """``gamma`` 0 weighs all levels alike."""
        super().__init__()
        self.unet = unet
        self.prediction: Prediction = parametrisation.prediction
        levels = parametrisation.table.levels
        alpha, sigma = torch.tensor(levels, dtype=torch.float64).T  # (T,)
        told = torch.tensor([parametrisation.timestep(level) for level in levels])
        for name, values in {"alpha": alpha, "sigma": sigma, "told": told,
                             "weight": weights(self.prediction, alpha, sigma, gamma)}.items():  # fmt: skip
            self.register_buffer(name, values.float(), persistent=False)
        self.alpha: Tensor
        self.sigma: Tensor
        self.told: Tensor
        self.weight: Tensor

    def errors(self, x0: Tensor, context: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """(B,) weighed mean squares. x0, noise (B, C, h, w); context (B, L, D); t (B,) int64."""
        alpha, sigma = self.alpha[t][:, None, None, None], self.sigma[t][:, None, None, None]
        x = (alpha * x0 + sigma * noise).contiguous(memory_format=torch.channels_last)
        output = self.unet(x, self.told[t], encoder_hidden_states=context).sample.float()
        error = output - target(self.prediction, x0, noise, alpha, sigma)
        return self.weight[t] * error.square().mean((1, 2, 3))

    def forward(self, x0: Tensor, context: Tensor, t: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Shapes as ``errors`` has them."""
        return {"loss": self.errors(x0, context, t, noise).mean()}


def target(prediction: Prediction, x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """What the network is to answer."""
    match prediction:
        case "epsilon":
            return noise
        case "v_prediction":
            return alpha * noise - sigma * x0
        case "sample":
            return x0
        case "flow":
            return noise - x0


def weights(prediction: Prediction, alpha: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    """(T,) of the error in what the network predicts; all (T,)."""
    if gamma == 0:
        return torch.ones_like(alpha)
    snr = (alpha / sigma).square()
    least = snr.clamp_max(gamma)
    match prediction:
        case "epsilon":  # the error of x0 is 1 / SNR times it; without signal it is noise that is regressed
            return torch.where(snr > 0, least / snr, 1.0)
        case "v_prediction" | "flow":  # sigma^2 times it
            return least * sigma.square()
        case "sample":
            return least.clamp_min(FLOOR)
