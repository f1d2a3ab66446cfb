"""Many threads submit, follow and cancel at random: every job ends once and nothing is left behind."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from engine import Cancelled, Done, Engine, Failed, QueueFull
from models import Parts
from pipelines import Recipe
from schedulers import SAMPLERS
from tests.engine.conftest import Network


def test_every_job_ends_once_and_nothing_is_left(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    poison = tiny.encode_text(["poison", ""]).hidden[0]

    def raise_on_poison(rows: int, context: Tensor) -> None:  # tears calls of several jobs apart
        if (context == poison).flatten(1).all(1).any():
            raise RuntimeError("poison")

    def user(number: int) -> list[object]:
        draws, endings, refused = random.Random(number), [], 0
        while len(endings) < 12:
            recipe = a_recipe(
                sampler=draws.choice(list(SAMPLERS)), steps=draws.randint(1, 8), count=draws.randint(1, 3),
                guidance=draws.choice([1.0, 4.0]), width=draws.choice([64, 128]), seed=draws.randrange(99),
                prompt=draws.choice(["cat", "cat", "cat", "poison"]),
            )  # fmt: skip
            try:
                job = engine.submit(recipe, user=f"user {number % 3}")
            except QueueFull:
                refused += 1
                threading.Event().wait(0.01)
                continue
            if draws.random() < 0.4:
                threading.Timer(draws.choice([0, 0, 0.05, 0.1]), job.cancel).start()
            events = list(job.events())
            assert sum(isinstance(event, Done | Failed | Cancelled) for event in events) == 1
            assert not isinstance(events[-1], Done) or len(events[-1].entries) == recipe.count
            assert engine.job(job.id) is job
            endings.append(events[-1])
        return endings

    network.before = raise_on_poison
    with Engine(lambda name: tiny, most_jobs_per_user=2) as engine, ThreadPoolExecutor(8) as users:
        endings = [ending for some in users.map(user, range(8)) for ending in some]
    worker = engine._worker  # its thread has ended with the engine, so this is not a race
    assert (len(worker._live), len(worker._line), len(worker._accounts), len(engine._open)) == (0, 0, 0, 0)
    assert {type(ending) for ending in endings} == {Done, Failed, Cancelled}
