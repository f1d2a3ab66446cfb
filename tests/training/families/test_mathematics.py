"""Each family's equations, where the right answer is known."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.parametrisation import Parametrisation, Prediction
from schedulers.level import Level
from training.families import FAMILIES, Shape, consistency, edm, gan, r3gan, rectified_flow, wgan_gp
from training.families.adversarial import Adversarial, Scores, slope
from training.families.chance import Chance
from training.families.ddpm import cosine, epsilon_scale, linear, v_scale, x0_scale
from training.families.diffusion import Diffusion, on_way
from training.families.likelihood import ode_log_density
from training.families.normalising_flow import NormalisingFlow
from training.families.pixelcnn import PixelCNN
from training.families.score import score_scale, sub_vp_ratio, ve_ratio, vp_ratio
from training.families.transformer import Choice, Transformer, shares
from training.families.vae import VAE
from training.families.vq_vae import VQVAE

SHAPE = Shape(1, 8, 3)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# Diffusion


@pytest.mark.parametrize(
    ("scale", "prediction", "level"),
    [
        (epsilon_scale, "epsilon", Level(0.6, 0.8)),
        (x0_scale, "sample", Level(0.6, 0.8)),
        (v_scale, "v_prediction", Level(0.6, 0.8)),
        (rectified_flow.flow_scale, "flow", Level(0.3, 0.7)),
    ],
)
def test_x0_is_read_as_the_studios_models_are(scale, prediction: Prediction, level: Level) -> None:
    output, x = normal(2, 1, 4, 4), normal(2, 1, 4, 4, seed=1)
    parts = scale(torch.tensor(level.alpha), torch.tensor(level.sigma))
    theirs = Parametrisation(prediction, linear()).x0(output, x, [level, level])
    torch.testing.assert_close(parts.skip * x + parts.out * output, theirs)


@pytest.mark.parametrize(
    ("scale", "a", "s", "target", "counts"),
    [
        (epsilon_scale, 0.6, 0.8, lambda x0, n: n, 1.0),
        (score_scale, 0.6, 0.8, lambda x0, n: n, 1.0),
        (rectified_flow.flow_scale, 0.3, 0.7, lambda x0, n: n - x0, 1.0),
        (v_scale, 0.6, 0.8, lambda x0, n: 0.6 * n - 0.8 * x0, 0.5625 / 1.5625),  # min(SNR, 5) / (SNR + 1)
        (x0_scale, 0.6, 0.8, lambda x0, n: x0, 0.5625),
        (x0_scale, 0.96, 0.28, lambda x0, n: x0, 5.0),  # SNR is 11.8
    ],
)
def test_errors_count_what_the_paper_says(scale, a: float, s: float, target, counts: float) -> None:
    x0, noise, output = (normal(3, 1, 4, 4, seed=k) for k in range(3))
    parts = scale(torch.tensor(a), torch.tensor(s))
    estimate = parts.skip * (a * x0 + s * noise) + parts.out * output
    found = parts.weight * (estimate - x0).square()
    torch.testing.assert_close(found, counts * (output - target(x0, noise)).square(), atol=1e-4, rtol=1e-4)


def test_edm_is_preconditioned_to_unit_size() -> None:
    """What is seen and what is to be answered have variance 1, errors count 1 (2206.00364, app. B.6)."""
    for sigma in (0.01, 0.5, 20.0):
        parts = edm.edm_scale(torch.tensor(1.0), torch.tensor(sigma))
        seen = parts.into**2 * (edm.DATA**2 + sigma**2)
        answer = ((1 - parts.skip) ** 2 * edm.DATA**2 + parts.skip**2 * sigma**2) / parts.out**2
        counts = parts.weight * parts.out**2
        torch.testing.assert_close(torch.stack([seen, answer, counts]), torch.ones(3), atol=1e-4, rtol=1e-4)


def test_the_score_equations_keep_their_variances() -> None:
    t = torch.tensor([1e-3, 0.3, 0.9, 1.0], dtype=torch.float64)
    integral = 0.1 * t + 19.9 * t.square() / 2
    alpha, sigma = on_way("vp", vp_ratio(t))
    torch.testing.assert_close(alpha, (-integral / 2).exp())
    torch.testing.assert_close(sigma.square(), 1 - (-integral).exp())
    alpha, sigma = on_way("sub-vp", sub_vp_ratio(t))
    torch.testing.assert_close(alpha, (-integral / 2).exp())
    torch.testing.assert_close(sigma, 1 - (-integral).exp())
    alpha, sigma = on_way("ve", ve_ratio(t))
    torch.testing.assert_close(sigma, 0.01 * 5000**t)
    assert (alpha == 1).all() and cosine().levels[500].alpha == pytest.approx(0.7, abs=0.02)


def test_the_flow_learns_at_logit_normal_times() -> None:
    chance = torch.tensor([0.1, 0.5, 0.9])
    ratio = rectified_flow.logit_normal(chance)
    t = ratio / (1 + ratio)
    torch.testing.assert_close(t.logit(), torch.tensor([-1.28155, 0.0, 1.28155]), atol=1e-4, rtol=1e-4)


def test_the_odes_likelihood_of_a_normal_picture_is_exact() -> None:
    size, spread = 16, 0.7
    x, sign = spread * normal(5, 1, 4, 4), normal(5, 1, 4, 4, seed=1).sign()

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return spread**2 / (spread**2 + sigma**2) * x

    found = ode_log_density(denoise, x, sign, 0.01, 50.0, 600)
    variance = spread**2 + 0.01**2
    exact = -0.5 * x.square().sum((1, 2, 3)) / variance - size / 2 * math.log(2 * math.pi * variance)
    torch.testing.assert_close(found, exact, atol=5e-3, rtol=1e-4)


def test_a_consistency_function_ends_where_pictures_are() -> None:
    teacher = FAMILIES["edm"].build(SHAPE, None)
    one = FAMILIES["consistency"].build(SHAPE, teacher)
    assert isinstance(one, consistency.Consistency)
    x, label = normal(2, 1, 8, 8), torch.tensor([0, 1])
    least = torch.full((2,), consistency.SIGMA[0])
    torch.testing.assert_close(one.jump(x, least, label), x, atol=1e-5, rtol=1e-5)
    grid = consistency.sigmas()
    assert grid[0] == pytest.approx(0.002) and grid[-1] == pytest.approx(80) and len(grid) == consistency.GRID


def test_the_teachers_step_is_heuns() -> None:
    teacher = FAMILIES["edm"].build(SHAPE, None)
    one = FAMILIES["consistency"].build(SHAPE, teacher)
    assert isinstance(teacher, Diffusion) and isinstance(one, consistency.Consistency)
    x, label, a, b = 5 * normal(1, 1, 8, 8), torch.tensor([1]), 5.0, 3.0
    with torch.no_grad():
        d = (x - teacher.denoise(x, Level(1, a), label)) / a
        ahead = x + (b - a) * d
        e = (ahead - teacher.denoise(ahead, Level(1, b), label)) / b
        found = one._heun(x, torch.tensor([a]), torch.tensor([b]), label)
    torch.testing.assert_close(found, x + (b - a) * (d + e) / 2, atol=1e-4, rtol=1e-4)


# Adversarial


def test_gan_losses_on_fixed_scores() -> None:
    scores = Scores(torch.tensor([2.0]), torch.tensor([-1.0]))
    sure = lambda s: 1 / (1 + math.exp(-s))  # noqa: E731
    assert gan.discriminator_loss(scores).item() == pytest.approx(-math.log(sure(2)) - math.log(1 - sure(-1)))
    assert gan.generator_loss(scores).item() == pytest.approx(-math.log(sure(-1)))
    assert wgan_gp.critic_loss(scores).item() == -3 and wgan_gp.generator_loss(scores).item() == 1
    assert r3gan.discriminator_loss(scores).item() == pytest.approx(math.log(1 + math.exp(-3)))
    assert r3gan.generator_loss(scores).item() == pytest.approx(math.log(1 + math.exp(3)))


def test_penalties_on_a_slope_that_is_known() -> None:
    """D = sum a x^2 / 2 has the slope a x, and R1's gradient in a is known as well."""
    a = torch.tensor(3.0, requires_grad=True)
    x, fake = normal(4, 1, 2, 2), normal(4, 1, 2, 2, seed=1)

    def judge(pictures: Tensor) -> Tensor:
        return (a * pictures.square() / 2).sum((1, 2, 3))

    torch.testing.assert_close(slope(judge, x), 9 * x.square().sum((1, 2, 3)))
    r1 = gan.r1(judge, x, fake, torch.zeros(4)).sum()
    (found,) = torch.autograd.grad(r1, a)
    torch.testing.assert_close(found, gan.GAMMA * 3 * x.square().sum())
    both = r3gan.r1_and_r2(judge, x, fake, torch.zeros(4))
    torch.testing.assert_close(both, 4.5 * (x.square() + fake.square()).sum((1, 2, 3)))
    at_fake = wgan_gp.gradient_penalty(judge, x, fake, torch.ones(4))
    size = 3 * fake.square().sum((1, 2, 3)).sqrt()
    torch.testing.assert_close(at_fake, 10 * (size - 1).square())


@pytest.mark.parametrize("name", ["gan", "wgan-gp", "r3gan"])
def test_each_half_of_a_gan_learns_from_its_own_loss(name: str) -> None:
    one = FAMILIES[name].build(SHAPE, None)
    assert isinstance(one, Adversarial)
    losses = one(normal(4, 1, 8, 8).tanh(), torch.arange(4) % 3, torch.arange(4))
    halves = [list(one.generator.parameters()), list(one.discriminator.parameters())]
    own = torch.autograd.grad(losses["generator"], halves[0], retain_graph=True)
    assert any(g.any() for g in own)
    for loss, other in (("generator", 1), ("discriminator", 0), ("penalty", 0)):
        crossed = torch.autograd.grad(losses[loss], halves[other], retain_graph=True, allow_unused=True)
        assert all(g is None for g in crossed)
    whole = torch.autograd.grad(losses["loss"], halves[0])
    assert all(torch.equal(a, b) for a, b in zip(whole, own, strict=True))


# Codes


def test_the_vaes_divergence_is_the_normals() -> None:
    torch.manual_seed(0)
    one, x = VAE(SHAPE), normal(3, 1, 8, 8).tanh()
    mean, log_variance = one.encode(x)
    code = torch.distributions.Normal(mean, (log_variance / 2).exp())
    exact = torch.distributions.kl_divergence(code, torch.distributions.Normal(0.0, 1.0)).sum((1, 2, 3))
    bound, there, found = one.bound(x, normal(3, *one.code), beta=3.0)
    torch.testing.assert_close(found, exact)
    torch.testing.assert_close(bound, there - 3 * exact)
    picture = one.decode(mean + (log_variance / 2).exp() * normal(3, *one.code))
    likely = torch.distributions.Normal(picture, one.log_deviation.exp()).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(there, likely)


def test_gradients_go_straight_through_the_choice_of_words() -> None:
    """What reaches the encoder's answer is what reaches the decoder's input (arXiv:1711.00937, sec. 3.2)."""
    torch.manual_seed(0)
    one, x = VQVAE(SHAPE), normal(2, 1, 8, 8).tanh()
    said, words = one.read(x)
    said.retain_grad()
    vectors = one.vectors(words).detach()
    (one.up(said + (vectors - said).detach()) - x).square().mean().backward()
    given = vectors.requires_grad_()
    (wanted,) = torch.autograd.grad((one.up(given) - x).square().mean(), given)
    assert said.grad is not None
    torch.testing.assert_close(said.grad, wanted)


def test_the_nearest_word_is_chosen() -> None:
    torch.manual_seed(0)
    one = VQVAE(SHAPE)
    said, words = one.read(normal(2, 1, 8, 8).tanh())
    book = functional.normalize(one.book, dim=1)
    distance = torch.cdist(said.flatten(2).mT, book.expand(2, -1, -1))
    assert torch.equal(words.flatten(1), distance.argmin(2))


# Flows


@pytest.mark.parametrize("mix", ["swap", "matrix"])
def test_a_flow_can_be_undone_and_knows_its_determinant(mix) -> None:
    torch.manual_seed(0)
    one = NormalisingFlow(Shape(1, 4, 2), mix).double()
    for weight in one.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, 0, 0.2) if weight.shape != (4, 4) else None
    x, label = normal(2, 1, 4, 4).double(), torch.tensor([0, 1])
    noise, gained = one.to_noise(x, label)
    torch.testing.assert_close(one.to_picture(noise, label), x)
    for k in range(2):

        def turned(flat: Tensor, k: int = k) -> Tensor:
            return one.to_noise(flat.reshape(1, 1, 4, 4), label[k : k + 1])[0][0]

        jacobian = torch.autograd.functional.jacobian(turned, x[k].flatten())
        torch.testing.assert_close(gained[k], torch.linalg.slogdet(jacobian)[1])


# Autoregressive


def test_no_pixel_sees_itself_or_what_comes_after() -> None:
    torch.manual_seed(0)
    shape = Shape(2, 6, 2)
    one, x, label = PixelCNN(shape), normal(1, 2, 6, 6).tanh().requires_grad_(), torch.tensor([1])
    order = torch.arange(36).reshape(6, 6)
    for row, column in ((0, 0), (2, 3), (5, 5), (3, 0)):
        for channel in range(2):
            said = one.logits(one.features(x, label), x, channel)[0, :, row, column]
            (gradient,) = torch.autograd.grad(said.square().sum(), x)
            seen = gradient[0].ne(0)
            before = order < order[row, column]
            assert not (seen.any(0) & ~before & (order != order[row, column])).any()
            assert seen[:, row, column].tolist() == [channel == 1, False]
            near = torch.isin(order - order[row, column], torch.tensor([-1, -5, -6, -7])) & before
            near &= (torch.arange(6) - column).abs() <= 1
            assert seen.any(0)[near].all()  # there is no blind spot


def test_a_drawn_picture_is_what_its_probabilities_say() -> None:
    """Drawn from a window of rows, as from the whole picture."""
    torch.manual_seed(0)
    one = PixelCNN(Shape(1, 10, 2)).eval()
    label = torch.tensor([0, 1])
    drawn = one.draw(label, 3)
    chance = Chance.drawing(label, 3).uniform(0, 10, 10, 1)
    with torch.no_grad():
        share = one.logits(one.features(drawn, label), drawn, 0).softmax(1).cumsum(1)
    values = (share < chance[..., 0][:, None]).sum(1)
    assert (values == ((drawn[:, 0] + 1) * 127.5).round()).float().mean() > 0.99  # but for rounding


@pytest.fixture(scope="module")
def writer() -> Transformer:
    torch.manual_seed(0)
    one = Transformer(Shape(1, 2, 2), _Tiny())
    for weight in one.language.parameters():
        torch.nn.init.normal_(weight, 0, 0.3)
    return one.eval()


class _Tiny(VQVAE):
    """Three words at two by two places."""

    def __init__(self) -> None:
        super().__init__(Shape(1, 4, 2), words=3)
        self.rows = 2


def test_all_sentences_together_are_certain(writer: Transformer) -> None:
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    for kind in (0, 1):
        with torch.no_grad():
            found = writer.log_probability(every, torch.full((81,), kind))
        assert found.exp().sum().item() == pytest.approx(1, abs=1e-5)
    best = every[found.argmax()]
    assert torch.equal(writer.words(torch.tensor([1]), 0, Choice("beam", beams=81))[0], best)


def test_words_are_drawn_as_probable_as_they_are(writer: Transformer) -> None:
    label = torch.zeros(3000, dtype=torch.int64)
    words = writer.words(label, 0, Choice())
    with torch.no_grad():
        first = writer.logits(writer.coder.words + label[:1, None])[0, 0].softmax(0)
    counted = torch.bincount(words[:, 0], minlength=3) / 3000
    torch.testing.assert_close(counted, first, atol=0.03, rtol=0)
    greedy = writer.words(label[:2], 5, Choice("greedy"))
    assert torch.equal(greedy[0], greedy[1]) and greedy[0, 0] == first.argmax()


def test_what_is_drawn_from() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    torch.testing.assert_close(shares(logits, Choice(top_k=2)), torch.tensor([[0.625, 0.375, 0, 0]]))
    torch.testing.assert_close(shares(logits, Choice(top_p=0.7)), torch.tensor([[0.625, 0.375, 0, 0]]))
    torch.testing.assert_close(shares(logits, Choice(top_p=0.01)), torch.tensor([[1.0, 0, 0, 0]]))
    cold = shares(logits, Choice(temperature=0.5))
    torch.testing.assert_close(cold, torch.tensor([[0.25, 0.09, 0.0225, 0.0025]]) / 0.365)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": 0}, "temperature: got 0"), ({"top_k": -1}, "top_k: got -1"),
        ({"top_p": 1.5}, "top_p: got 1.5"), ({"beams": 0}, "beams: got 0"),
    ],
)  # fmt: skip
def test_a_choice_that_makes_no_sense(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Choice(**wrong)
