"""Work in the background gives way to drawing, fails alone, is cancelled by closing, and is found again."""

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from engine import Cancelled, Done, Engine, Failed, Progress
from engine.line import QueueFull
from models import Parts
from pipelines import Recipe
from tests.engine.conftest import Network

WAIT = 60  # seconds


@dataclass(frozen=True)
class Step:
    step: int
    of: int


@pytest.fixture
def engine(tiny: Parts) -> Iterator[Engine]:
    with Engine(lambda name: tiny) as engine:
        yield engine


def counting(of: int, done: list[int] | None = None) -> Generator[Step, None, None]:
    for k in range(of):
        if done is not None:
            done.append(k)
        yield Step(k + 1, of)


def endless(began: threading.Event, closed: threading.Event | None = None) -> Generator[Step, None, None]:
    try:
        while True:
            began.set()
            yield Step(1, 1000)
    finally:
        if closed is not None:
            closed.set()


def test_it_goes_on_to_its_end_and_its_steps_are_seen(engine: Engine) -> None:
    done: list[int] = []
    work = engine.work(counting(5, done), "counting", "anna")
    assert work.wait(WAIT) == Done(())
    assert done == [0, 1, 2, 3, 4]
    assert work.latest == Step(5, 5)
    assert list(work.events())[-1] == Done(())


def test_progress_is_told_with_the_time_that_is_left(engine: Engine) -> None:
    began = threading.Event()
    work = engine.work(endless(began), "endless")
    assert began.wait(WAIT)
    event = next(event for event in work.events() if isinstance(event, Progress))
    assert (event.step, event.of) == (1, 1000)
    assert event.eta is not None and event.eta >= 0
    work.cancel()
    assert work.wait(WAIT) == Cancelled()


def test_what_it_returns_is_kept(engine: Engine) -> None:
    def answering() -> Generator[Step, None, str]:
        yield Step(1, 1)
        return "a picture"

    assert engine.work(answering(), "").wait(WAIT) == Done(("a picture",))


def test_drawing_waits_for_one_step_at_most(
    engine: Engine, network: Network, a_recipe: Callable[..., Recipe]
) -> None:
    steps: list[int] = []
    at_calls: list[int] = []
    began = threading.Event()

    def working() -> Generator[Step, None, None]:
        while True:
            steps.append(1)
            began.set()
            yield Step(1, 2)

    network.before = lambda rows, context: at_calls.append(len(steps))
    work = engine.work(working(), "long")
    assert began.wait(WAIT)
    before = len(steps)
    engine.submit(a_recipe(steps=4)).result(WAIT)
    assert len(set(at_calls)) == 1, "the work went on between two steps of a picture"
    work.cancel()
    work.wait(WAIT)
    assert len(steps) > before, "the work went on when nothing was drawn"


def test_cancelling_closes_it(engine: Engine) -> None:
    began, closed = threading.Event(), threading.Event()
    work = engine.work(endless(began, closed), "endless")
    waiting = engine.work(counting(1), "after it")
    assert began.wait(WAIT)
    waiting.cancel()
    assert waiting.wait(WAIT) == Cancelled()
    work.cancel()
    assert work.wait(WAIT) == Cancelled()
    assert closed.is_set()


def test_closing_the_engine_closes_it(tiny: Parts) -> None:
    began, closed = threading.Event(), threading.Event()
    with Engine(lambda name: tiny) as engine:
        work = engine.work(endless(began, closed), "endless")
        assert began.wait(WAIT)
    assert closed.is_set()
    assert work.event == Cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        engine.work(counting(1), "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("Minutes: got -1; allowed: more than 0."), "got -1"),
        (FloatingPointError("secret"), "beyond all bounds"),
        (OSError(28, "No space left on device", "/secret"), "The disk is full"),
        (PermissionError(13, "Permission denied", "/secret"), "Permission denied"),
        (FileNotFoundError("There is no font: install it."), "There is no font: install it."),
        (KeyError("secret"), "internal error (KeyError)"),
    ],
)
def test_it_fails_alone_and_says_why(engine: Engine, error: Exception, said: str) -> None:
    def failing() -> Generator[Step, None, None]:
        yield Step(1, 3)
        raise error

    work = engine.work(failing(), "failing")
    after = engine.work(counting(2), "after it")
    event = work.wait(WAIT)
    assert isinstance(event, Failed)
    assert said in event.what and "secret" not in event.what
    assert after.wait(WAIT) == Done(())


def test_one_lane_is_done_in_order_and_lanes_take_turns(engine: Engine) -> None:
    began, order = threading.Event(), list[str]()

    def named(name: str) -> Generator[Step, None, None]:
        order.append(name)
        yield Step(1, 1)

    first = engine.work(endless(began), "long")
    second = engine.work(named("second"), "", lane="lab")
    assert began.wait(WAIT)
    engine.work(named("short"), "", lane="draw").wait(WAIT)
    first.cancel()
    second.wait(WAIT)
    assert order == ["short", "second"]


def test_it_learns_with_gradients_though_drawing_has_none(engine: Engine) -> None:
    layer = nn.Linear(2, 1)

    def learning() -> Generator[Step, None, None]:
        with torch.no_grad():
            yield Step(1, 2)  # a mode of the work's own, which must not reach the drawing
        layer(torch.ones(1, 2)).sum().backward()
        yield Step(2, 2)

    assert engine.work(learning(), "learning").wait(WAIT) == Done(())
    assert layer.weight.grad is not None


def test_it_is_found_again_by_its_id_and_by_its_owner(engine: Engine) -> None:
    work = engine.work(counting(1), "counting", "anna")
    other = engine.work(counting(1), "counting", "otto")
    other.wait(WAIT)
    assert engine.work_of(work.id) is work
    assert engine.works("anna") == [work]
    assert engine.work_of("no such id") is None
    assert len(work.id) >= 20 and work.id != other.id


def test_so_many_are_open_and_no_more(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.background.MOST", 1)
    work = engine.work(endless(threading.Event()), "endless")
    with pytest.raises(QueueFull, match="1 works are open"):
        engine.work(counting(1), "one more")
    work.cancel()
    work.wait(WAIT)
