"""The kinds of generative model that the lab trains: one file each, one line in the table."""

from training.families import (
    consistency,
    edm,
    energy,
    gan,
    latent,
    pixelcnn,
    r3gan,
    rectified_flow,
    transformer,
    vae,
    vq_vae,
    wgan_gp,
    words,
)
from training.families.ddpm import DDPM_EPSILON, DDPM_V, DDPM_X0
from training.families.family import Checkpoint, Family, Learner, Likelihood, Reconstruction, Shape
from training.families.normalising_flow import GLOW, REALNVP
from training.families.score import SCORE_SUB_VP, SCORE_VE, SCORE_VP

FAMILIES: dict[str, Family] = {
    "ddpm-eps": DDPM_EPSILON,
    "ddpm-x0": DDPM_X0,
    "ddpm-v": DDPM_V,
    "score-vp": SCORE_VP,
    "score-ve": SCORE_VE,
    "score-subvp": SCORE_SUB_VP,
    "edm": edm.FAMILY,
    "flow": rectified_flow.FAMILY,
    "consistency": consistency.FAMILY,
    "latent": latent.FAMILY,
    "words": words.FAMILY,
    "vae": vae.FAMILY,
    "vq-vae": vq_vae.FAMILY,
    "gan": gan.FAMILY,
    "wgan-gp": wgan_gp.FAMILY,
    "r3gan": r3gan.FAMILY,
    "realnvp": REALNVP,
    "glow": GLOW,
    "pixelcnn": pixelcnn.FAMILY,
    "transformer": transformer.FAMILY,
    "energy": energy.FAMILY,
}

__all__ = ["FAMILIES", "Checkpoint", "Family", "Learner", "Likelihood", "Reconstruction", "Shape"]
