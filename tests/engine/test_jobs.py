"""A job's life: who follows it, how it is found again, how it ends, and that its pictures are kept first."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from adapters import LoraFolder
from engine import Cancelled, Done, Engine, Event, Failed, JobCancelled, JobFailed, Progress, Queued
from engine.job import Job
from gallery import Gallery, read_recipe
from models import Parts
from pipelines import Recipe, RecipeError, resolved
from tests.engine.conftest import Network


@pytest.fixture
def engine(tiny: Parts) -> Iterator[Engine]:
    with Engine(lambda name: tiny, rows=8) as running:
        yield running


def ends(events: list[Event]) -> Event:
    *before, last = events
    assert all(isinstance(event, Queued | Progress) for event in before)
    return last


def test_events_count_up_to_the_end(engine: Engine, a_recipe: Callable[..., Recipe]):
    events = list(engine.submit(a_recipe(steps=6, count=2)).events())
    last = ends(events)
    assert isinstance(last, Done) and [image.size for image in last.entries] == [(64, 64)] * 2
    progress = [event for event in events if isinstance(event, Progress)]
    assert {event.of for event in progress} == {12}
    steps = [event.step for event in progress]
    assert steps == sorted(set(steps)) and 0 < steps[-1] <= 12  # the last may be skipped: the end came
    assert all(event.eta is None or event.eta >= 0 for event in progress)
    assert all((event.eta == 0) == (event.step == 12) for event in progress if event.eta is not None)


def test_a_preview_comes_at_most_twice_a_second(
    engine: Engine, network: Network, a_recipe: Callable[..., Recipe]
):
    network.before = lambda rows, context: time.sleep(0.1)
    started = time.monotonic()
    previews = {
        id(event.preview): event.preview
        for event in engine.submit(a_recipe(steps=15, width=128)).events()
        if isinstance(event, Progress) and event.preview is not None
    }
    assert 2 <= len(previews) <= (time.monotonic() - started) / 0.5 + 1
    assert {preview.size for preview in previews.values()} == {(128, 64)}


def test_a_late_follower_sees_the_newest_state_and_the_end(
    engine: Engine, network: Network, a_recipe: Callable[..., Recipe]
):
    third, go = threading.Event(), threading.Event()

    def wait_in_the_third_call(rows: int, context: Tensor) -> None:
        if len(network.calls) == 3:
            third.set()
            assert go.wait(30)

    network.before = wait_in_the_third_call
    job = engine.submit(a_recipe(steps=5))
    assert third.wait(30)
    late = job.events()
    first = next(late)
    assert isinstance(first, Progress) and (first.step, first.of) == (2, 5)
    go.set()
    assert isinstance(ends(list(late)), Done)
    assert [type(event) for event in job.events()] == [Done]


def test_many_followers_all_see_the_end(engine: Engine, a_recipe: Callable[..., Recipe]):
    job = engine.submit(a_recipe(steps=8))
    with ThreadPoolExecutor(8) as followers:
        endings = list(followers.map(lambda _: list(job.events())[-1], range(8)))
    assert endings == [job.event] * 8


def test_a_slow_follower_skips_what_is_out_of_date():
    job = Job(Recipe(), "a", lambda job: None)
    following = job.events()
    next(following)
    for step in range(1000):
        job.tell(Progress(step, 1000))
    job.tell(Failed("no", "hint"))
    assert list(following) == [Failed("no", "hint")]


def test_nothing_follows_the_end():
    job = Job(Recipe(), "a", lambda job: None)
    assert job.tell(Cancelled()) and not job.tell(Done(())) and not job.tell(Progress(1, 2))
    assert job.state == "cancelled"


def test_a_job_is_found_by_its_id_and_by_its_user(engine: Engine, a_recipe: Callable[..., Recipe]):
    first, second = engine.submit(a_recipe(), user="a"), engine.submit(a_recipe(), user="a")
    assert len({first.id, second.id}) == 2 and min(len(first.id), len(second.id)) >= 24
    first.result(30), second.result(30)
    assert engine.job(first.id) is first
    assert engine.job(first.id[:-1]) is None
    assert set(engine.jobs("a")) == {first, second} and engine.jobs("b") == []


def test_only_the_newest_ended_jobs_are_kept(tiny: Parts, a_recipe: Callable[..., Recipe]):
    with Engine(lambda name: tiny, ended_kept=2) as engine:
        jobs = [engine.submit(a_recipe(steps=1)) for _ in range(4)]
        for job in jobs:
            job.result(30)
        assert len(engine.jobs("local")) == 2


def test_waiting_jobs_know_their_place(tiny: Parts, a_recipe: Callable[..., Recipe]):
    engine = Engine(lambda name: tiny)
    jobs = [engine.submit(a_recipe()) for _ in range(3)]
    assert [job.event for job in jobs] == [Queued(0), Queued(1), Queued(2)]
    engine.close()


def test_a_place_in_line_gets_better_and_an_estimate_comes(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    network.before = lambda rows, context: time.sleep(0.1)
    with Engine(lambda name: tiny, rows=2) as engine:
        jobs = [engine.submit(a_recipe(steps=15)) for _ in range(3)]
        waits = [event for event in jobs[2].events() if isinstance(event, Queued)]
    places = [event.position for event in waits]
    assert places == sorted(places, reverse=True) and places[-1] == 0 < places[0]
    assert waits[-1].eta is not None and 0.5 < waits[-1].eta < 30


# Cancelling


def test_a_waiting_job_is_cancelled_at_once(tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]):
    engine = Engine(lambda name: tiny)
    job = engine.submit(a_recipe())
    job.cancel()
    assert job.event == Cancelled()
    with engine, pytest.raises(JobCancelled):
        job.result(30)
    assert network.calls == []


def test_a_drawing_job_stops_at_the_next_step_and_others_do_not_notice(
    engine: Engine, network: Network, a_recipe: Callable[..., Recipe]
):
    jobs: list[Job] = []

    def cancel_in_the_third_call(rows: int, context: Tensor) -> None:
        if len(network.calls) == 3:
            jobs[0].cancel()

    network.before = cancel_in_the_third_call
    jobs.append(engine.submit(a_recipe(steps=30)))
    other = engine.submit(a_recipe(steps=30, seed=1), user="other")
    with pytest.raises(JobCancelled):
        jobs[0].result(30)
    other.result(30)
    rows_of_the_cancelled = sum(network.calls) - 2 * 30
    assert rows_of_the_cancelled <= 2 * 3
    jobs[0].cancel()
    assert jobs[0].event == Cancelled()


def test_pictures_finished_before_a_cancel_stay(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe], tmp_path: Path
):
    gallery, jobs = Gallery(tmp_path), []

    def cancel_when_one_is_saved(rows: int, context: Tensor) -> None:
        if len(network.calls) > 4:
            while not jobs[0].entries:
                time.sleep(0.01)
            jobs[0].cancel()

    network.before = cancel_when_one_is_saved
    engine = Engine(lambda name: tiny, gallery, rows=2)
    jobs.append(engine.submit(a_recipe(count=5)))
    with engine, pytest.raises(JobCancelled):
        jobs[0].result(30)
    assert len(jobs[0].entries) == len(gallery.find()) == 1
    gallery.close()


def test_closing_cancels_what_is_open(tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]):
    network.before = lambda rows, context: time.sleep(0.05)
    engine = Engine(lambda name: tiny, rows=2).start()
    jobs = [engine.submit(a_recipe(steps=100)) for _ in range(3)]
    endings = ThreadPoolExecutor(3).map(lambda job: list(job.events())[-1], jobs)
    while not network.calls:
        time.sleep(0.01)
    engine.close()
    assert list(endings) == [Cancelled()] * 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("atelier-worker")]
    with pytest.raises(RuntimeError, match="closed"):
        engine.submit(a_recipe())


def test_a_result_can_be_waited_for_only_so_long(tiny: Parts, a_recipe: Callable[..., Recipe]):
    engine = Engine(lambda name: tiny)
    with pytest.raises(TimeoutError, match="queued"):
        engine.submit(a_recipe()).result(0.01)
    engine.close()


def test_who_stood_behind_a_cancelled_job_starts(tiny: Parts, a_recipe: Callable[..., Recipe]):
    """The first waits for its model for ever, so nothing but the cancelling can wake the worker."""
    never = threading.Event()

    def load(name: str) -> Parts:
        if name == "slow":
            never.wait(60)
        return tiny

    with Engine(load) as engine:
        engine.submit(a_recipe(), user="b").result(30)
        first = engine.submit(a_recipe(model="slow"), user="a")
        behind = engine.submit(a_recipe(), user="a")
        with pytest.raises(TimeoutError):
            behind.wait(0.5)
        first.cancel()
        assert behind.result(30)
        never.set()


# Keeping


class LookingGallery(Gallery):
    """Notes whether a job had ended when its pictures came."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.jobs: list[Job] = []
        self.ended_before: list[bool] = []

    def add(self, image: Image.Image, recipe: Recipe, parents=()):
        self.ended_before.append(any(job.ended for job in self.jobs))
        return super().add(image, recipe, parents)


def test_every_picture_is_in_the_gallery_before_done(
    tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path
):
    gallery = LookingGallery(tmp_path)
    engine = Engine(lambda name: tiny, gallery)
    gallery.jobs.append(engine.submit(a_recipe(count=3, seed=40)))
    with engine:
        entries = gallery.jobs[0].result(30)
    assert gallery.ended_before == [False] * 3
    assert [entry.recipe.seed for entry in entries] == [40, 41, 42]
    kept = [read_recipe(entry.path) for entry in entries]
    assert kept == [resolved(each, tiny) for each in a_recipe(count=3, seed=40).each()]
    assert kept[0].levels is not None
    assert {entry.id for entry in gallery.find()} == {entry.id for entry in entries}
    gallery.close()


class FullGallery(Gallery):
    def add(self, image: Image.Image, recipe: Recipe, parents=()):
        raise OSError(28, "No space left on device")


def test_a_full_disk_fails_the_job_and_not_the_engine(
    tiny: Parts, a_recipe: Callable[..., Recipe], tmp_path: Path
):
    with Engine(lambda name: tiny, FullGallery(tmp_path)) as engine:
        for _ in range(2):
            with pytest.raises(JobFailed, match="No space left on device"):
                engine.submit(a_recipe()).result(30)


class OnceFullGallery(Gallery):
    """Has no room for the first picture."""

    full = True

    def add(self, image: Image.Image, recipe: Recipe, parents=()):
        if self.full:
            self.full = False
            raise OSError(28, "No space left on device")
        return super().add(image, recipe, parents)


@pytest.mark.parametrize("rows", [2, 4])  # the others wait in line; one of them is being drawn
def test_a_job_that_could_not_be_saved_stops_and_the_next_goes_on(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe], tmp_path: Path, rows: int
):
    engine = Engine(lambda name: tiny, OnceFullGallery(tmp_path), rows=rows)
    lost, kept = engine.submit(a_recipe(count=4)), engine.submit(a_recipe(seed=9))
    with engine:
        with pytest.raises(JobFailed, match="No space left on device"):
            lost.result(30)
        assert [entry.recipe.seed for entry in kept.result(30)] == [9]
        deadline = time.monotonic() + 10
        while engine._worker._live and time.monotonic() < deadline:
            time.sleep(0.01)
        calls, used = len(network.calls), time.process_time()
        time.sleep(0.3)
        assert len(network.calls) == calls
        assert time.process_time() - used < 0.2  # the worker sleeps; it does not look for work for ever
        assert engine.submit(a_recipe(seed=10)).result(30)


def test_a_picture_that_cannot_be_made_an_image_fails_its_job(
    engine: Engine, a_recipe: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
):
    def broken(pixels: Tensor) -> list[Image.Image]:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("engine.engine.to_images", broken)
        with pytest.raises(JobFailed, match="could not be saved .MemoryError"):
            engine.submit(a_recipe()).result(30)
    assert engine.submit(a_recipe()).result(30)


# Refusing


def test_what_a_loaded_model_cannot_draw_is_refused_at_once(engine: Engine, a_recipe: Callable[..., Recipe]):
    engine.submit(a_recipe()).result(30)
    with pytest.raises(RecipeError, match="^Prompt: got 1400"):
        engine.submit(a_recipe(prompt="cat " * 700))


def test_what_a_model_cannot_draw_fails_once_it_is_loaded(engine: Engine, a_recipe: Callable[..., Recipe]):
    bad, good = engine.submit(a_recipe(prompt="cat " * 700)), engine.submit(a_recipe())
    with pytest.raises(JobFailed, match="^Prompt: got 1400"):
        bad.result(30)
    assert good.result(30)


class BrokenFolder(LoraFolder):
    """Raises what no reader of files is meant to raise."""

    def __contains__(self, name: object) -> bool:
        raise ZeroDivisionError


@pytest.mark.parametrize("loaded", [False, True])
def test_whatever_a_picture_raises_at_its_start_fails_its_job_alone(
    tiny: Parts,
    network: Network,
    a_recipe: Callable[..., Recipe],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    loaded: bool,
):
    network.before = lambda rows, context: time.sleep(0.05)
    with Engine(lambda name: tiny, loras=BrokenFolder(tmp_path)) as engine:
        if loaded:
            engine.submit(a_recipe(steps=1)).result(30)
        good = engine.submit(a_recipe(steps=20), user="a")
        bad = engine.submit(a_recipe(prompt="cat <lora:ink>"), user="b")
        after = engine.submit(a_recipe(), user="b")
        with pytest.raises(JobFailed, match=r"internal error .ZeroDivisionError"):
            bad.result(30)
        assert good.result(30) and after.result(30)
    assert f"Job {bad.id} failed: ZeroDivisionError" in caplog.text and "__contains__" in caplog.text


@pytest.mark.parametrize(("down", "up"), [
    (torch.zeros(0, 16), torch.zeros(64, 0)), (torch.tensor(1.0), torch.zeros(64, 1)),
    (torch.zeros(1, 20_000), torch.zeros(20_000, 1)), (torch.full((1, 16), torch.nan), torch.ones(64, 1)),
], ids=["rank 0", "scalar", "huge", "nan"])  # fmt: skip
def test_the_job_of_a_bad_lora_fails_and_anothers_finishes(
    tiny: Parts,
    network: Network,
    a_recipe: Callable[..., Recipe],
    tmp_path: Path,
    down: Tensor,
    up: Tensor,
):
    module = "lora_unet_time_embedding_linear_1"
    made = {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up}
    save_file(made, tmp_path / "bad.safetensors")
    network.before = lambda rows, context: time.sleep(0.05)
    both = threading.Event()

    def load(name: str) -> Parts:  # until then nothing is known of what the model can draw
        assert both.wait(30)
        return tiny

    engine = Engine(load, loras=LoraFolder(tmp_path))
    good = engine.submit(a_recipe(steps=10), user="a")
    bad = engine.submit(a_recipe(prompt="cat <lora:bad:1:partial>"), user="b")
    both.set()
    with engine:
        with pytest.raises(JobFailed, match="Prompt: LoRA 'bad': its change of unet.time_embedding.linear_1"):
            bad.result(30)
        assert not good.ended and good.result(30)
        with pytest.raises(RecipeError, match="LoRA 'bad'"):  # now at once, as the model is loaded
            engine.submit(a_recipe(prompt="cat <lora:bad:1:partial>"), user="b")


def test_prompts_are_never_logged(
    engine: Engine, network: Network, a_recipe: Callable[..., Recipe], caplog: pytest.LogCaptureFixture
):
    def fail(rows: int, context: Tensor) -> None:
        raise KeyError("a secret prompt")

    network.before = fail
    with pytest.raises(JobFailed, match="KeyError"):
        engine.submit(a_recipe(prompt="a secret prompt")).result(30)
    assert "KeyError" in caplog.text and "secret" not in caplog.text
