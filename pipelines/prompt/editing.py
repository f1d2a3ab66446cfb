"""What a prompt says at each step: ``[a:b:0.4]`` and ``[a|b]``. Knows no models, and no weights.

AUTOMATIC1111's prompt editing and alternation:

=============  =====================================================================
``[a:b:0.4]``  a for the first 0.4 of the steps, then b
``[a:b:8]``    a for 8 steps, then b; a number is a share if it has a decimal point
``[a:0.4]``    nothing, then a
``[a::0.4]``   a, then nothing
``[a|b|c]``    a, b, c, a ... from step to step
=============  =====================================================================

All of them may stand within one another. A bracket that is none of them is left as it is.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pipelines.prompt.brackets import Group, Piece, flat, groups, pieces

_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,9}(?:\.\d{0,12})?|\.\d{1,12}))\s*")


class Stage(NamedTuple):
    """A text that is drawn from up to, and with, step ``last`` (from 1)."""

    last: int
    text: str


def stages(text: str, steps: int) -> tuple[Stage, ...]:
    """What ``text`` says over ``steps`` steps; one stage unless it is edited or alternates."""
    read = pieces(text, "([")
    ends = {steps}
    for group in groups(read):
        if _alternates(group):
            ends.update(range(1, steps + 1))
        elif (last := _last(group, steps)) is not None and last >= 1:
            ends.add(last)
    ended: list[Stage] = []
    told: dict[str, str] = {}  # each text once, however often it comes again
    for step in sorted(ends):
        text = flat(read, lambda group, step=step: _at(group, step, steps))
        ended.append(Stage(step, told.setdefault(text, text)))
    return tuple(ended)


def _at(group: Group, step: int, steps: int) -> Iterable[Piece]:
    """What ``group`` says at ``step``."""
    if _alternates(group):
        return group.parts[(step - 1) % len(group.parts)]
    if (last := _last(group, steps)) is None:
        return group.literal()
    before = group.parts[0] if group.cuts == "::" else ()
    return before if step <= last else group.parts[-2]


def _alternates(group: Group) -> bool:
    return group.opening == "[" and set(group.cuts) == {"|"}


def _last(group: Group, steps: int) -> int | None:
    """The last step before the change; None where ``group`` is no edit."""
    if group.opening != "[" or group.cuts not in (":", "::"):
        return None
    when = group.parts[-1]
    if not when or not all(isinstance(piece, str) for piece in when):
        return None
    if (number := _NUMBER.fullmatch(flat(when))) is None:
        return None
    return min(steps, int(float(number[1]) * steps if "." in number[1] else float(number[1])))
