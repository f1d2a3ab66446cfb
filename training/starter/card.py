# ruff: noqa: E501  (prose)
"""The starter's model card, written from what was measured. Knows no networks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from training.data.vocabulary import COLOURS, RELATIONS, SETTINGS, STYLES, THINGS

GOALS = {"object": 0.9, "object, by glyph matching": 0.9, "background": 0.97, "relation": 0.7, "count": 0.7}


class Spent(NamedTuple):
    """One stage of training: how many steps, how many hours of this machine."""

    stage: str
    steps: int
    hours: float


def spent(folder: Path) -> list[Spent]:
    """Of each stage in a run's folder, from its curve (a pause between two logged rows is not counted)."""
    cost = []
    for stage in ("vae", "text", "unet", "judge"):
        curve = folder / stage / "curve.jsonl"
        if curve.exists():
            rows = [json.loads(line) for line in curve.read_text().splitlines()]
            steps = [b["step"] - a["step"] for a, b in zip([{"step": 0}, *rows], rows, strict=False)]
            seconds = sum(n * row["seconds_per_step"] for n, row in zip(steps, rows, strict=True))
            cost.append(Spent(stage, rows[-1]["step"], round(seconds / 3600, 2)))
    return cost


def history(model: Path) -> list[Spent]:
    """What was spent on the model of a folder, as its export wrote it down."""
    file = model / "atelier.json"
    rows = json.loads(file.read_text("utf-8")).get("training", []) if file.exists() else []
    return [Spent(*row) for row in rows]


def percent(row: dict[str, float]) -> str:
    return f"{row['rate']:.1%} ({row['low']:.1%} to {row['high']:.1%}, n = {row['n']})"


def write_card(
    figures: dict[str, Any],
    cost: Sequence[Spent],
    sizes: dict[str, int],
    device: str,
    file: Path,
) -> None:
    """``figures`` as ``evaluation.evaluate`` returns them; ``sizes`` are parameters of each network,
    ``device`` says what it was trained on."""
    measured, ceiling, vae = figures["starter"], figures["judges"], figures["vae"]
    how = figures["settings"]
    upto = f" up to sigma {high}" if (high := how.get("guidance_high")) else ""
    lines = [
        "---", "license: apache-2.0", "library_name: diffusers", "pipeline_tag: text-to-image", "---", "",
        "# The Atelier starter", "",
        "A small text-conditioned latent diffusion model, trained from scratch for Atelier so that a fresh clone can",
        "draw at once. Diffusers' folder layout, half precision, 128 x 128 pixels, x0 prediction,",
        "zero-terminal SNR.", "",
        "| part | parameters |", "|---|---|",
        *(f"| {name} | {count / 1e6:.1f} M |" for name, count in sizes.items()), "",
        "## Data", "",
        f"Scenes drawn on the fly from a seed: {len(THINGS)} kinds of object, each a glyph of Noto Color Emoji",
        "(© Google, SIL Open Font License 1.1, which allows pictures made with the font to be used freely), on",
        f"{len(COLOURS)} plain colours, gradients and {len(SETTINGS)} settings ({', '.join(SETTINGS)}); one to three",
        f"objects, counts, the relations {', '.join(RELATIONS)}, sizes, and the styles {', '.join(STYLES)}.",
        "Captions come from a grammar with synonyms and paraphrases. Whole combinations (object x background,",
        "object x relation x object) are never shown in training; the figures below are on those alone.", "",
        "## Quality", "",
        f"500 held-out prompts, seeds {how['seed']} and up, {how['sampler']}, schedule {how['schedule']}, "
        f"{how['steps']} steps, guidance {how['guidance']}{upto}; 95 % intervals. \"Judges on rendered scenes\" is what the same",
        "measure says of the true rendering: the most it could say. The settings were chosen on other prompts and seeds.", "",
        "| asked | drawn right | goal | judges on rendered scenes |", "|---|---|---|---|",
        *(f"| {name} | {percent(row)} | {GOALS[name]:.0%} | {ceiling[name]['rate']:.1%} |"
          for name, row in measured.items()),
        f"| VAE reconstruction | {vae['psnr']} dB ({vae['low']} to {vae['high']}, n = {vae['n']}) | 27 dB | |", "",
        "Every prompt asks for plain colours on which the object stands out: what has nearly its background's colour (a cat on",
        "yellow; one pair in nine) is not asked, nor are gradients, settings and sizes. Of styles the same is asked, of",
        f"single objects, {next(iter(figures['styles'].values()))['n']} prompts each:", "",
        "| style | object seen | judge on rendered scenes |", "|---|---|---|",
        *(f"| {style} | {percent(figures['styles'][style])} | "
          f"{figures['styles'][f'{style}, true pictures']['rate']:.1%} |" for style in STYLES), "",
        "`make starter-eval` measures them again; `docs/starter/grid.png` shows the first pictures of each kind and",
        "`docs/starter/styles.png` those of each style.", "",
        "## Training cost", "",
        f"On {device}:", "",
        "| stage | steps | hours |", "|---|---|---|",
        *(f"| {stage} | {steps} | {hours:.2f} |" for stage, steps, hours in cost), "",
        "## Limits", "",
        "It knows its few hundred words and nothing else: no people, no places, no text, no photographs. Unknown",
        "words are ignored or turn into the nearest known shape. Small objects in groups lose detail. Sizes other",
        "than 128 x 128 repeat or stretch objects, and an object of its background's colour dissolves. What lives in fine",
        "lines (pencil, neon) its codes of 16 pixels hardly tell. It is a start, not an end: load the checkpoints you own.", "",
        "`weak/` is a companion a fiftieth of its size, for autoguidance (2 is enough; 4 burns).", "",
    ]  # fmt: skip
    file.write_text("\n".join(lines), encoding="utf-8")
