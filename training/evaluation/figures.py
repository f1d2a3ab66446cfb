"""What was measured of one model, as it is kept beside it. Frozen data; knows no tensors."""

from pydantic import BaseModel, ConfigDict

from training.evaluation.intervals import Estimate
from training.evaluation.manifold import Manifold
from training.evaluation.memorisation import Memorisation


class Cost(BaseModel):
    """What the pictures took. FLOPs count a multiply and an add as two, and only products of matrices and
    convolutions, as ``torch.utils.flop_counter`` does."""

    model_config = ConfigDict(frozen=True)

    parameters: int
    evaluations: int  # of the network for one picture
    milliseconds: float  # for one picture, drawn in company
    flops_per_picture: float
    flops_per_step: float  # of training, for one picture of the batch; 0 where nothing is trained
    training_seconds: float | None = None
    training_flops: float | None = None


class Figures(BaseModel):
    """All of it. ``floor`` figures of the same kind are those of training pictures taken for drawn ones."""

    model_config = ConfigDict(frozen=True)

    count: int  # drawn pictures, and at most as many real ones
    features: str
    frechet: Estimate
    kid: Estimate
    inception_score: Estimate
    manifold: Manifold
    memorisation: Memorisation | None  # None of the floor, which are training pictures
    adherence: Estimate | None  # the share whose asked class the classifier sees
    bits_per_dimension: Estimate | None
    reconstruction_psnr: Estimate | None  # decibels
    cost: Cost | None
