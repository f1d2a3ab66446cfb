"""Different prompts in different places: each estimate is mixed, latent by latent, of one for each place.

Knows no particular rule, no prompts and no pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from schedulers.ask import Evaluate, Guiding
from schedulers.guidance.divided import divided

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

    def into(one: Evaluate) -> list[Evaluate]:
        return [replace(one, branch=one.branch._replace(text=name)) for name in _names(one, areas)]

    def together(wanted: Sequence[Evaluate], made: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
        return tuple(
            _mixed(dict(zip(_names(one, areas), each, strict=True)), one, areas)
            for one, each in zip(wanted, made, strict=True)
        )

    return (yield from divided(guiding, into, together))


def _name(text: str, area: Area) -> str:
    return area.texts.get(text, text)


def _names(one: Evaluate, areas: Sequence[Area]) -> list[str]:
    """What its text is called in the areas, each name once."""
    return list(dict.fromkeys(_name(one.branch.text, area) for area in areas))


def _mixed(made: Mapping[str, Tensor], one: Evaluate, areas: Sequence[Area]) -> Tensor:
    """(B, C, h, w); untouched where all areas share one."""
    if len(made) == 1:
        return next(iter(made.values()))
    return sum((area.share.to(x0) * x0 for area in areas for x0 in (made[_name(one.branch.text, area)],)),
               start=one.x.new_zeros(()))  # fmt: skip
