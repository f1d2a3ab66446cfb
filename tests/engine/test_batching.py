"""Live jobs share U-Net calls, and a picture does not notice the company."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from adapters import ControlNetFolder, ImageEncoderFolder, IpAdapterFolder
from engine import Engine, Failed, JobFailed
from engine.batch import NotFinite, denoise_all
from engine.budget import RowBudget
from gallery import sha256_of
from models import Parts, load
from pipelines import Control, Recipe, Reference, draw
from pipelines.requests import Denoise
from schedulers import SAMPLERS
from tests.engine.conftest import Network
from tests.tiny import write_controlnet, write_image_encoder, write_ip_adapter, write_tiny

ALONE_OR_NOT = 1  # of 255: the most that company may change a pixel in float32
ALONE_OR_NOT_FLOAT = 2e-5  # the same for one U-Net call's x0, relative to its norm


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


def drawn_together(parts: Parts, recipes: list[Recipe], **settings: Any) -> list[list[Image.Image]]:
    """All submitted before the engine starts, so that they surely meet."""
    engine = Engine(lambda name: parts, **settings)
    jobs = [engine.submit(recipe, user=f"user {i}") for i, recipe in enumerate(recipes)]
    with engine:
        return [job.result(60) for job in jobs]


def test_four_jobs_take_the_calls_of_one(tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]):
    drawn_together(tiny, [a_recipe(seed=seed, prompt=f"cat {seed}") for seed in range(4)], rows=8)
    assert network.calls == [8] * 4


def test_the_pictures_of_one_job_share_calls_too(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    drawn_together(tiny, [a_recipe(count=3)], rows=8)
    assert network.calls == [6] * 4


def test_jobs_of_different_length_leave_and_the_rest_go_on(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    drawn_together(tiny, [a_recipe(steps=2), a_recipe(steps=5, guidance=1.0), a_recipe(steps=3)], rows=8)
    assert network.calls == [5, 5, 3, 1, 1]


def test_a_job_joins_at_the_next_step(tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]):
    third, joined = threading.Event(), threading.Event()

    def wait_in_the_third_call(rows: int, context: Tensor) -> None:
        if len(network.calls) == 3:
            third.set()
            assert joined.wait(30)

    network.before = wait_in_the_third_call
    with Engine(lambda name: tiny, rows=8) as engine:
        first = engine.submit(a_recipe(steps=6))
        assert third.wait(30)
        second = engine.submit(a_recipe(steps=2, seed=5))
        joined.set()
        first.result(30), second.result(30)
    assert network.calls == [2, 2, 2, 4, 4, 2]


def test_a_full_call_is_cut_into_turns(tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]):
    drawn_together(tiny, [a_recipe(seed=seed) for seed in range(5)], rows=4)
    assert max(network.calls) <= 4
    assert sum(network.calls) == 5 * 4 * 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_recipe_gives_the_same_picture_alone_and_in_company(
    tiny: Parts, a_recipe: Callable[..., Recipe], sampler: str
):
    ours = a_recipe(sampler=sampler, steps=5, seed=11, prompt="a cat", count=2)
    others = [
        a_recipe(sampler=other, steps=3 + i, seed=i, guidance=float(i))
        for i, other in enumerate(list(SAMPLERS)[::6])
    ]
    alone = draw(ours, tiny)
    company = drawn_together(tiny, [others[0], ours, *others[1:]], rows=16)[1]
    assert max(map(difference, alone, company)) <= ALONE_OR_NOT
    assert difference(alone[0], alone[1]) > 20  # else the comparison says nothing


def test_a_row_of_a_stacked_call_is_the_row_alone(tiny: Parts):
    draws = torch.Generator().manual_seed(0)
    texts = tiny.encode_text([f"cat {i}" for i in range(16)])
    asks = [
        Denoise(torch.randn(1, 4, 8, 8, generator=draws), tiny.levels[50 + 60 * i], texts[i : i + 1])
        for i in range(16)
    ]
    together = denoise_all(tiny, asks, RowBudget(16))
    for ask, got in zip(asks, together, strict=True):
        alone = tiny.denoise(ask.x, [ask.level], ask.context)
        assert isinstance(got, Tensor)
        assert (got - alone).norm() / alone.norm() <= ALONE_OR_NOT_FLOAT


def test_different_sizes_do_not_share_a_call_but_both_are_drawn(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    small, wide = drawn_together(tiny, [a_recipe(), a_recipe(width=128)], rows=8)
    assert (small[0].size, wide[0].size) == ((64, 64), (128, 64))
    assert network.calls == [2] * 8


def test_sdxl_pictures_share_calls_where_their_size_is_one(tmp_path: Path, a_recipe: Callable[..., Recipe]):
    """Pooled text is each row's own; the size they are told is the call's."""
    xl = load(str(write_tiny(tmp_path / "xl", "sdxl")), device="cpu", dtype=torch.float32)
    calls = []
    xl.unet.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    recipes = [a_recipe(prompt="cat"), a_recipe(prompt="dog", width=128), a_recipe(prompt="dog", seed=1)]
    together = drawn_together(xl, recipes, rows=8)
    assert calls == [4, 2] * 4
    for recipe, [picture] in zip(recipes, together, strict=True):
        assert difference(picture, draw(recipe, xl)[0]) <= ALONE_OR_NOT
    other = draw(recipes[2].model_copy(update={"prompt": "cat"}), xl)[0]
    assert difference(together[2][0], other) > ALONE_OR_NOT  # else the comparison says nothing


def context_of(parts: Parts, prompt: str) -> Tensor:
    return parts.encode_text([prompt, ""]).hidden[0]


def rows_with(context: Tensor, wanted: Tensor) -> Tensor:
    return (context == wanted).flatten(1).all(1)


def test_a_job_whose_rows_make_the_network_raise_fails_alone(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    poison = context_of(tiny, "poison")

    def raise_on_poison(rows: int, context: Tensor) -> None:
        if rows_with(context, poison).any():
            raise RuntimeError("a secret of the prompt")

    network.before = raise_on_poison
    engine = Engine(lambda name: tiny, rows=8)
    good = [engine.submit(a_recipe(seed=seed), user=f"{seed}") for seed in range(2)]
    bad = engine.submit(a_recipe(prompt="poison"), user="bad")
    with engine:
        pictures = [job.result(60)[0] for job in good]
        with pytest.raises(JobFailed, match="RuntimeError"):
            bad.result(60)
    assert "secret" not in str(bad.event)
    network.before = lambda rows, context: None
    for seed, picture in enumerate(pictures):
        assert difference(picture, draw(a_recipe(seed=seed), tiny)[0]) <= ALONE_OR_NOT


def test_a_picture_of_nan_fails_alone_and_is_never_given(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    poison = context_of(tiny, "poison")

    def spoil(answer: Tensor, context: Tensor) -> Tensor:
        spoilt = (
            rows_with(context, poison) if len(network.calls) > 2 else torch.zeros(len(answer), dtype=bool)
        )
        return torch.where(spoilt[:, None, None, None], torch.nan, answer)

    network.after = spoil
    engine = Engine(lambda name: tiny, rows=8)
    good, bad = engine.submit(a_recipe(), user="a"), engine.submit(a_recipe(prompt="poison"), user="b")
    with engine:
        assert good.result(60)
        with pytest.raises(JobFailed, match="not a number after step 2 of 4"):
            bad.result(60)
    assert bad.entries == ()


def test_running_out_of_memory_together_draws_apart(
    tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]
):
    def only_four_rows_fit(rows: int, context: Tensor) -> None:
        if rows > 4:
            raise torch.OutOfMemoryError("8 rows")

    network.before = only_four_rows_fit
    drawn_together(tiny, [a_recipe(seed=seed) for seed in range(4)], rows=8)


def test_a_picture_that_never_fits_says_so(tiny: Parts, network: Network, a_recipe: Callable[..., Recipe]):
    def nothing_fits(rows: int, context: Tensor) -> None:
        raise torch.OutOfMemoryError("no")

    network.before = nothing_fits
    with Engine(lambda name: tiny) as engine:
        job = engine.submit(a_recipe())
        with pytest.raises(JobFailed, match="not enough memory"):
            job.result(60)
    assert isinstance(job.event, Failed) and job.event.hint


def test_only_the_ask_with_nan_is_refused(tiny: Parts, network: Network):
    network.after = lambda answer, context: answer.index_fill(0, torch.tensor([1]), torch.inf)
    asks = [Denoise(torch.zeros(1, 4, 8, 8), tiny.levels[500], tiny.encode_text(["cat"])) for _ in range(3)]
    first, second, third = denoise_all(tiny, asks, RowBudget(8))
    assert isinstance(second, NotFinite)
    assert isinstance(first, Tensor) and isinstance(third, Tensor)


def test_controlnets_share_calls_and_pictures_do_not_notice(
    tiny: Parts, tiny_folder: Path, network: Network, a_recipe: Callable[..., Recipe], tmp_path: Path
):
    write_controlnet(tmp_path / "edges", tiny_folder)
    write_controlnet(tmp_path / "blobs", tiny_folder, 1)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    nets, pictures = ControlNetFolder(tmp_path), {sha256_of(picture): picture}
    edges = Control(net="edges", picture=sha256_of(picture))
    blobs = Control(net="blobs", picture=sha256_of(picture), weight=0.5, end=0.5, balance="control")
    recipes = [a_recipe(seed=k, controls=c) for k, c in enumerate([(edges,), (), (edges, blobs), (blobs,)])]
    alone = [draw(recipe, tiny, controlnets=nets, pictures=pictures)[0] for recipe in recipes]
    assert difference(alone[0], draw(a_recipe(seed=0), tiny)[0]) > 10  # it steers
    network.calls.clear()
    drawn = drawn_together(tiny, recipes, rows=8, controlnets=nets, pictures=pictures)
    assert network.calls == [8] * 4
    assert [difference(a, b) <= ALONE_OR_NOT for a, [b] in zip(alone, drawn, strict=True)] == [True] * 4


def test_references_share_calls_and_pictures_do_not_notice(
    tiny: Parts, tiny_folder: Path, network: Network, a_recipe: Callable[..., Recipe], tmp_path: Path
):
    for seed, (name, fine) in enumerate({"base": False, "plus": True}.items()):
        write_ip_adapter(tmp_path / "adapters" / f"{name}.safetensors", tiny_folder, fine, seed)
    write_image_encoder(tmp_path / "encoders" / "clip")
    adapters = IpAdapterFolder(tmp_path / "adapters", ImageEncoderFolder(tmp_path / "encoders"))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8))
    pictures = {sha256_of(picture): picture}
    base = Reference(adapter="base", picture=sha256_of(picture))
    plus = Reference(adapter="plus", picture=sha256_of(picture), weight=0.5, end=0.5)
    recipes = [a_recipe(seed=k, references=r) for k, r in enumerate([(base,), (), (base, plus), (plus,)])]
    alone = [draw(recipe, tiny, ip_adapters=adapters, pictures=pictures)[0] for recipe in recipes]
    assert difference(alone[0], draw(a_recipe(seed=0), tiny)[0]) > 10  # it counts
    network.calls.clear()
    drawn = drawn_together(tiny, recipes, rows=8, ip_adapters=adapters, pictures=pictures)
    assert network.calls == [8] * 4
    assert [difference(a, b) <= ALONE_OR_NOT for a, [b] in zip(alone, drawn, strict=True)] == [True] * 4


def test_a_reference_is_seen_once_for_all_pictures_of_a_model(
    tiny: Parts, tiny_folder: Path, a_recipe: Callable[..., Recipe], tmp_path: Path
):
    write_ip_adapter(tmp_path / "adapters" / "base.safetensors", tiny_folder)
    write_image_encoder(tmp_path / "encoders" / "clip")
    encoders = ImageEncoderFolder(tmp_path / "encoders")
    adapters = IpAdapterFolder(tmp_path / "adapters", encoders)
    encoder = encoders.load("clip", tiny)
    seen = []
    encoder.network.register_forward_hook(lambda *_: seen.append(1))
    encoders._loaded["clip", tiny.device, tiny.dtype] = encoder
    picture = Image.new("RGB", (64, 64), "olive")
    one = Reference(adapter="base", picture=sha256_of(picture))
    recipes = [a_recipe(seed=k, count=2, references=(one,)) for k in range(2)]
    drawn_together(tiny, recipes, rows=8, ip_adapters=adapters, pictures={sha256_of(picture): picture})
    assert seen == [1]
