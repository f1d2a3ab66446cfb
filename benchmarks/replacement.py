"""``python -m benchmarks.replacement``: one object inside a mask is replaced by another, 200 times.

The pictures are scenes of the starter's evaluation, half with one object and half with two in a relation; the
mask is the square that the object stands in. The prompt says the scene with the other object. It is a success
if the judge of ``make starter-eval`` sees the asked object first of all within the mask, and the surroundings
are right if no byte beyond the mask and its feather changed. Writes benchmarks/results/replacement.json and a
picture of some of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from rich.progress import track
from scipy import ndimage

from engine import Engine
from gallery import sha256_of
from models import Parts, defaults, load
from pipelines import Recipe
from training.data.scenes import SIDE, Placed, Scene, caption, contrasts, render
from training.data.vocabulary import THINGS
from training.starter.__main__ import CONFIG, workshop
from training.starter.codes import to_grid, to_tensor
from training.starter.evaluation import PAIRS, SINGLES, cases, interval, placed
from training.starter.judge import JudgeNet, Seen, detect

OUT, SHOWN = Path("benchmarks/results/replacement.json"), Path("docs/images/replacement.png")
SEED = 30_000  # case k is drawn with seed SEED + k
HALF = 100  # cases with one object, and as many with two
EDIT = {"strength": 1.0, "content": "fill", "feather": 8}
COLUMNS = 10  # cases in the picture


@dataclass(frozen=True)
class Case:
    """A scene's picture, the box (left, top, right, bottom) of what goes, and what comes."""

    picture: Image.Image
    box: tuple[int, int, int, int]
    thing: int
    prompt: str

    @property
    def mask(self) -> Image.Image:
        mask = Image.new("L", self.picture.size)
        mask.paste(255, self.box)
        return mask


def replacements(tuning: bool = False) -> list[Case]:
    """The 200 cases; for ``tuning``, the evaluation's other scenes: 100 with one object, 50 with two."""
    rng = np.random.default_rng(SEED + tuning)
    begin = HALF if tuning else 0
    singles = cases()[begin : min(begin + HALF, SINGLES)]
    pairs = cases()[SINGLES + begin : SINGLES + min(begin + HALF, PAIRS)]
    return [_case(scene, rng) for scene in placed([*singles, *pairs], rng)]


def _case(scene: Scene, rng: np.random.Generator) -> Case:
    """One of its objects goes; what comes can be seen on the background, and is not there yet."""
    which = int(rng.integers(len(scene.objects)))
    old = scene.objects[which]
    there, colour = {one.thing for one in scene.objects}, scene.background.colours[0]
    while (thing := int(rng.integers(len(THINGS)))) in there or not contrasts(thing, colour):
        pass
    objects = list(scene.objects)
    objects[which] = Placed(thing, old.x, old.y, old.side)
    left, top = old.x - old.side // 2, old.y - old.side // 2
    box = (max(0, left), max(0, top), min(SIDE, left + old.side), min(SIDE, top + old.side))
    words = caption(replace(scene, objects=tuple(objects)), rng)
    return Case(Image.fromarray(render(scene, rng)), box, thing, words)


def draw(parts: Parts, wanted: Sequence[Case], edit: dict[str, Any], **of: Any) -> list[Image.Image]:
    """What the studio's engine makes of them, many at once."""
    good = {name: value for name, value in defaults("starter").items() if name in Recipe.model_fields}
    pictures = {sha256_of(one): one for case in wanted for one in (case.picture, case.mask)}
    many = len(wanted)
    jobs = []
    with Engine(lambda name: parts, pictures=pictures, most_jobs=many, most_jobs_per_user=many) as engine:
        for k, case in enumerate(wanted):
            over = edit | {"picture": sha256_of(case.picture), "mask": sha256_of(case.mask)}
            recipe = Recipe.read(good | of | {"prompt": case.prompt, "seed": SEED + k, "edit": over})
            jobs.append(engine.submit(recipe))
        return [job.result()[0] for job in track(jobs, "drawing")]


def unchanged(case: Case, made: Image.Image, feather: int) -> bool:
    """Whether every byte beyond the mask and its feather is the picture's own."""
    stays = ndimage.maximum_filter(np.asarray(case.mask), 2 * feather + 1) == 0
    return bool(np.array_equal(np.asarray(made)[stays], np.asarray(case.picture)[stays]))


def replaced(case: Case, seen: Sequence[Seen]) -> bool:
    """Whether what is seen first of all within the mask is what was asked for."""
    left, top, right, bottom = case.box
    inside = [one for one in seen if left <= one.x <= right and top <= one.y <= bottom]
    return bool(inside) and inside[0].thing == case.thing


def measure(
    net: JudgeNet, wanted: Sequence[Case], made: Sequence[Image.Image], feather: int
) -> dict[str, Any]:
    """The figures: how often it is replaced, alone and beside another, and is all else the same."""
    pixels = to_tensor(np.stack([np.asarray(one) for one in made]))
    seen = [one for some in pixels.split(50) for one in detect(net, some)]
    hits = [replaced(case, its) for case, its in zip(wanted, seen, strict=True)]
    same = [unchanged(case, one, feather) for case, one in zip(wanted, made, strict=True)]
    half = min(HALF, len(wanted))
    return {
        "replaced": interval(hits),
        "of one object": interval(hits[:half]),
        "of two objects": interval(hits[half:] or hits),
        "surroundings byte-equal": sum(same),
        "cases": len(wanted),
    }


def shown(wanted: Sequence[Case], made: Sequence[Image.Image]) -> Image.Image:
    """Before, the mask and after, one below the other, of some of them."""
    some = np.linspace(0, len(wanted) - 1, COLUMNS).round().astype(int)
    masks = [Image.composite(wanted[k].picture, Image.new("RGB", (SIDE, SIDE), (255, 38, 92)),
                             wanted[k].mask.point(lambda value: 255 - value // 2)) for k in some]  # fmt: skip
    rows = [*(wanted[k].picture for k in some), *masks, *(made[k] for k in some)]
    return to_grid(to_tensor(np.stack([np.asarray(one) for one in rows])), COLUMNS)


def main(
    tuning: Annotated[bool, typer.Option(help="Measure on other scenes, and write nothing.")] = False,
    edit: Annotated[str, typer.Option(help="Settings of the edit, as JSON.")] = "{}",
    guidance: Annotated[float | None, typer.Option(help="In place of the model's own.")] = None,
    out: Annotated[Path, typer.Option(help="JSON to write.")] = OUT,
    config: Annotated[Path, typer.Option(help="The starter's recipe, for its judge.")] = CONFIG,
    changes: Annotated[list[str], typer.Option("--set", help="Change a setting of the recipe.")] = [],  # noqa: B006
) -> None:
    """Measure, and write the figures."""
    parts, net = load("starter"), workshop(config, changes).judge().cpu()
    settings = EDIT | json.loads(edit)
    of = {} if guidance is None else {"guidance": guidance}
    wanted = replacements(tuning)
    made = draw(parts, wanted, settings, **of)
    with torch.inference_mode():
        figures = {"edit": settings, **of, **measure(net, wanted, made, int(settings["feather"]))}
    typer.echo(json.dumps(figures, indent=1))
    if not tuning:
        figures["model"] = parts.sha256
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=1) + "\n")
        shown(wanted, made).save(SHOWN)


if __name__ == "__main__":
    typer.run(main)
