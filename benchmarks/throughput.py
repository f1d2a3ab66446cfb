"""How long 1, 4 and 16 simultaneous jobs take: the engine, drawing one after another, and diffusers doing so.

All ways use the same weights, recipes and threads. The rounds are interleaved, so that other load on the
machine meets all of them; medians are reported, with the range. diffusers is measured twice: as it comes
(float32), and with what its documentation recommends for speed (the number format ours uses, channels_last).
Rows are counted at the U-Net, so that a way which does less work shows. diffusers' ancestral Euler and Heun
refuse models that predict x0, as the starter does: its DDIM with as many evaluations stands in for them.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine import Engine
from models import Parts, load
from pipelines import Recipe, draw

RESULTS = Path(__file__).parent / "results" / "throughput"
PROMPTS = (
    "a red apple",
    "three bananas on a blue background",
    "a cat left of a dog",
    "a big tree, pixel art",
)
MIX = (  # our sampler, diffusers' scheduler and its settings, share of the steps
    ("dpmpp-2m", "DPMSolverMultistepScheduler", {}, 1.0),
    ("euler-a", "DDIMScheduler", {}, 1.5),
    ("ddim", "DDIMScheduler", {}, 1.0),
    ("dpmpp-2m-sde", "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, 1.25),
    ("euler", "EulerDiscreteScheduler", {}, 0.5),
    ("ddpm", "DDPMScheduler", {}, 1.5),
    ("heun", "DDIMScheduler", {}, 0.5),
)


@dataclass(frozen=True)
class Round:
    """One way drew one set of jobs once."""

    seconds: float  # until the last picture
    waits: tuple[float, ...]  # seconds until each picture
    calls: int  # of the U-Net
    rows: int  # in them
    pictures: tuple[Image.Image, ...] = field(repr=False, compare=False)


Way = Callable[[Sequence[Recipe]], tuple[list[Image.Image], list[float]]]
"""Draws recipes of one picture each; returns the pictures and the moment each was there (perf_counter)."""


def mixed_jobs(count: int, steps: int, parts: Parts) -> list[Recipe]:
    """``count`` recipes of one picture that differ in prompt, sampler, steps and seed."""
    width, height = parts.native_size
    recipes = []
    for i in range(count):
        sampler, _, _, share = MIX[i % len(MIX)]
        recipes.append(Recipe.read({
            "model": "benchmark", "prompt": PROMPTS[i % len(PROMPTS)], "sampler": sampler, "seed": i,
            "steps": max(2, round(steps * share)), "guidance": 4.0, "width": width, "height": height,
        }))  # fmt: skip
    return recipes


def evaluations(recipe: Recipe) -> int:
    """How often the sampler asks: Heun twice a step, but once at pure noise and once at the end."""
    return 2 * recipe.steps - 2 if recipe.sampler == "heun" else recipe.steps


def with_engine(engine: Engine) -> Way:
    def way(recipes: Sequence[Recipe]) -> tuple[list[Image.Image], list[float]]:
        jobs = [engine.submit(recipe, user=f"user {i}") for i, recipe in enumerate(recipes)]
        there: dict[str, float] = {}
        while len(there) < len(jobs):
            there |= {job.id: time.perf_counter() for job in jobs if job.ended and job.id not in there}
            time.sleep(0.002)
        return [job.result(0)[0] for job in jobs], [there[job.id] for job in jobs]

    return way


def one_after_another(draw_one: Callable[[Recipe], Image.Image]) -> Way:
    def way(recipes: Sequence[Recipe]) -> tuple[list[Image.Image], list[float]]:
        pictures, there = [], []
        for recipe in recipes:
            pictures.append(draw_one(recipe))
            there.append(time.perf_counter())
        return pictures, there

    return way


def with_diffusers(
    folder: Path, dtype: torch.dtype, tuned: bool
) -> tuple[Callable[[Recipe], Image.Image], Any]:
    """diffusers' own pipeline on the same files, and its U-Net."""
    diffusers = import_module("diffusers")  # late: it takes seconds, and the guard of models/ comes first
    diffusers.logging.set_verbosity_error()
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=dtype, safety_checker=None
    )
    pipeline.set_progress_bar_config(disable=True)
    if torch.cuda.is_available():
        pipeline.to("cuda")
    if tuned:
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    schedulers = {
        ours: getattr(diffusers, theirs).from_config(pipeline.scheduler.config, **settings)
        for ours, theirs, settings, _ in MIX
    }

    def draw_one(recipe: Recipe) -> Image.Image:
        pipeline.scheduler = schedulers[recipe.sampler]
        return pipeline(
            recipe.prompt,
            num_inference_steps=evaluations(recipe),
            guidance_scale=recipe.guidance,
            width=recipe.width,
            height=recipe.height,
            generator=torch.Generator("cpu").manual_seed(recipe.seed),
        ).images[0]

    return draw_one, pipeline.unet


@contextmanager
def counted(unet: torch.nn.Module):
    """The rows of each U-Net call made inside."""
    calls: list[int] = []
    hook = unet.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    try:
        yield calls
    finally:
        hook.remove()


def measured(way: Way, unet: torch.nn.Module, recipes: Sequence[Recipe]) -> Round:
    with counted(unet) as calls:
        started = time.perf_counter()
        pictures, there = way(recipes)
    waits = tuple(moment - started for moment in there)
    return Round(max(waits), waits, len(calls), sum(calls), tuple(pictures))


def compare(parts: Parts, counts: Sequence[int], steps: int, rounds: int) -> dict[str, Any]:
    """Measure every way on every number of jobs, ``rounds`` times, interleaved, after a warm-up of each."""
    name = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}[parts.dtype]
    plain, plain_unet = with_diffusers(parts.path, torch.float32, tuned=False)
    tuned, tuned_unet = with_diffusers(parts.path, parts.dtype, tuned=True)
    results: dict[tuple[int, str], list[Round]] = {}
    with Engine(lambda _: parts) as engine:
        ways: dict[str, tuple[Way, torch.nn.Module]] = {
            "engine": (with_engine(engine), parts.unet),
            "draw, one after another": (one_after_another(lambda recipe: draw(recipe, parts)[0]), parts.unet),
            f"diffusers, {name}, channels_last": (one_after_another(tuned), tuned_unet),
            "diffusers, as it comes (float32)": (one_after_another(plain), plain_unet),
        }
        for way, unet in ways.values():
            # The engine also finds its row budget here; the others have nothing to learn after a picture.
            measured(way, unet, mixed_jobs(max(counts) if way is ways["engine"][0] else 1, steps, parts))
        for turn in range(rounds):
            for count in counts:
                order = list(ways)[turn % len(ways) :] + list(ways)[: turn % len(ways)]
                for key in order:
                    results.setdefault((count, key), []).append(
                        measured(*ways[key], mixed_jobs(count, steps, parts))
                    )
    return report(results, parts, steps, rounds)


def report(
    results: dict[tuple[int, str], list[Round]], parts: Parts, steps: int, rounds: int
) -> dict[str, Any]:
    """Plain data: the machine, the settings and a row for each number of jobs and way."""
    rows = []
    for (count, way), measurements in sorted(results.items(), key=lambda item: item[0][0]):
        seconds = [m.seconds for m in measurements]
        ours = statistics.median(m.seconds for m in results[count, "engine"])
        rows.append({
            "jobs": count, "way": way, "seconds": round(statistics.median(seconds), 3),
            "fastest": round(min(seconds), 3), "slowest": round(max(seconds), 3),
            "mean_wait": round(statistics.median(statistics.mean(m.waits) for m in measurements), 3),
            "calls": measurements[-1].calls, "rows": measurements[-1].rows,
            "engine_times_faster": round(statistics.median(seconds) / ours, 2),
        })  # fmt: skip
    return {
        "model": parts.name, "dtype": str(parts.dtype), "steps": steps, "rounds": rounds,
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
                    "torch": torch.__version__, "load": machine_load()},
        "company_changes": {str(count): company(results, count) for count in sorted({n for n, _ in results})},
        "rows": rows,
    }  # fmt: skip


def company(results: dict[tuple[int, str], list[Round]], count: int) -> dict[str, float]:
    """How far the engine's pictures are from the same ones drawn alone: levels of 255."""
    pairs = zip(
        results[count, "engine"][-1].pictures,
        results[count, "draw, one after another"][-1].pictures,
        strict=True,
    )
    far = [np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)) for a, b in pairs]
    return {"max": int(np.max(far)), "mean": round(float(np.mean(far)), 4)}


def table(data: dict[str, Any]) -> str:
    """The report as Markdown."""
    machine = data["machine"]
    load = f", load at the end {machine['load'][0]}" if machine["load"] else ""
    far = "; ".join(
        f"{n} jobs: at most {d['max']}, mean {d['mean']}" for n, d in data["company_changes"].items()
    )
    lines = [
        f"# Throughput: {data['model']}, {data['dtype'].removeprefix('torch.')}", "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"torch {machine['torch']}{load}. "
        f"Mixed samplers, about {data['steps']} steps, guidance 4; "
        f"median of {data['rounds']} interleaved rounds (fastest to slowest).", "",
        "| jobs | way | seconds for all | mean wait | pictures/s | U-Net calls | rows | engine is faster |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for r in data["rows"]:
        lines.append(
            f"| {r['jobs']} | {r['way']} | {r['seconds']:.2f} ({r['fastest']:.2f} to {r['slowest']:.2f}) "
            f"| {r['mean_wait']:.2f} | {r['jobs'] / r['seconds']:.2f} | {r['calls']} | {r['rows']} "
            f"| {r['engine_times_faster']:.2f}x |"
        )
    return "\n".join([*lines, "", f"What company changes in a picture, in levels of 255: {far}.", ""])


def _processor() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor())


def machine_load() -> list[float]:
    """Of the machine, over 1, 5 and 15 minutes; Windows does not tell."""
    return [] if sys.platform == "win32" else [round(x, 2) for x in os.getloadavg()]


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--model", default="starter", help="a name that load() takes")
    options.add_argument("--jobs", type=int, nargs="+", default=[1, 4, 16])
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument(
        "--out", type=Path, default=RESULTS, help="path of the .md and .json, without suffix"
    )
    chosen = options.parse_args(arguments)
    data = compare(load(chosen.model), chosen.jobs, chosen.steps, chosen.rounds)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.with_suffix(".json").write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    chosen.out.with_suffix(".md").write_text(table(data), "utf-8")
    print(table(data))


if __name__ == "__main__":
    main()
