"""How good the starter is: 500 held-out prompts with fixed seeds, judged two ways, with intervals.

Prompts ask only for combinations that training never saw (object x background, object x relation x object).
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from models import Parts, load
from schedulers import SCHEDULES, SeededNoise, first_noise, solve
from training.data.scenes import (
    SIDE,
    Background,
    Placed,
    Scene,
    caption,
    contrasts,
    held_out_pair,
    held_out_triple,
    related,
    render,
    side_of,
    spread,
)
from training.data.vocabulary import COLOURS, RELATIONS, STYLES, THINGS
from training.starter.codes import to_grid, to_tensor
from training.starter.guided import good_settings, guided
from training.starter.judge import JudgeNet, Seen, background_colour, detect, match_glyphs

SEED = 20_000  # prompt k is drawn with seed SEED + k
HOW = ("sampler", "schedule", "steps", "guidance", "guidance_high")  # of the defaults
SINGLES, PAIRS, COUNTS = 200, 150, 150
STYLED, SHOWN_STYLED = 40, 12  # prompts of each style, and of those the ones whose pictures are shown


@dataclass(frozen=True)
class Case:
    """A prompt and what must be seen."""

    prompt: str
    scene: Scene


def cases() -> list[Case]:
    """The fixed 500: single objects, pairs in a relation, and twos and threes, all held out from training."""
    rng = np.random.default_rng(SEED)
    names, relations = list(COLOURS), list(RELATIONS)
    wanted: list[Scene] = []
    while len(wanted) < SINGLES + COUNTS:
        thing, colour = int(rng.integers(len(THINGS))), names[rng.integers(len(names))]
        if held_out_pair(thing, colour) and contrasts(thing, colour):
            count = 1 if len(wanted) < SINGLES else 2 + len(wanted) % 2
            objects = tuple(Placed(thing, 0, 0, 0) for _ in range(count))
            wanted.append(Scene(objects, Background("plain", (colour,))))
    pairs: list[Scene] = []
    while len(pairs) < PAIRS:
        first, second = (int(k) for k in rng.choice(len(THINGS), 2, replace=False))
        relation, colour = relations[rng.integers(len(relations))], names[rng.integers(len(names))]
        if (
            held_out_triple(first, relation, second)
            and contrasts(first, colour)
            and contrasts(second, colour)
        ):
            objects = (Placed(first, 0, 0, 0), Placed(second, 0, 0, 0))
            pairs.append(Scene(objects, Background("plain", (colour,)), relation))
    return [Case(_said(scene, rng), scene) for scene in (*wanted[:SINGLES], *pairs, *wanted[SINGLES:])]


def styled_cases() -> dict[str, list[Case]]:
    """``STYLED`` single objects for each style, held out as those of ``cases`` are."""
    rng = np.random.default_rng(SEED + 4)
    names, found = list(COLOURS), dict[str, list[Case]]()
    for style, words in STYLES.items():
        found[style] = []
        while len(found[style]) < STYLED:
            thing, colour = int(rng.integers(len(THINGS))), names[rng.integers(len(names))]
            if held_out_pair(thing, colour) and contrasts(thing, colour):
                scene = Scene((Placed(thing, 0, 0, 0),), Background("plain", (colour,)), style=style)
                while not any(word in (text := caption(scene, rng)) for word in words):
                    pass
                found[style].append(Case(text, scene))
    return found


def styled(net: JudgeNet, parts: Parts, out: Path) -> dict[str, dict[str, float]]:
    """How often the asked object is seen in each style, and of their true pictures; writes ``styles.png``."""
    figures, shown = dict[str, dict[str, float]](), list[Tensor]()
    for style, wanted in styled_cases().items():
        pictures = draw_cases(parts, wanted)
        true = rendered(wanted, np.random.default_rng(SEED + 5))
        for what, some in ((style, pictures), (f"{style}, true pictures", true)):
            figures[what] = interval(
                bool(s) and s[0].thing == c.scene.objects[0].thing
                for s, c in zip(detect(net, some), wanted, strict=True)
            )
        shown.append(pictures[:SHOWN_STYLED])
    to_grid(torch.cat(shown), SHOWN_STYLED).save(out / "styles.png")
    return figures


def _said(scene: Scene, rng: np.random.Generator) -> str:
    """A caption that names the background (the grammar sometimes leaves it out)."""
    colours = {scene.background.colours[0], "gray", "turquoise"}
    while not any(f"{c} background" in (text := caption(scene, rng)) or f"on {c}" in text for c in colours):
        pass
    return text


@torch.inference_mode()
def draw_cases(
    parts: Parts,
    wanted: Sequence[Case],
    rows: int = 25,
    beside: Callable[[range], AbstractContextManager[object]] = nullcontext,
) -> Tensor:
    """(N, 3, 128, 128) in [-1, 1], drawn as the model's own defaults say.

    ``beside`` is entered while some cases, whose numbers it is given, are drawn: rows of the network's calls
    are those that are asked, then as many without words.
    """
    good = good_settings(parts)
    levels = SCHEDULES[good["schedule"]](parts.table, good["steps"])
    shape = (parts.latent_channels, SIDE // parts.scale_factor, SIDE // parts.scale_factor)
    pictures = []
    for start in track(range(0, len(wanted), rows), "drawing"):
        some = wanted[start : start + rows]
        seeds = tuple(SEED + start + k for k in range(len(some)))
        denoise = guided(parts, [c.prompt for c in some])
        x = first_noise(seeds, shape).to(parts.device) * math.hypot(*levels[0])
        noise = SeededNoise(seeds, shape, parts.device)
        with beside(range(start, start + len(some))):
            pictures.append(parts.decode(solve(good["sampler"], denoise, x, levels, noise)))
    return torch.cat(pictures).cpu()


def _related(seen: list[Seen], scene: Scene) -> bool:
    """Both objects are seen, the first where asked from the second (centres at least 12 pixels apart)."""
    places = []
    for wanted in scene.objects:
        found = [s for s in seen if s.thing == wanted.thing]
        if not found:
            return False
        places.append(found[0])
    a, b = places
    gap = {"left of": b.x - a.x, "right of": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}[
        scene.relation or ""
    ]
    return gap >= 12


def interval(hits: Iterable[bool]) -> dict[str, float]:
    """Rate with its 95 % Wilson interval."""
    row = [bool(h) for h in hits]
    n, p, z = len(row), sum(row) / len(row), 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return {
        "rate": round(p, 4),
        "low": round((middle - half) / scale, 4),
        "high": round((middle + half) / scale, 4),
        "n": n,
    }


def judge(net: JudgeNet, pictures: Tensor, wanted: list[Case]) -> dict[str, dict[str, float]]:
    """Every measure of the model card, on pictures (N, 3, 128, 128) of ``cases()``."""
    seen = [one for k in range(0, len(pictures), 50) for one in detect(net, pictures[k : k + 50])]
    bytes_ = ((pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    backs = [background_colour(one) for one in bytes_]
    singles, pairs, counts = (
        slice(0, SINGLES),
        slice(SINGLES, SINGLES + PAIRS),
        slice(SINGLES + PAIRS, None),
    )
    matched = [m for k in range(0, SINGLES, 25) for m in match_glyphs(pictures[k : min(k + 25, SINGLES)])]
    return {
        "object": interval(bool(s) and s[0].thing == c.scene.objects[0].thing
                           for s, c in zip(seen[singles], wanted[singles], strict=True)),
        "object, by glyph matching": interval(m[0] == c.scene.objects[0].thing
                                              for m, c in zip(matched, wanted[singles], strict=True)),
        "background": interval(b == c.scene.background.colours[0]
                               for b, c in zip(backs, wanted, strict=True)),
        "relation": interval(_related(s, c.scene) for s, c in zip(seen[pairs], wanted[pairs], strict=True)),
        "count": interval([o.thing for o in s] == [o.thing for o in c.scene.objects]
                          for s, c in zip(seen[counts], wanted[counts], strict=True)),
    }  # fmt: skip


@torch.inference_mode()
def reconstruction(parts: Parts, count: int = 250) -> dict[str, float]:
    """Mean PSNR in dB of the VAE's round trip on held-out scenes, with a 95 % interval of the mean."""
    pixels = rendered(cases()[:: 500 // count], np.random.default_rng(SEED + 2))
    values = []
    for part in pixels.split(25):
        raw = parts.vae.encode(part.to(parts.device, parts.vae.dtype)).latent_dist.mode()
        back = parts.vae.decode(raw).sample.float().clamp(-1, 1).cpu()
        mse = ((back - part) / 2).square().mean((1, 2, 3))
        values += (-10 * mse.log10()).tolist()
    half = 1.96 * float(np.std(values)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return {"psnr": round(mean, 2), "low": round(mean - half, 2), "high": round(mean + half, 2), "n": count}


def rendered(wanted: list[Case], rng: np.random.Generator) -> Tensor:
    """The true pictures of the cases, objects placed as in training: (N, 3, 128, 128) in [-1, 1]."""
    return to_tensor(np.stack([render(scene, rng) for scene in placed(wanted, rng)]))


def placed(wanted: Sequence[Case], rng: np.random.Generator) -> list[Scene]:
    """The scenes of the cases, their objects placed as in training."""
    rows = []
    for case in wanted:
        things, relation = [o.thing for o in case.scene.objects], case.scene.relation
        side = side_of(len(things))
        centres = related(relation, side) if relation else spread(rng, len(things), side)
        objects = tuple(Placed(thing, x, y, side) for thing, (x, y) in zip(things, centres, strict=True))
        rows.append(Scene(objects, case.scene.background, relation, style=case.scene.style))
    return rows


def evaluate(net: JudgeNet, folder: Path, out: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Measure the starter in ``folder``; writes ``figures.json`` and ``grid.png`` into ``out``.

    Returns the figures and the number of parameters of each network.
    """
    parts = load(str(folder))
    net, wanted = net.cpu(), cases()
    pictures = draw_cases(parts, wanted)
    figures = {
        "settings": {**{name: good_settings(parts)[name] for name in HOW}, "seed": SEED},
        "starter": judge(net, pictures, wanted),
        "judges": judge(net, rendered(wanted, np.random.default_rng(SEED + 1)), wanted),
        "vae": reconstruction(parts),
    }
    out.mkdir(parents=True, exist_ok=True)
    figures["styles"] = styled(net, parts, out)
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    shown = [*range(0, 24), *range(SINGLES, SINGLES + 12), *range(SINGLES + PAIRS, SINGLES + PAIRS + 12)]
    to_grid(pictures[shown], 12).save(out / "grid.png")
    (out / "grid.txt").write_text("".join(f"{wanted[k].prompt}\n" for k in shown))
    networks = {"U-Net": parts.unet, "VAE": parts.vae, "text encoder": parts.encoders[0].network}
    return figures, {name: sum(p.numel() for p in net.parameters()) for name, net in networks.items()}
