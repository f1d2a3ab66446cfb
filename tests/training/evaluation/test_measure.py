"""The whole measurement, of models whose worth is known: copies, the data's own marginals, a Gaussian."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from tests.corners import corners
from training.data.pictures import Pictures
from training.evaluation import Features, Figures, classifier, floor, measure
from training.evaluation.baselines import GaussianPixels, Marginals, baselines
from training.evaluation.features import pretrained, scaled
from training.families.family import Learner, Likelihood, Reconstruction


class Memoriser(Learner, Likelihood, Reconstruction):
    """Gives back training pictures of the asked class; says one bit of everything."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 64))
        self.pictures = pictures

    def forward(self, x: Tensor, label: Tensor, seed: Tensor) -> dict[str, Tensor]:
        return {"loss": (x.flatten(1) @ self.weight.T).mean()}

    def draw(self, label: Tensor, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        known = [(self.pictures.train_labels == k).nonzero()[:, 0] for k in label.tolist()]
        which = [own[torch.randint(len(own), (), generator=generator)] for own in known]
        return scaled(self.pictures.train[torch.stack(which)])

    @property
    def evaluations(self) -> int:
        return 7

    def strip(self, label: Tensor, seed: int, frames: int) -> Tensor:
        return self.draw(label, seed)[None].expand(frames, -1, -1, -1, -1)

    def bits_per_dimension(self, x: Tensor, seed: int) -> Tensor:
        return torch.ones(len(x))

    def reconstruct(self, x: Tensor) -> Tensor:
        return x + 0.02


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return corners()


@pytest.fixture(scope="module")
def features(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Features:
    return classifier(pictures, tmp_path_factory.mktemp("features"), steps=60)


@pytest.fixture(scope="module")
def memorised(pictures: Pictures, features: Features) -> Figures:
    return measure(Memoriser(pictures), pictures, features, 300, 0)


def test_the_classifier_learns_its_pictures_and_is_not_trained_twice(
    pictures: Pictures, features: Features, tmp_path: Path
) -> None:
    assert features.accuracy > 0.95
    assert features.of(scaled(pictures.test)).shape == (100, 64)
    first, second = (classifier(pictures, tmp_path, steps=3) for _ in range(2))
    assert len(list(tmp_path.glob("classifier-*/curve.jsonl"))) == 1
    assert (first.of(scaled(pictures.test)) == second.of(scaled(pictures.test))).all()


def test_copies_are_as_good_as_the_floor_and_are_found_out(
    pictures: Pictures, features: Features, memorised: Figures
) -> None:
    best = floor(pictures, features, 100, 0)
    assert memorised.frechet.value < 3 * best.frechet.value + 0.05
    assert memorised.manifold.precision.value > 0.8
    assert memorised.memorisation is not None
    assert memorised.memorisation.attack_auc.value > 0.8
    assert memorised.memorisation.authenticity.value == 0


def test_what_only_some_can_is_measured_of_those(memorised: Figures) -> None:
    assert memorised.bits_per_dimension is not None and memorised.bits_per_dimension.value == 1
    assert memorised.reconstruction_psnr is not None
    assert memorised.reconstruction_psnr.value == pytest.approx(40, abs=0.1)  # 10 log10(4 / 0.02^2)
    assert memorised.adherence is not None and memorised.adherence.value > 0.95


def test_the_cost_is_counted(memorised: Figures) -> None:
    cost = memorised.cost
    assert cost is not None and (cost.parameters, cost.evaluations) == (192, 7)
    assert cost.flops_per_step == 2 * 2 * 64 * 3  # forward, and the gradient of the weights
    assert cost.milliseconds > 0


def test_figures_outlive_json(memorised: Figures) -> None:
    assert Figures.model_validate_json(memorised.model_dump_json()) == memorised


def test_the_baselines_are_worse_than_the_data_and_the_gaussian_is_the_better_one(
    pictures: Pictures, features: Features, memorised: Figures
) -> None:
    pixels, gaussian = (measure(one, pictures, features, 100, 0) for one in baselines(pictures).values())
    assert memorised.frechet.value < gaussian.frechet.value < pixels.frechet.value
    assert pixels.adherence is not None and pixels.adherence.value < 0.5
    assert pixels.reconstruction_psnr is None and gaussian.bits_per_dimension is None
    assert pixels.bits_per_dimension is not None and 4 < pixels.bits_per_dimension.value < 8


def test_marginals_and_moments_are_the_datas() -> None:
    pictures = corners(train=2000)
    labels = torch.zeros(4000, dtype=torch.int64)
    x = scaled(pictures.train).flatten(1)
    apart = Marginals(pictures.train).draw(labels, 0).flatten(1)
    assert torch.allclose(apart.mean(0), x.mean(0), atol=0.06)
    off = torch.corrcoef(apart.T) - torch.eye(64)
    assert off.abs().max() < 0.1
    whole = GaussianPixels(pictures.train).draw(labels, 0).flatten(1)
    assert (torch.corrcoef(whole.T) - torch.corrcoef(x.T)).abs().max() < 0.15


def test_the_same_seed_draws_the_same(pictures: Pictures) -> None:
    labels = torch.zeros(3, dtype=torch.int64)
    for model in baselines(pictures).values():
        assert torch.equal(model.draw(labels, 5), model.draw(labels, 5))
        assert not torch.equal(model.draw(labels, 5), model.draw(labels, 6))
        assert model.strip(labels, 5, 4).shape == (4, 3, 1, 8, 8)


def test_a_model_that_draws_no_numbers_is_told(pictures: Pictures, features: Features) -> None:
    broken = Memoriser(replace(pictures))
    broken.draw = lambda label, seed: torch.full((len(label), 1, 8, 8), torch.nan)
    with pytest.raises(FloatingPointError, match="not numbers"):
        measure(broken, pictures, features, 50, 0)


def test_dinov2_of_a_folder_gives_features_and_none_is_fetched(
    pictures: Pictures, features: Features, tmp_path: Path
) -> None:
    config = Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, patch_size=56)
    Dinov2Model(config).save_pretrained(tmp_path / "dino")
    own = pretrained(tmp_path / "dino", features)
    assert own.of(scaled(pictures.test[:3])).shape == (3, 16)
    assert own.name == "DINOv2 (dino)"
    with pytest.raises(ValueError, match="got .*nothing; allowed: a folder with a DINOv2"):
        pretrained(tmp_path / "nothing", features)
