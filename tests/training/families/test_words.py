"""What learnt from words is a Stable Diffusion model: the studio and diffusers draw with it what it draws."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models import load
from training.families.family import Shape
from training.families.words import GUIDANCE, SIDE, STEPS, Words, states
from training.tuning.drawing import draw

SHAPE = Shape(3, 32, 2, ("panda", "blue car"))


@pytest.fixture(scope="module")
def learner() -> Words:
    """It knows nothing, but what it draws depends on its words and on all of its layers."""
    torch.manual_seed(0)
    one = Words(SHAPE).eval()
    with torch.no_grad():
        one.square.fill_(0.5)
        for weight in one.parameters():
            if not weight.any():
                weight.normal_(0, 0.05)
    return one


@pytest.fixture(scope="module")
def saved(learner: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words") / "model"
    learner.save(folder)
    return folder


@torch.no_grad()
def drawn(learner: Words, label: Tensor, seed: int) -> Tensor:
    """(B, 3, SIDE, SIDE) in [-1, 1]."""
    return learner.decode(learner.codes(label, seed)[-1]).clamp(-1, 1)


def test_the_studio_draws_the_same_with_it(learner: Words, saved: Path) -> None:
    parts = load(str(saved))
    assert parts.native_size == (SIDE, SIDE) and parts.defaults["guidance"] == GUIDANCE
    pictures = draw(parts, ["a panda", "a blue car"], [7, 8], (SIDE, SIDE))
    own = drawn(learner, torch.tensor([0, 1]), 7)
    assert own.std() > 0.02 and (own[0] - own[1]).abs().mean() > 1e-3
    torch.testing.assert_close(pictures, own, atol=0.02, rtol=0)  # the studio's may run in half precision
    other = draw(parts, ["a blue car"], [7], (SIDE, SIDE))
    assert (other[0] - own[0]).abs().mean() > 1e-4, "words count"


def test_diffusers_draws_the_same_with_it(learner: Words, saved: Path) -> None:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    pipeline: Any = StableDiffusionPipeline.from_pretrained(saved)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    noise = torch.randn((8, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(7))
    found = pipeline(
        "a panda", latents=noise[None], num_inference_steps=STEPS, guidance_scale=GUIDANCE, height=SIDE,
        width=SIDE, output_type="pt",
    ).images  # fmt: skip
    torch.testing.assert_close(found * 2 - 1, drawn(learner, torch.tensor([0]), 7), atol=0.02, rtol=0)


def test_what_it_reads_is_the_class(learner: Words) -> None:
    torch.testing.assert_close(learner.read[0], states(["a panda"])[0])
    torch.testing.assert_close(learner.read[-1], states([""])[0])


def test_sizes_and_channels_come_back() -> None:
    one, x = Words(Shape(1, 8, 2)), torch.rand(2, 1, 8, 8) * 2 - 1
    torch.testing.assert_close(one.reduced(one.enlarged(x)), x)
