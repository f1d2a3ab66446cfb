"""Which parts a model of each pipeline has, as its configs in diffusers' folder layout name them."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from models.defaults import read_json
from models.error import ModelError


class EncoderPlace(NamedTuple):
    """Where a text encoder and its tokenizer are, and whether its pooled text is wanted."""

    network: str
    tokenizer: str
    pooled: bool = False


FIRST = EncoderPlace("text_encoder", "tokenizer")
SECOND = EncoderPlace("text_encoder_2", "tokenizer_2", pooled=True)
ENCODERS = {
    "StableDiffusionPipeline": (FIRST,),
    "StableDiffusionInpaintPipeline": (FIRST,),
    "StableDiffusionXLPipeline": (FIRST, SECOND),
    "StableDiffusionXLInpaintPipeline": (FIRST, SECOND),
}
BY_WIDTH = {768: "stable-diffusion-1", 1024: "stable-diffusion-2"}  # of the text that attention reads


@dataclass(frozen=True)
class Layout:
    family: str
    encoders: tuple[EncoderPlace, ...]

    @property
    def penultimate(self) -> bool:
        """Whether text is taken from the last layer but one (arXiv:2307.01952, sec. 2.1)."""
        return len(self.encoders) > 1

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its folders."""
        texts = (name for place in self.encoders for name in (place.network, place.tokenizer))
        return (*texts, "unet", "vae", "scheduler")


def read_layout(configs: Path) -> Layout:
    """From ``model_index.json``, and the U-Net's config. Raises ``ModelError``."""
    index = configs / "model_index.json"
    if not index.exists():
        raise ModelError(
            f"Folder {str(configs)!r} has no model_index.json; allowed: diffusers' folder layout."
        )
    name = read_json(index).get("_class_name")
    if name not in ENCODERS:
        raise ModelError(f"Folder {str(configs)!r} holds a {name}; allowed: {', '.join(ENCODERS)}.")
    layout = Layout("stable-diffusion-xl", ENCODERS[name])
    if missing := [part for part in layout.parts if not (configs / part).is_dir()]:
        raise ModelError(
            f"Folder {str(configs)!r} lacks {', '.join(missing)}; allowed: all of {', '.join(layout.parts)}."
        )
    if len(layout.encoders) > 1:
        return layout
    width = read_json(configs / "unet" / "config.json").get("cross_attention_dim")
    return Layout(BY_WIDTH.get(width, "stable-diffusion"), layout.encoders)  # type: ignore[arg-type]
