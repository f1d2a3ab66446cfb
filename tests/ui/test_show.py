"""What the page says: every text of others is escaped, and every state of a job has its words."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine import Cancelled, Cost, Done, Failed, Job, Progress, Queued
from gallery import Entry
from pipelines.recipe import Hires, Recipe
from pipelines.upscale import Upscale
from ui import show

HOSTILE = '<img src=x onerror="alert(1)">&'


def entry(recipe: Recipe, width: int, height: int) -> Entry:
    return Entry("0" * 32, Path("a.png"), recipe, datetime(2026, 1, 2, tzinfo=UTC), width, height)


def job(**recipe: Any) -> Job:
    return Job(Recipe(**recipe), "somebody", stop=lambda job: None)


@pytest.mark.parametrize(
    "html",
    [
        show.notice(HOSTILE),
        show.good_news(HOSTILE),
        show.empty(HOSTILE),
        show.caption(Recipe(model=HOSTILE), 128, 128),
        show.caption(Recipe(upscale=Upscale(picture="0" * 64, upscaler=HOSTILE)), 128, 128),
        show.stage(job(), Failed(HOSTILE, HOSTILE)),
        show.details(Entry("0" * 32, Path("a.png"), Recipe(prompt=HOSTILE, negative=HOSTILE, model=HOSTILE),
                           datetime(2026, 1, 2, tzinfo=UTC), 8, 8)),
    ],
)  # fmt: skip
def test_texts_of_others_are_escaped(html: str) -> None:
    assert "&lt;img src=x onerror=" in html and "<img src=x" not in html


def test_a_loading_job_names_its_model_escaped() -> None:
    loading = job(model=HOSTILE)
    loading.tell(Queued(0), "loading")
    html = show.stage(loading, loading.event)
    assert "Loading the model" in html and "<img src=x" not in html


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Queued(3, 75.0), "In line: 3 before yours · about 1 min left"),
        (Queued(0), "Starting…"),
        (Progress(7, 20, None, 3.4), "Step 7 of 20 · about 3 s left"),
        (Progress(7, 20), "Step 7 of 20<"),
        (Progress(1, 20, None, 9000.0), "about 2.5 h left"),
        (Progress(19, 20, None, 0.01), "about 1 s left"),
        (Failed("No room.", "Delete something."), "Delete something."),
        (Cancelled(), "Interrupted."),
    ],
)
def test_every_state_has_its_words(event: Any, said: str) -> None:
    assert said in show.stage(job(), event)


def test_the_cost_tells_from_where_more_steps_are_wasted() -> None:
    said = show.cost(Cost(19, 38, 2, True), "heun", 0.1, 6)
    assert "Heun is within 0.1 of converged from 6 steps on." in said


@pytest.mark.parametrize(("asked", "said"), [
    (Cost(19, 38, 2, True), "19 evaluations for a picture, each 2 passes of the model."),
    (Cost(20, 34, 2, True), "20 evaluations for a picture, 34 passes of the model in all."),
    (Cost(20, 34, 2, False), "About 20 evaluations for a picture, 34 passes of the model in all."),
    (Cost(1, 1, 1, True), "1 evaluation for a picture, each one pass of the model."),
    (Cost(None, None, 2, True),
     "As many evaluations as it needs for a picture, each at most 2 passes of the model."),
])  # fmt: skip
def test_the_cost_says_how_often_the_model_is_asked(asked: Cost, said: str) -> None:
    assert f">{said}<" in show.cost(asked, "heun")


def test_when_all_is_done_the_stage_is_empty() -> None:
    assert show.stage(job(), Done(())) == ""


def test_the_bar_and_the_frame_have_the_right_measure() -> None:
    html = show.stage(job(width=256, height=64), Progress(5, 20, Image.new("RGB", (4, 1), "red")))
    assert 'aria-valuenow="5"' in html and 'aria-valuemax="20"' in html and "width:25.0%" in html
    assert "aspect-ratio:256/64" in html and 'src="data:image/jpeg;base64,' in html


def test_pictures_finished_before_the_end_are_counted() -> None:
    stopped = job(count=4)
    stopped.keep(0, "an entry", stopped.recipe)
    assert "1 of 4 pictures were finished" in show.stopped_early(stopped, Cancelled())
    assert "No room" in show.stopped_early(stopped, Failed("No room."))
    assert show.stopped_early(stopped, Done(())) == ""


@pytest.mark.parametrize(("recipe", "size", "said"), [
    (Recipe(seed=7), (128, 128), "Seed <b>7</b> · 128 × 128 · "),
    (Recipe(seed=7, hires=Hires(scale=1.5)), (192, 192), "Seed <b>7</b> · 128 × 128 → 192 × 192 · "),
    (Recipe(upscale=Upscale(picture="0" * 64, scale=2.5)), (400, 125),
     "Upscaled · 160 × 50 → 400 × 125 · Lanczos · 2.5 times<"),
    (Recipe(upscale=Upscale(picture="0" * 64, scale=1.0, upscaler="deblur")), (9, 7),
     "Upscaled · 9 × 7 · deblur · 1 times<"),
])  # fmt: skip
def test_a_caption_says_what_was_drawn_and_what_became_of_it(
    recipe: Recipe, size: tuple[int, int], said: str
) -> None:
    assert said in show.caption(recipe, *size)


def test_details_tell_of_both_passes() -> None:
    recipe = Recipe(
        steps=2, hires=Hires(scale=1.5, strength=0.5), levels=((0.0, 1.0), (0.6, 0.8), (1.0, 0.0)),
        hires_levels=((0.8, 0.4), (1.0, 0.0)),
    )  # fmt: skip
    said = show.details(entry(recipe, 64, 64))
    assert (
        "<dt>Hires fix</dt><dd>Hires scale 1.5, Hires steps 0, Hires strength 0.5, Upscaler Latent</dd>"
        in said
    )
    assert "<dt>Sigmas</dt><dd>inf, 1.333, 0</dd>" in said
    assert "<dt>Sigmas of hires fix</dt><dd>0.5, 0</dd>" in said


def test_a_damaged_file_says_what_can_be_done() -> None:
    entry = Entry("0" * 32, Path("a.png"), None, datetime(2026, 1, 2, tzinfo=UTC), 0, 0)
    assert "can be deleted" in show.details(entry)
