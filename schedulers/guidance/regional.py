"""Different prompts in different places: each estimate is mixed, latent by latent, of one for each place.

Knows no particular rule, no prompts and no pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from schedulers.ask import Evaluate, Guiding

_OF = " of place "


class Area(NamedTuple):
    """Where one of several prompts is heard.

    ``share`` (1 or B, 1, h, w) is how much of each latent is drawn by it; all areas' shares sum to 1.
    ``texts`` says what a text of the guidance is called here; it keeps its name where that is not said.
    """

    share: Tensor
    texts: Mapping[str, str] = {}


def text_in(text: str, place: int) -> str:
    """The name of a text of the guidance in place number ``place``; in the first it has its own."""
    return text if place == 0 else f"{text}{_OF}{place}"


def text_anywhere(name: str) -> str:
    """Which text of the guidance it is, in whatever place."""
    return name.partition(_OF)[0]


def regional(guiding: Guiding, areas: Sequence[Area]) -> Guiding:
    """``guiding`` with each estimate mixed of those of all ``areas``: sum_k share_k c_k.

    Under classifier-free guidance this is the mean of what each prompt would be guided to (MultiDiffusion,
    arXiv:2302.08113, eq. 5, with one call for each prompt). A text that all areas share is asked once.
    """
    if len(areas) == 1:
        return (yield from guiding)
    answers: tuple[Tensor, ...] | None = None
    while True:
        try:
            wanted = guiding.send(answers)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as done:
            return done.value
        asked = [_places(one, areas) for one in wanted]
        made = iter((yield tuple(one for each in asked for one in each.values())))
        answers = tuple(_mixed({name: next(made) for name in each}, one, areas)
                        for one, each in zip(wanted, asked, strict=True))  # fmt: skip


def _name(text: str, area: Area) -> str:
    return area.texts.get(text, text)


def _places(one: Evaluate, areas: Sequence[Area]) -> dict[str, Evaluate]:
    """The same question under the text of each area, by its name."""
    names = dict.fromkeys(_name(one.branch.text, area) for area in areas)
    return {name: replace(one, branch=one.branch._replace(text=name)) for name in names}


def _mixed(made: Mapping[str, Tensor], one: Evaluate, areas: Sequence[Area]) -> Tensor:
    """(B, C, h, w); untouched where all areas share one."""
    if len(made) == 1:
        return next(iter(made.values()))
    return sum((area.share.to(x0) * x0 for area in areas for x0 in (made[_name(one.branch.text, area)],)),
               start=one.x.new_zeros(()))  # fmt: skip
