"""Everything that is measured of one trained model, and the same of the training pictures: the floor."""

import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.data.pictures import Pictures
from training.evaluation.distances import frechet_interval, inception_score_interval, kid_interval
from training.evaluation.features import Features, scaled
from training.evaluation.figures import Cost, Figures
from training.evaluation.flops import Flops
from training.evaluation.intervals import Array, Estimate, share
from training.evaluation.manifold import manifold
from training.evaluation.memorisation import memorisation
from training.evaluation.steps import finished
from training.families.family import Learner, Likelihood, Reconstruction

TOGETHER = 64  # pictures drawn at once
PROBABLE, AT_ONCE = 64, 16  # test pictures whose likelihood is asked, and together: an ODE's takes long
COUNTED = 8  # pictures whose training step is counted


@dataclass(frozen=True)
class Stage:
    """``step`` of ``of`` parts of the measuring are done."""

    step: int
    of: int


def measure(learner: Learner, pictures: Pictures, features: Features, count: int, seed: int) -> Figures:
    """``measuring``, at once."""
    return finished(measuring(learner, pictures, features, count, seed))


def measuring(
    learner: Learner, pictures: Pictures, features: Features, count: int, seed: int, together: int = TOGETHER
) -> Generator[Stage, None, Figures]:
    """Draw ``count`` pictures, their classes as often as the test pictures have them, and compare them with
    at most as many test pictures. The same arguments give the same figures, but for the milliseconds."""
    labels = _labels(pictures, count, seed)
    drawn, seconds, parts = list[Tensor](), 0.0, labels.split(together)
    test = scaled(pictures.test)
    asked = list(test[:PROBABLE].split(AT_ONCE)) if isinstance(learner, Likelihood) else []
    of = len(parts) + len(asked) + 3
    for k, part in enumerate(parts):
        began = time.perf_counter()
        drawn.append(draw(learner, part, seed + k))
        seconds += time.perf_counter() - began
        yield Stage(k + 1, of)
    bits = list[Tensor]()
    for k, x in enumerate(asked):
        bits.append(_bits(learner, x, seed + k))
        yield Stage(len(parts) + k + 1, of)
    made = torch.cat(drawn)
    figures = _compared(made, _some(pictures.test, count, seed), features, seed)
    yield Stage(of - 2, of)
    learnt = memorisation(_flat(made), _flat(scaled(pictures.train)), _flat(test), seed)
    yield Stage(of - 1, of)
    adheres = (features.classes(made).argmax(1) == labels.numpy()).astype(np.float64)
    return figures.model_copy(
        update={
            "memorisation": learnt,
            "adherence": share(adheres, seed),
            "bits_per_dimension": share(torch.cat(bits).double().numpy(), seed) if bits else None,
            "reconstruction_psnr": _psnr(learner, test, seed),
            "cost": _cost(learner, pictures, 1000 * seconds / count, seed),
        }
    )


def floor(pictures: Pictures, features: Features, count: int, seed: int) -> Figures:
    """What a perfect model would measure: training pictures, compared with the test pictures."""
    train = scaled(_some(pictures.train, count, seed))
    return _compared(train, _some(pictures.test, count, seed), features, seed)


@torch.no_grad()
def draw(learner: Learner, labels: Tensor, seed: int) -> Tensor:
    """Pictures (n, C, S, S) in [-1, 1] on the CPU, all at once."""
    learner.eval()
    drawn = learner.draw(labels.to(_device(learner)), seed).float().cpu().clamp(-1, 1)
    if not bool(drawn.isfinite().all()):
        raise FloatingPointError("The model drew values that are not numbers.")
    return drawn


def _compared(drawn: Tensor, real: Tensor, features: Features, seed: int) -> Figures:
    # As a screen shows them: what eight bits cannot tell apart is no difference.
    drawn = scaled(((drawn + 1) * 127.5).round())
    a, b = features.of(drawn), features.of(scaled(real))
    return Figures(
        count=len(drawn),
        features=features.name,
        frechet=frechet_interval(a, b, seed),
        kid=kid_interval(a, b, seed),
        inception_score=inception_score_interval(features.classes(drawn), seed),
        manifold=manifold(a, b, seed),
        memorisation=None,
        adherence=None,
        bits_per_dimension=None,
        reconstruction_psnr=None,
        cost=None,
    )


def _labels(pictures: Pictures, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    which = torch.arange(count) % len(pictures.test_labels)
    return pictures.test_labels[which[torch.randperm(count, generator=generator)]]


def _some(of: Tensor, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return of[torch.randperm(len(of), generator=generator)[:count]]


@torch.no_grad()
def _bits(learner: Learner, x: Tensor, seed: int) -> Tensor:
    """(B,)."""
    assert isinstance(learner, Likelihood)
    return learner.bits_per_dimension(x.to(_device(learner)), seed).cpu()


@torch.no_grad()
def _psnr(learner: Learner, test: Tensor, seed: int) -> Estimate | None:
    """Decibels of each picture, whose values span 2."""
    if not isinstance(learner, Reconstruction):
        return None
    parts = test.to(_device(learner)).split(TOGETHER)
    errors = torch.cat([((learner.reconstruct(x) - x) ** 2).flatten(1).mean(1) for x in parts])
    return share((10 * torch.log10(4 / errors.double().clamp(min=1e-10))).cpu().numpy(), seed)


def _cost(learner: Learner, pictures: Pictures, milliseconds: float, seed: int) -> Cost:
    device = _device(learner)
    label = pictures.train_labels[:COUNTED].to(device)
    with torch.no_grad(), Flops() as drawing:
        learner.draw(label[:1], seed)
    with torch.enable_grad(), Flops() as training:
        x = scaled(pictures.train[:COUNTED]).to(device)
        loss = learner(x, label, torch.arange(len(x), device=device))["loss"]
        if loss.requires_grad:
            loss.backward()
    learner.zero_grad(set_to_none=True)
    return Cost(
        parameters=sum(p.numel() for p in learner.parameters() if p.requires_grad),
        evaluations=learner.evaluations,
        milliseconds=milliseconds,
        flops_per_picture=float(drawing.total),
        flops_per_step=training.total / len(x),
    )


def _device(learner: Learner) -> torch.device:
    return next((t.device for t in (*learner.parameters(), *learner.buffers())), torch.device("cpu"))


def _flat(x: Tensor) -> Array:
    """(n, d)."""
    return x.flatten(1).double().numpy()
