"""``python -m benchmarks.stiffness``: why samplers of four past estimates fail with guidance at few steps.

On the bundled model, a few prompts: how far they end from sixty steps of DPM++ 2M under the same guidance,
and how stiff the ODE is: y = x / alpha goes by sigma dy / dsigma = y - D(y), and the eigenvalue of I - dD/dy
times (sigma_a - sigma_b) / sigma_a must stay within a rule's region of stability. On the negative axis that
of Adams-Bashforth ends at 1 with two estimates, 6/11 with three and 3/10 with four. Prints what it finds.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models import Context, Parts, load
from schedulers import SAMPLERS, SCHEDULES, Level, Sampler, first_noise, solve
from schedulers.samplers.multistep import adams
from schedulers.samplers.weights import in_sigma
from tests.schedulers.exact import silence
from training.starter.evaluation import SEED, cases

PROMPTS, STEPS, TEACHER = 4, 20, 60
GUIDANCE = ((1.0, math.inf), (4.0, 5.0), (4.0, math.inf))  # its strength, and the VE sigma it sets in at
TRIED = {"model": ("dpmpp-2m", "adams-2", "adams-3", "lms", "ipndm", "pndm"), "karras": ("lms", "ipndm")}
ADAMS = {  # LMS with fewer estimates than its four
    f"adams-{k}": Sampler("", "", "", lambda x, levels, noise, k=k: adams(x, levels, k, in_sigma), k)
    for k in (2, 3)
}

Denoise = Callable[[Tensor, Level], Tensor]


def guided(parts: Parts, texts: Sequence[str], strength: float, high: float) -> Denoise:
    """Classifier-free guidance of (N, C, h, w), a row for each text, at and below VE sigma ``high``."""
    own, blank = parts.encode_text(list(texts)), parts.encode_text([""]).expand(len(texts))
    both = Context.cat([own, blank])

    def denoise(x: Tensor, level: Level) -> Tensor:
        if strength == 1 or level.ve_sigma > high:
            return parts.denoise(x, [level] * len(x), own)
        asked, plain = parts.denoise(torch.cat([x, x]), [level] * (2 * len(x)), both).chunk(2)
        return plain + strength * (asked - plain)

    return denoise


def stiffness(denoise: Denoise, x: Tensor, level: Level, rounds: int = 8) -> Tensor:
    """(B,): |I - dD/dy| in the direction that it stretches most, found by repeating it ``rounds`` times."""
    x0, way, size = denoise(x, level), torch.randn_like(x), x.new_zeros(len(x))
    for _ in range(rounds):
        way = way / way.flatten(1).norm(dim=1)[:, None, None, None]
        small = 0.005 * math.sqrt(way[0].numel()) * level.alpha
        way = way - (denoise(x + small * way, level) - x0) / small * level.alpha
        size = way.flatten(1).norm(dim=1)
    return size


@torch.inference_mode()
def main() -> None:
    parts, wanted = load("starter"), cases()[:PROMPTS]
    width, height = (side // parts.scale_factor for side in parts.native_size)
    seeds = [SEED + k for k in range(PROMPTS)]
    noise = first_noise(seeds, (parts.latent_channels, height, width))

    def draw(name: str, denoise: Denoise, schedule: str, steps: int) -> Tensor:
        levels = SCHEDULES[schedule](parts.table, steps)
        sampler = ADAMS.get(name) or SAMPLERS[name]
        return solve(sampler, denoise, noise * math.hypot(*levels[0]), levels, silence)

    for strength, high in GUIDANCE:
        denoise = guided(parts, [case.prompt for case in wanted], strength, high)
        teacher = draw("dpmpp-2m", denoise, "model", TEACHER)
        print(f"guidance {strength:g} at and below sigma {high:g}")
        for schedule, names in TRIED.items():
            for name in names:
                off = (draw(name, denoise, schedule, STEPS) - teacher).square().mean().sqrt()
                print(f"  {schedule}, {STEPS} steps, {name}: distance {off:.2f}", flush=True)
        levels = SCHEDULES["model"](parts.table, STEPS)
        for a, b in zip(levels[6:-1:4], levels[7::4], strict=False):
            x = a.alpha * teacher + a.sigma * noise
            most = stiffness(denoise, x, a).tolist()
            step = 1 - b.ve_sigma / a.ve_sigma
            print(f"  sigma {a.ve_sigma:.2f}, step {step:.2f}: {' '.join(f'{m:.1f}' for m in most)}")


if __name__ == "__main__":
    main()
