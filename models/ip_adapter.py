"""What the header of an IP-Adapter's file tells (arXiv:2308.06721): its make, and whose pictures it reads.

Files are in the published layout: ``image_proj.`` turns what an image encoder sees into tokens,
``ip_adapter.N.`` has the keys and values of the U-Net's attention for them. Reads no weight.
"""

from dataclasses import dataclass

from models.error import ModelError
from models.header import Header

PROJECTION, MAPS = "image_proj.", "ip_adapter."
HEAD = 64  # numbers of one head of the resampler, as in the reference code
WIDEST = 8192  # numbers of anything; ViT-bigG has 1664
OTHERS = {  # a name begins so -> what the file is
    "image_proj.perceiver_resampler.": "an IP-Adapter of faces (FaceID Plus)",
    "image_proj.proj.3.": "an IP-Adapter of whole faces (full face)",
    "image_proj.proj.2.": "an IP-Adapter of faces (FaceID)",
    "image_proj.time_proj": "an IP-Adapter of another family",
}
ENCODERS = {  # (fine, width) -> the image encoder that was trained with, and where it is to be had
    (False, 1024): ("CLIP ViT-H/14", "models/image_encoder of h94/IP-Adapter (2.5 GB)"),
    (True, 1280): ("CLIP ViT-H/14", "models/image_encoder of h94/IP-Adapter (2.5 GB)"),
    (False, 1280): ("CLIP ViT-bigG/14", "sdxl_models/image_encoder of h94/IP-Adapter (3.7 GB)"),
    (True, 1664): ("CLIP ViT-bigG/14", "sdxl_models/image_encoder of h94/IP-Adapter (3.7 GB)"),
}


@dataclass(frozen=True)
class Sight:
    """What an IP-Adapter wants of the image encoder."""

    fine: bool  # its last hidden states but one ("plus"), not its one projected row
    width: int  # of those

    @property
    def missing(self) -> str:
        """What is to be downloaded, in words."""
        what, where = ENCODERS.get((self.fine, self.width), ("", ""))
        if not what:
            of = "hidden states" if self.fine else "projection"
            what, where = f"a CLIP whose {of} have {self.width} numbers", "it"
        return f"{what}, which is not here; download {where} into the studio's folder 'image-encoders'"


@dataclass(frozen=True)
class Make:
    """How the network of ``image_proj.`` is built; ``hidden``, ``heads`` and ``depth`` are a resampler's."""

    sight: Sight
    tokens: int
    text: int  # the width of the text that the U-Net reads beside them
    hidden: int = 0
    heads: int = 0
    depth: int = 0


def recognise_ip_adapter(header: Header) -> Make | None:
    """Its make, or None for what is no IP-Adapter. Raises ``ModelError`` for one of another kind, or where
    the shapes contradict each other."""
    if not (header.has(PROJECTION) and header.has(MAPS)):
        return None
    name = header.file.stem
    for beginning, what in OTHERS.items():
        if header.has(beginning):
            raise ModelError(f"IP-Adapter {name!r} is {what}; allowed: base or plus.")
    try:
        make = _resampler(header) if f"{PROJECTION}latents" in header.shapes else _linear(header)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        make = None
    if make is None or max(make.sight.width, make.text, make.hidden, make.tokens) > WIDEST:
        raise ModelError(f"IP-Adapter {name!r} is built neither as base nor as plus; allowed: one of them.")
    return make


def _linear(header: Header) -> Make:
    """The base: ``ImageProjModel`` of the reference code."""
    rows, width = header.shapes[f"{PROJECTION}proj.weight"]
    [text] = header.shapes[f"{PROJECTION}norm.weight"]
    return Make(Sight(False, width), rows // text, text)


def _resampler(header: Header) -> Make:
    """Plus: ``Resampler`` of the reference code, after Perceiver (arXiv:2103.03206)."""
    _, tokens, hidden = header.shapes[f"{PROJECTION}latents"]
    text, _ = header.shapes[f"{PROJECTION}proj_out.weight"]
    _, width = header.shapes[f"{PROJECTION}proj_in.weight"]
    inner, _ = header.shapes[f"{PROJECTION}layers.0.0.to_q.weight"]
    layers = {n.split(".")[2] for n in header.shapes if n.startswith(f"{PROJECTION}layers.")}
    return Make(Sight(True, width), tokens, text, hidden, inner // HEAD, len(layers))
