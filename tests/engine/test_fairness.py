"""Users take turns; the line is bounded; nobody is starved by who submits most."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Done, Engine, Progress, QueueFull
from engine.job import Job
from engine.line import Line
from models import Parts
from pipelines import Recipe
from tests.engine.conftest import Network


def a_job(user: str) -> Job:
    return Job(Recipe(), user, lambda job: None)


@settings(deadline=None)  # a busy machine is no fault of the line
@given(st.lists(st.sampled_from("abc")))
def test_turns_go_round_and_a_user_keeps_their_order(users: list[str]):
    line, jobs = Line(), [a_job(user) for user in users]
    for job in jobs:
        line.add(job)
    foretold, served = list(line), []
    while len(line):
        job = line.heads()[0]
        line.remove(job)
        line.served(job.user)
        served.append(job)
    assert served == foretold
    for user in "abc":
        assert [job for job in served if job.user == user] == [job for job in jobs if job.user == user]
    for k in range(len(served)):  # at every moment, nobody who waited is two turns behind
        turns = {user: [job.user for job in served[:k]].count(user) for user in set(users)}
        waiting = {job.user for job in served[k:]}
        assert all(turns[user] >= max(turns.values()) - 1 for user in waiting)


@settings(deadline=None)  # a busy machine is no fault of the line
@given(st.lists(st.sampled_from("abc"), min_size=1), st.data())
def test_removing_takes_out_just_that_job(users: list[str], data: st.DataObject):
    line, jobs = Line(), [a_job(user) for user in users]
    for job in jobs:
        line.add(job)
    gone = data.draw(st.sampled_from(jobs))
    rest = [job for job in line if job is not gone]
    assert line.remove(gone) and not line.remove(gone)
    assert sorted(job.id for job in line) == sorted(job.id for job in rest)


def test_others_hardly_notice_a_flood(tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]):
    """Three users with a picture each, after one with eight jobs of two: calls until all three are done."""

    def calls_until_the_three_are_done(flood: int) -> int:
        engine = Engine(lambda name: tiny, rows=4)
        network.calls.clear()
        flooding = [engine.submit(a_recipe(steps=5, count=2), user="flooder") for _ in range(flood)]
        three = [engine.submit(a_recipe(steps=5, seed=k), user=f"user {k}") for k in range(3)]
        done_at: list[int] = []

        def look(rows: int, context: object) -> None:
            events = [job.event for job in three]
            if all(isinstance(e, Done) or (isinstance(e, Progress) and e.step == e.of) for e in events):
                done_at.append(len(network.calls) - 1)

        network.before = look
        with engine:
            for job in (*three, *flooding):
                job.result(60)
        return done_at[0] if done_at else len(network.calls)

    alone, flooded = calls_until_the_three_are_done(0), calls_until_the_three_are_done(8)
    assert alone in (8, 9)  # 15 picture steps, two in a call
    assert flooded <= alone * 4 / 3 + 1  # they are three of four users now; first come, first served takes 48


def test_a_user_may_not_have_too_many_jobs(tiny: Parts, a_recipe: Callable[..., Recipe]):
    engine = Engine(lambda name: tiny, most_jobs_per_user=3)
    jobs = [engine.submit(a_recipe(), user="a") for _ in range(3)]
    with pytest.raises(QueueFull, match="3 are allowed"):
        engine.submit(a_recipe(), user="a")
    engine.submit(a_recipe(), user="b")
    jobs[1].cancel()
    engine.submit(a_recipe(), user="a")
    engine.close()


def test_all_together_may_not_have_too_many_jobs(tiny: Parts, a_recipe: Callable[..., Recipe]):
    engine = Engine(lambda name: tiny, most_jobs=2)
    first = engine.submit(a_recipe(), user="a")
    engine.submit(a_recipe(), user="b")
    with pytest.raises(QueueFull, match="The studio is full: 2 jobs"):
        engine.submit(a_recipe(), user="c")
    with engine:
        first.result(60)
        engine.submit(a_recipe(), user="c").result(60)
