"""``python -m benchmarks.starter``: every sampler and schedule on the bundled model.

Distance is the root mean square difference of the final latents (of unit variance) to those of 200 steps of
Heun from the same noise. Adherence is how many of the asked single objects the judge of ``make starter-eval``
sees. The prompts are held-out ones of that evaluation. Writes benchmarks/results/starter.json, from which
``python -m benchmarks.samplers`` puts the figures into docs/samplers.md, and into the model's own file
``atelier.json`` the fewest steps of each sampler that are as good as many, which the page tells.
"""

import json
import math
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import track
from torch import Tensor

from models import Parts, load
from schedulers import SAMPLERS, SCHEDULES, Level, Sampler, SeededNoise, evaluations, first_noise, solve
from training.starter.__main__ import CONFIG, workshop
from training.starter.evaluation import SEED, Case, cases
from training.starter.guided import good_settings, guided
from training.starter.judge import JudgeNet, detect

OUT = Path("benchmarks/results/starter.json")
BUDGETS = (4, 6, 10, 20, 40)  # evaluations
TEACHER = 200  # steps of Heun
CONVERGED = 0.2  # distance, of latents of unit variance, that is called converged


class Bench:
    """The bundled model, some prompts and their teacher."""

    def __init__(self, parts: Parts, net: JudgeNet, wanted: list[Case]) -> None:
        self.parts, self.net, self.wanted = parts, net, wanted
        self.seeds = tuple(SEED + k for k in range(len(wanted)))
        width, height = (side // parts.scale_factor for side in parts.native_size)
        self.shape = (parts.latent_channels, height, width)
        self.denoise = guided(parts, [case.prompt for case in wanted])
        self.teacher = self.draw(SAMPLERS["heun"], SCHEDULES["model"](parts.table, TEACHER))

    @torch.inference_mode()
    def draw(self, sampler: Sampler, levels: list[Level]) -> Tensor:
        x = first_noise(self.seeds, self.shape).to(self.parts.device) * math.hypot(*levels[0])
        return solve(sampler, self.denoise, x, levels, SeededNoise(self.seeds, self.shape, self.parts.device))

    def measure(self, sampler: Sampler, levels: list[Level]) -> dict[str, Any]:
        made = self.draw(sampler, levels)
        distance = None if sampler.stochastic else (made - self.teacher).square().mean().sqrt().item()
        return {
            "steps": len(levels) - 1,
            "distance": distance and round(distance, 4),
            "adherence": round(self.adherence(made), 4),
        }

    def adherence(self, latents: Tensor) -> float:
        with torch.inference_mode():
            pictures = torch.cat([self.parts.decode(some) for some in latents.split(16)]).cpu()
        seen = detect(self.net, pictures)
        hits = [bool(s) and s[0].thing == case.scene.objects[0].thing
                for s, case in zip(seen, self.wanted, strict=True)]  # fmt: skip
        return sum(hits) / len(hits)


def within(sampler: Sampler, path: Callable[[int], list[Level]], budget: int) -> list[Level] | None:
    """The levels of the most steps that cost at most ``budget`` evaluations; None where one costs more."""
    fitting = [n for n in range(1, budget + 1) if evaluations(sampler, path(n)) <= budget]
    return path(max(fitting)) if fitting else None


def converged(samplers: dict[str, dict[str, Any]]) -> dict[str, int]:
    """The fewest measured steps of each sampler from which on all are within ``CONVERGED`` of the teacher."""
    found = {}
    for name, rows in samplers.items():
        near = [row for row in rows.values() if row["distance"] is not None]
        good = list(takewhile(lambda row: row["distance"] <= CONVERGED, reversed(near)))
        if good:
            found[name] = good[-1]["steps"]
    return found


def main(
    prompts: Annotated[int, typer.Option(help="How many prompts.")] = 24,
    model: Annotated[str, typer.Option(help="The model to measure.")] = "starter",
    out: Annotated[Path, typer.Option(help="JSON to write.")] = OUT,
    config: Annotated[Path, typer.Option(help="The starter's recipe, for its judge.")] = CONFIG,
    changes: Annotated[list[str], typer.Option("--set", help="Change a setting of the recipe.")] = [],  # noqa: B006
    only: Annotated[
        list[str],
        typer.Option(help="Measure these, a sampler or a schedule each, and keep the others."),
    ] = [],  # noqa: B006
) -> None:
    """Measure, and write the figures."""
    if unknown := set(only) - {*SAMPLERS, *SCHEDULES}:
        raise typer.BadParameter(f"got {', '.join(unknown)}; allowed: names of samplers and schedules.")
    parts = load(model)
    net = workshop(config, changes).judge().cpu()
    bench = Bench(parts, net, cases()[:prompts])
    table = parts.table
    kept = json.loads(out.read_text("utf-8")) if only else {"samplers": {}, "schedules": {}}
    samplers: dict[str, dict[str, Any]] = kept["samplers"]
    for name, sampler in track(SAMPLERS.items(), "samplers"):
        if sampler.alone or (only and name not in only):  # alone they choose their own steps
            continue
        rows = {b: within(sampler, lambda n: SCHEDULES["model"](table, n), b) for b in BUDGETS}
        samplers[name] = {str(b): bench.measure(sampler, levels) for b, levels in rows.items() if levels}
    schedules: dict[str, dict[str, Any]] = kept["schedules"]
    for name, schedule in track(SCHEDULES.items(), "schedules"):
        if (name == "fitted" and not table.fitted) or (only and name not in only):
            continue
        schedules[name] = {
            str(n): bench.measure(SAMPLERS["dpmpp-2m"], schedule(table, n)) for n in (6, 10, 20)
        }
    schedules = {name: schedules[name] for name in SCHEDULES if name in schedules}
    samplers = {name: samplers[name] for name in SAMPLERS if name in samplers}
    figures = {
        "prompts": prompts,
        "guidance": good_settings(parts)["guidance"],
        "guidance_high": good_settings(parts)["guidance_high"],
        "teacher": TEACHER,
        "adherence of the teacher": round(bench.adherence(bench.teacher), 4),
        "model": parts.sha256,
        "samplers": samplers,
        "schedules": schedules,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    about = parts.path / "atelier.json"
    told = json.loads(about.read_text("utf-8"))
    told["converged"] = {"distance": CONVERGED, "steps": converged(samplers)}
    about.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
