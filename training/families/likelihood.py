"""How probable a picture is to a model that denoises, by the probability-flow ODE. Knows no networks."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def ode_log_density(
    denoise: Callable[[Tensor, float], Tensor],
    x: Tensor,
    probe: Tensor,
    low: float,
    high: float,
    steps: int,
) -> Tensor:
    """log p(x) (B,) in nats of pictures x at the noise ``low``, by carrying them to ``high``.

    ``denoise(x, sigma)`` estimates x0 from x = x0 + sigma noise, so in s = ln sigma the ODE is
    dx/ds = x - x0 (arXiv:2206.00364, eq. 1) and log p falls by its divergence (arXiv:2011.13456, eq. 39),
    estimated with ``probe`` of random signs (Hutchinson; eq. 40). ``x`` and ``probe`` (B, C, H, W). Heun's
    steps, even in s; what is at ``high`` counts as normal noise of that size.
    """
    step = math.log(high / low) / steps
    gained = torch.zeros(len(x), device=x.device)
    slope, divergence = _slope(denoise, x, low, probe)
    for k in range(steps):
        sigma = low * math.exp((k + 1) * step)
        ahead, ahead_divergence = _slope(denoise, x + step * slope, sigma, probe)
        x = x + step / 2 * (slope + ahead)
        gained = gained + step / 2 * (divergence + ahead_divergence)
        slope, divergence = _slope(denoise, x, sigma, probe) if k + 1 < steps else (slope, divergence)
    size = x[0].numel()
    prior = -0.5 * (x / high).square().sum((1, 2, 3)) - size * math.log(high * math.sqrt(2 * math.pi))
    return prior + gained


def _slope(
    denoise: Callable[[Tensor, float], Tensor], x: Tensor, sigma: float, probe: Tensor
) -> tuple[Tensor, Tensor]:
    """(dx/ds, its divergence (B,))."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        slope = x - denoise(x, sigma)
        (turned,) = torch.autograd.grad((slope * probe).sum(), x)
    return slope.detach(), (turned * probe).sum((1, 2, 3))
