"""Questions of guidance that are asked as several. Knows no particular rule, no prompts and no places."""

from collections.abc import Callable, Sequence

from torch import Tensor

from schedulers.ask import Evaluate, Guiding


def divided(
    guiding: Guiding,
    into: Callable[[Evaluate], Sequence[Evaluate]],
    together: Callable[[Sequence[Evaluate], Sequence[Sequence[Tensor]]], tuple[Tensor, ...]],
) -> Guiding:
    """``guiding`` with each of its questions asked as those that it is divided ``into``, all in one request.

    ``together(wanted, made)`` gives one answer to each question that was wanted, from those to its parts.
    """
    answers: tuple[Tensor, ...] | None = None
    while True:
        try:
            wanted = guiding.send(answers)  # type: ignore[arg-type]  # a generator is started by sending None
        except StopIteration as done:
            return done.value
        asked = [into(one) for one in wanted]
        made = iter((yield tuple(part for parts in asked for part in parts)))
        answers = together(wanted, [[next(made) for _ in parts] for parts in asked])
