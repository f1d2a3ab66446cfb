"""What pictures look like to a network that knows their kind: the features that distances are measured in.

By default a small classifier that is trained on the same data set. A user who has the weights of a DINOv2
may give their folder (``pretrained``): nothing is fetched. The Inception network of the published FIDs exists
as a pickle only, which this house does not open; so figures here compare families with each other, not with
papers.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from training.data.pictures import Pictures
from training.evaluation.intervals import Array
from training.evaluation.steps import finished
from training.loop import Plan, Progress, training

WIDTH = 64  # features
SMALLEST = 8  # pixels: the side at which no more is halved
STEPS = 600
BATCH = 64
CHUNK = 256  # pictures at once


@dataclass(frozen=True)
class Features:
    """``of`` gives (n, d) features of pictures (n, C, S, S) in [-1, 1]; ``classes`` (n, classes)
    probabilities.

    ``accuracy`` is the classifier's on the test pictures: what it says of drawn ones is to be read with it.
    """

    name: str
    of: Callable[[Tensor], Array]
    classes: Callable[[Tensor], Array]
    accuracy: float


class Classifier(nn.Module):
    """(B, C, S, S) in [-1, 1] -> (B, classes) logits, by way of ``WIDTH`` features."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, WIDTH // 2, 3, padding=1), nn.SiLU()]
        wide = WIDTH // 2
        while True:
            layers += [nn.Conv2d(wide, WIDTH, 3, padding=1), nn.GroupNorm(8, WIDTH), nn.SiLU()]
            wide = WIDTH
            if side <= SMALLEST:
                break
            layers += [nn.AvgPool2d(2)]
            side //= 2
        layers += [nn.Conv2d(wide, WIDTH, 3, padding=1, stride=2), nn.GroupNorm(8, WIDTH), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.squeeze = nn.Linear(4 * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, classes)

    def features(self, x: Tensor) -> Tensor:
        """(B, WIDTH)."""
        return F.silu(self.squeeze(self.body(x)))

    def forward(self, x: Tensor, label: Tensor) -> dict[str, Tensor]:
        logits = self.head(self.features(x))
        right = (logits.argmax(1) == label).float().mean()
        return {"loss": F.cross_entropy(logits, label, label_smoothing=0.05), "accuracy": right}


@dataclass
class ClassifierTask:
    """Trained on the training pictures only, with a little noise and shift."""

    module: Classifier
    pictures: Pictures
    seed: int

    def batch(self, step: int, rank: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + rank)
        which = torch.randint(len(self.pictures.train), (BATCH,), generator=generator)
        x = scaled(self.pictures.train[which])
        noise = 0.1 * torch.randn(x.shape, generator=generator)
        across, down = (int(torch.randint(-1, 2, (1,), generator=generator)) for _ in range(2))
        return torch.roll(x, (across, down), (2, 3)) + noise, self.pictures.train_labels[which]

    def sample(self) -> Image.Image | None:
        return None


def scaled(pixels: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def classifier(pictures: Pictures, folder: Path, seed: int = 0, steps: int = STEPS) -> Features:
    """The data set's own classifier, trained in ``folder`` unless it was, there."""
    return finished(classifying(pictures, folder, seed, steps))


def classifying(
    pictures: Pictures, folder: Path, seed: int = 0, steps: int = STEPS
) -> Generator[Progress, None, Features]:
    """``classifier``, step by step."""
    _, channels, side, _ = pictures.train.shape
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Classifier(channels, side, len(pictures.classes))
    plan = Plan(steps, 2e-3, warmup=20, sample_every=10**9, precision="no", seed=seed)
    where = folder / f"classifier-{pictures.sha256[:12]}-{steps}-{seed}"
    yield from training(ClassifierTask(net, pictures, seed), plan, where)
    net.eval()

    def classes(x: Tensor) -> Array:
        return _by_chunks(lambda part: net.head(net.features(part)).softmax(1), x, net)

    seen = classes(scaled(pictures.test)).argmax(1)
    accuracy = float((seen == pictures.test_labels.numpy()).mean())
    return Features(
        f"a classifier trained on {pictures.name}",
        lambda x: _by_chunks(net.features, x, net),
        classes,
        accuracy,
    )


def pretrained(folder: Path, own: Features) -> Features:
    """The features of a DINOv2 (2304.07193) in ``folder``, in transformers' layout, safetensors only; classes
    are still what the data set's ``own`` classifier says. Raises ``ValueError`` where there is none."""
    from transformers import AutoModel

    try:
        net = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except OSError as error:
        raise ValueError(f"Features: got {folder}; allowed: a folder with a DINOv2. ({error})") from error
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def look(x: Tensor) -> Tensor:
        rgb = x.expand(-1, 3, -1, -1) / 2 + 0.5
        large = F.interpolate(rgb, (224, 224), mode="bicubic", antialias=True)
        return net((large - mean) / std).pooler_output

    return Features(f"DINOv2 ({folder.name})", lambda x: _by_chunks(look, x, net), own.classes, own.accuracy)


@torch.no_grad()
def _by_chunks(function: Callable[[Tensor], Tensor], x: Tensor, net: nn.Module) -> Array:
    device = next(net.parameters()).device
    return np.concatenate([function(part.to(device)).double().cpu().numpy() for part in x.split(CHUNK)])
