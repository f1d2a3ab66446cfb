"""Models load in the background, once each, and one that cannot be loaded fails only who wants it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from engine import Engine, JobFailed
from engine.shelf import Loaded, Shelf
from models import ModelError, Parts, load
from pipelines import Recipe


def test_a_model_is_loaded_once_for_many(tiny: Parts, a_recipe: Callable[..., Recipe]):
    loads: list[str] = []

    def loading(name: str) -> Parts:
        loads.append(name)
        return tiny

    with Engine(loading) as engine:
        engine.preload("tiny")
        for job in [engine.submit(a_recipe(), user=f"{i}") for i in range(4)]:
            job.result(30)
        assert engine.loaded("tiny") is tiny
    assert loads == ["tiny"]


def test_others_draw_while_a_model_loads(tiny: Parts, a_recipe: Callable[..., Recipe]):
    slow = threading.Event()

    def loading(name: str) -> Parts:
        assert name == "quick" or slow.wait(30)
        return tiny

    with Engine(loading) as engine:
        engine.submit(a_recipe(model="quick"), user="a").result(30)
        waiting = engine.submit(a_recipe(model="slow"), user="a")
        engine.submit(a_recipe(model="quick"), user="b").result(30)
        assert waiting.state == "loading" and engine.loaded("slow") is None
        slow.set()
        assert waiting.result(30)


def test_a_model_that_fails_fails_who_wants_it_and_is_tried_again(
    tiny: Parts, a_recipe: Callable[..., Recipe]
):
    attempts: list[str] = []

    def loading(name: str) -> Parts:
        attempts.append(name)
        if name == "broken" and attempts.count("broken") == 1:
            raise RuntimeError("/a/secret/path")
        return tiny

    engine = Engine(loading)
    broken = [engine.submit(a_recipe(model="broken"), user=user) for user in "ab"]
    good = engine.submit(a_recipe(), user="c")
    with engine:
        assert good.result(30)
        for job in broken:
            with pytest.raises(JobFailed, match="'broken' cannot be loaded .RuntimeError"):
                job.result(30)
            assert "secret" not in str(job.event)
        assert attempts.count("broken") == 1
        assert engine.submit(a_recipe(model="broken")).result(30)


def test_what_the_loader_says_to_users_is_said(a_recipe: Callable[..., Recipe]):
    with Engine(load) as engine:
        job = engine.submit(a_recipe(model="no such model"))
        with pytest.raises(JobFailed, match="'no such model' was not found; allowed"):
            job.result(30)
    with pytest.raises(ModelError):
        load("no such model")


class Prompt(ThreadPoolExecutor):
    """Every load has ended before whoever asked for it can ask to be told."""

    def submit(self, fn: Callable[..., Loaded], /, *args: object, **kwargs: object) -> Future[Loaded]:
        future = super().submit(fn, *args, **kwargs)
        wait([future])
        return future


def test_who_is_told_of_a_load_at_once_holds_nobody_up():
    told: list[bool] = []

    def failing(name: str) -> Parts:
        raise OSError(name)

    def ready() -> None:
        other = threading.Thread(target=shelf.peek, args=("broken",), daemon=True)
        other.start()
        other.join(5)
        told.append(not other.is_alive())

    shelf = Shelf(failing, 2, ready)
    shelf._loader = Prompt(1)
    shelf.want("broken")
    assert told == [True]
    shelf.close()


def test_many_loads_that_fail_at_once_stop_nobody(a_recipe: Callable[..., Recipe]):
    def failing(name: str) -> Parts:
        raise OSError(name)

    with Engine(failing, most_jobs_per_user=50) as engine, ThreadPoolExecutor(4) as users:
        engine._shelf._loader = Prompt(1)
        jobs = users.map(lambda k: engine.submit(a_recipe(model=f"broken {k}"), user=f"{k % 4}"), range(80))
        for job in jobs:
            with pytest.raises(JobFailed, match="OSError"):
                job.result(5)


def test_the_model_unused_for_longest_makes_room(tiny: Parts, a_recipe: Callable[..., Recipe]):
    loads: list[str] = []

    def loading(name: str) -> Parts:
        loads.append(name)
        return tiny

    with Engine(loading, models_kept=2) as engine:
        for name in ["one", "two", "one", "three", "one", "two"]:
            engine.submit(a_recipe(model=name, steps=1)).result(30)
        assert engine.loaded("one") and engine.loaded("two") and not engine.loaded("three")
    assert loads == ["one", "two", "three", "two"]
