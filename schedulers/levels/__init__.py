"""Every way to space the noise levels, by name: one file here and one line in the table adds one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from schedulers.level import Level, Table
from schedulers.levels.ays import ays_sd15, ays_sdxl
from schedulers.levels.beta import beta, beta_sigma
from schedulers.levels.exponential import exponential
from schedulers.levels.flow import flow_shift, linear_quadratic
from schedulers.levels.karras import karras
from schedulers.levels.kl_optimal import kl_optimal, kl_optimal_a1111
from schedulers.levels.polyexponential import polyexponential
from schedulers.levels.through import Unsuited, fitted, read_sigmas, through
from schedulers.levels.timesteps import model, sgm_uniform, simple, trailing

__all__ = ["SCHEDULES", "Unsuited", "Schedule", "custom", "read_sigmas"]


@dataclass(frozen=True)
class Schedule:
    """``schedule(table, steps)`` gives steps + 1 levels, the noise strictly falling, the last one clean."""

    name: str
    label: str
    help: str
    run: Callable[[Table, int], list[Level]]

    def __call__(self, table: Table, steps: int) -> list[Level]:
        """Raises ``ValueError`` when ``steps`` is not between 1 and the number of levels in the table, or two
        of the levels would be one."""
        if not 1 <= steps <= len(table.levels):
            raise ValueError(f"got {steps}; allowed: from 1 to {len(table.levels)} steps.")
        levels = self.run(table, steps)
        if any(a.ve_sigma <= b.ve_sigma for a, b in pairwise(levels)):
            raise ValueError(f"got {steps}; two of them fall on one noise level; allowed: fewer steps.")
        return levels


_ALL = (
    Schedule("model", "The model's own", "The spacing the checkpoint asks for.", model),
    Schedule("karras", "Karras", "More of the steps at little noise, where detail is made.", karras),
    Schedule("exponential", "Exponential", "Each step divides the noise by the same factor.", exponential),
    Schedule("trailing", "Trailing", "Even steps over the training levels, from pure noise on.", trailing),
    Schedule("sgm-uniform", "SGM uniform", "Even timesteps, interpolated.", sgm_uniform),
    Schedule("simple", "Simple", "Every so-manieth of the training levels.", simple),
    Schedule("beta", "Beta (timesteps)", "Crowds at both ends; ComfyUI's beta.", beta),
    Schedule("beta-sigma", "Beta (sigmas)", "Crowds at both ends; AUTOMATIC1111's beta.", beta_sigma),
    Schedule("kl-optimal", "KL-optimal (cosine)", "Even angles, noise to picture; ComfyUI's.", kl_optimal),
    Schedule("kl-optimal-a1111", "KL-optimal (AUTOMATIC1111)", "Even angles, down to the least noise.",
             kl_optimal_a1111),
    Schedule("polyexponential", "Polyexponential", "Exponential, with more steps at little noise.",
             polyexponential),
    Schedule("linear-quadratic", "Linear-quadratic", "Half of the steps near pure noise; for flow models.",
             linear_quadratic),
    Schedule("flow-shift", "Flow shift 3", "Flow models' even steps, moved towards noise.", flow_shift),
    Schedule("fitted", "Fitted to this model", "A table searched for the very model, if it has one.", fitted),
    Schedule("ays-sd15", "Align Your Steps (SD 1.5)", "Ten steps made for that model.", ays_sd15),
    Schedule("ays-sdxl", "Align Your Steps (SDXL)", "Ten steps made for that model.", ays_sdxl),
)  # fmt: skip
SCHEDULES: dict[str, Schedule] = {s.name: s for s in _ALL}


def custom(sigmas: Sequence[float]) -> Schedule:
    """The schedule through VE sigmas of one's own (see ``read_sigmas``)."""
    return Schedule("custom", "Custom", "Noise levels of your own.", partial(through, sigmas))
