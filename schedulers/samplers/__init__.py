"""Every sampler, by name. To add one: one file here and one line in the table (docs/add-a-sampler.md)."""

from schedulers.samplers.ddim import ddim
from schedulers.samplers.ddpm import ddpm
from schedulers.samplers.dpmpp_2m import dpmpp_2m
from schedulers.samplers.dpmpp_2m_sde import dpmpp_2m_sde
from schedulers.samplers.euler import euler
from schedulers.samplers.euler_a import euler_a
from schedulers.samplers.heun import heun
from schedulers.samplers.sampler import Sampler

__all__ = ["SAMPLERS", "Sampler"]

_ALL = (
    Sampler("dpmpp-2m", "DPM++ 2M", "Second order at one evaluation a step. The usual choice.", dpmpp_2m, 2),
    Sampler("dpmpp-2m-sde", "DPM++ 2M SDE", "DPM++ 2M with fresh noise each step; more texture.",
            dpmpp_2m_sde, 2, stochastic=True, eta=1.0),
    Sampler("euler", "Euler", "The plainest: straight steps, the same picture at any step count.", euler, 1),
    Sampler("euler-a", "Euler ancestral", "Euler with fresh noise each step; keeps changing with the steps.",
            euler_a, 1, stochastic=True, eta=1.0),
    Sampler("heun", "Heun", "Second order at two evaluations a step; slow and exact.", heun, 2,
            evaluations=2),
    Sampler("ddim", "DDIM", "Deterministic at eta 0 (then it is Euler); eta 1 is DDPM.", ddim, 1, eta=0.0),
    Sampler("ddpm", "DDPM", "The original ancestral sampler; wants many steps.", ddpm, 1, stochastic=True),
)  # fmt: skip
SAMPLERS: dict[str, Sampler] = {s.name: s for s in _ALL}
