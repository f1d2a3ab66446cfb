"""Figures on distributions where the right answer is known, and beside torchmetrics where it has the same."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from training.evaluation.distances import (
    frechet,
    frechet_interval,
    inception_score_interval,
    kid_interval,
)
from training.evaluation.intervals import bootstrap, share
from training.evaluation.manifold import manifold
from training.evaluation.memorisation import memorisation


def normal(n: int, d: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return mean + scale * np.random.default_rng(seed).standard_normal((n, d))


class Flat(nn.Module):
    """Pictures are their own features, as torchmetrics wants them."""

    num_features = 12

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).double()


def pictures(seed: int) -> Tensor:
    return torch.rand((80, 3, 2, 2), generator=torch.Generator().manual_seed(seed))


def test_frechet_of_gaussians_is_what_the_formula_gives() -> None:
    a, b = normal(60_000, 4, 0), normal(60_000, 4, 1, mean=0.5, scale=2.0)
    assert frechet(a, b) == pytest.approx(4 * 0.5**2 + 4 * (2 - 1) ** 2, rel=0.03)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_does_without_full_rank() -> None:
    a, b = normal(10, 30, 0), normal(10, 30, 1)
    assert 0 < frechet(a, b) < 100


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_torchmetrics_gives_the_same() -> None:
    a, b = pictures(0), pictures(1)
    x, y = (p.flatten(1).double().numpy() for p in (a, b))
    fid = FrechetInceptionDistance(Flat(), normalize=True, input_img_size=(3, 2, 2)).set_dtype(torch.float64)
    kid = KernelInceptionDistance(Flat(), normalize=True, subsets=1, subset_size=80)
    for metric in (fid, kid):
        metric.update(a.double(), real=False)
        metric.update(b.double(), real=True)
    assert frechet(x, y) == pytest.approx(float(fid.compute()), rel=1e-6)
    assert kid_interval(x, y, 0).value == pytest.approx(float(kid.compute()[0]), rel=1e-4)
    score = InceptionScore(Flat(), splits=1)
    score.update(a)
    given = torch.softmax(a.flatten(1).double(), 1).numpy()
    assert inception_score_interval(given, 0).value == pytest.approx(float(score.compute()[0]), rel=1e-5)


def test_kid_is_unbiased() -> None:
    values = [kid_interval(normal(30, 4, 2 * k), normal(30, 4, 2 * k + 1), 0).value for k in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0 < max(values)
    assert kid_interval(normal(200, 4, 0), normal(200, 4, 1, mean=1), 0).low > 0


def test_a_repeated_sample_is_no_pair_with_itself() -> None:
    estimate = kid_interval(normal(100, 4, 0), normal(100, 4, 1), 3)
    assert estimate.low < 0 < estimate.high


def test_inception_score_of_certain_and_of_uncertain_classes() -> None:
    assert inception_score_interval(np.eye(5).repeat(20, 0), 0).value == pytest.approx(5)
    assert inception_score_interval(np.full((50, 5), 0.2), 0).value == pytest.approx(1)


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    held = 0
    for k in range(200):
        estimate = share(normal(60, 1, k, mean=3.0)[:, 0], k)
        held += estimate.low <= 3.0 <= estimate.high
    assert 0.9 <= held / 200 <= 0.99


def test_the_interval_of_a_frechet_distance_holds_it_in_spite_of_the_bootstraps_bias() -> None:
    estimate = frechet_interval(normal(200, 16, 0), normal(200, 16, 1), 0)
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.high - estimate.low < estimate.value


def test_the_same_seed_gives_the_same_interval() -> None:
    flags = normal(40, 1, 0)[:, 0]
    assert share(flags, 1) == share(flags, 1) != share(flags, 2)
    assert bootstrap(lambda w: 1.0, (5,), 0).low == 1.0


def test_equal_sets_are_in_each_others_manifolds() -> None:
    x = normal(100, 3, 0)
    same = manifold(x, x, 0)
    assert (same.precision.value, same.recall.value, same.coverage.value) == (1, 1, 1)


def test_far_sets_are_in_neither_and_part_of_a_set_has_precision_without_recall() -> None:
    real = np.concatenate([normal(100, 3, 0), normal(100, 3, 1, mean=50)])
    far = manifold(normal(100, 3, 2, mean=-90), real, 0)
    assert (far.precision.value, far.recall.value, far.density.value, far.coverage.value) == (0, 0, 0, 0)
    half = manifold(normal(200, 3, 3), real, 0)
    assert half.precision.value > 0.9
    assert half.recall.value < 0.6
    assert half.coverage.value < 0.6


def test_density_and_coverage_of_the_same_distribution_are_what_the_paper_derives() -> None:
    same = manifold(normal(600, 2, 0), normal(600, 2, 1), 0, k=5)
    assert same.density.value == pytest.approx(1, abs=0.12)
    assert same.coverage.value == pytest.approx(1 - 0.5**5, abs=0.03)  # 2002.09797, lemma 2


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="got 4; allowed: more than 5"):
        manifold(normal(4, 2, 0), normal(90, 2, 1), 0)


def test_a_memoriser_is_seen() -> None:
    train, test = normal(150, 20, 0), normal(150, 20, 1)
    copies = memorisation(train + 1e-3 * normal(150, 20, 2), train, test, 0)
    assert copies.attack_auc.low > 0.99
    assert copies.authenticity.high < 0.01
    assert copies.ratio.high < 0.01


def test_an_honest_model_is_not_accused() -> None:
    train, test = normal(300, 5, 0), normal(150, 5, 1)
    honest = memorisation(normal(300, 5, 2), train, test, 0)
    assert honest.attack_auc.low < 0.5 < honest.attack_auc.high
    assert honest.ratio.value == pytest.approx(1, abs=0.1)
    assert honest.authenticity.value > 0.3
