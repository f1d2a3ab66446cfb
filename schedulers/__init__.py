"""The path from noise to picture. Samplers ask for estimates of x0; they never call a network."""

from schedulers.brownian import BrownianNoise
from schedulers.guidance import GUIDANCE, Rule, Strength
from schedulers.held import held
from schedulers.level import Level, Table, move
from schedulers.levels import SCHEDULES, Schedule, custom, read_sigmas
from schedulers.noise import Noise, SeededNoise, first_noise
from schedulers.samplers import SAMPLERS, Sampler
from schedulers.solve import asked, evaluations, invert, solve
from schedulers.sources import SOURCES

__all__ = [
    "GUIDANCE", "SAMPLERS", "SCHEDULES", "SOURCES", "BrownianNoise", "Level", "Noise", "Rule", "Sampler",
    "Schedule", "SeededNoise", "Strength", "Table", "asked", "custom", "evaluations", "first_noise", "held",
    "invert", "move", "read_sigmas", "solve",
]  # fmt: skip
