"""From a picture to what a ControlNet reads: edges, lines, depths ... by the detectors of controlnet-aux.

Three run by themselves; the others need weights of the Hugging Face hub, which are fetched only where that is
asked for. Knows no ControlNets and no recipes.
"""

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from models.torchvision_guard import guard_torchvision

REPOSITORY = "lllyasviel/Annotators"
MULTIPLE = 64  # to which the detectors stretch the sides of a picture; one that has it stays as it is
_DRAWING_LOTS = threading.Lock()


@dataclass(frozen=True)
class Preprocessor:
    """A detector of controlnet-aux, and what it takes."""

    name: str
    label: str
    help: str
    detector: str
    weights: Mapping[str, int] = field(default_factory=dict)  # file of ``REPOSITORY`` -> megabytes, about
    settings: Mapping[str, Any] = field(default_factory=dict)

    def missing(self) -> tuple[str, ...]:
        """The files that are not on this machine."""
        from huggingface_hub import try_to_load_from_cache

        return tuple(f for f in self.weights if not isinstance(try_to_load_from_cache(REPOSITORY, f), str))


_SKETCH = {"sk_model.pth": 17, "sk_model2.pth": 17}
_BODY = {"body_pose_model.pth": 209, "hand_pose_model.pth": 147, "facenet.pth": 154}
PREPROCESSORS: dict[str, Preprocessor] = {one.name: one for one in (
    Preprocessor("canny", "Canny", "Hard edges, white on black.", "CannyDetector"),
    Preprocessor("lineart-standard", "Line art (standard)", "Soft lines, without weights.",
                 "LineartStandardDetector"),
    Preprocessor("shuffle", "Content shuffle", "Colours and shapes in disorder.", "ContentShuffleDetector"),
    Preprocessor("lineart", "Line art (realistic)", "Lines as an artist would draw them.", "LineartDetector",
                 _SKETCH),
    Preprocessor("lineart-coarse", "Line art (coarse)", "Fewer lines.", "LineartDetector", _SKETCH,
                 {"coarse": True}),
    Preprocessor("lineart-anime", "Line art (anime)", "Lines of drawn pictures.", "LineartAnimeDetector",
                 {"netG.pth": 218}),
    Preprocessor("softedge-hed", "Soft edges (HED)", "Edges by how strong they are.", "HEDdetector",
                 {"ControlNetHED.pth": 30}),
    Preprocessor("softedge-pidinet", "Soft edges (PiDiNet)", "Edges by how strong they are.",
                 "PidiNetDetector", {"table5_pidinet.pth": 3}),
    Preprocessor("scribble-hed", "Scribble (HED)", "A few thick lines.", "HEDdetector",
                 {"ControlNetHED.pth": 30}, {"scribble": True}),
    Preprocessor("depth-midas", "Depth (MiDaS)", "Near is bright.", "MidasDetector",
                 {"dpt_hybrid-midas-501f0c75.pt": 493}),
    Preprocessor("depth-leres", "Depth (LeReS)", "Near is bright.", "LeresDetector",
                 {"res101.pth": 531, "latest_net_G.pth": 318}),
    Preprocessor("normal-bae", "Normals (BAE)", "Which way surfaces look.", "NormalBaeDetector",
                 {"scannet.pt": 291}),
    Preprocessor("mlsd", "Straight lines (M-LSD)", "For rooms and houses.", "MLSDdetector",
                 {"mlsd_large_512_fp32.pth": 7}),
    Preprocessor("openpose", "Pose (OpenPose)", "Bodies as coloured sticks.", "OpenposeDetector", _BODY),
    Preprocessor("openpose-full", "Pose, hands and face", "Bodies, hands and faces.", "OpenposeDetector",
                 _BODY, {"include_hand": True, "include_face": True}),
)}  # fmt: skip


def preprocess(picture: Image.Image, name: str, *, seed: int = 0, download: bool = False) -> Image.Image:
    """What the preprocessor ``name`` of ``PREPROCESSORS`` makes of ``picture``: RGB, of the same size.

    ``seed`` decides what is left to chance (the shuffle). Weights that are not on this machine are fetched if
    ``download`` is true and ``HF_HUB_OFFLINE`` is not set. Raises ``ValueError``.
    """
    if name not in PREPROCESSORS:
        raise ValueError(f"Preprocessor: got {name[:40]!r}; allowed: {', '.join(PREPROCESSORS)}.")
    wanted = PREPROCESSORS[name]
    if missing := wanted.missing():
        _fetch(wanted, missing, download)
    guard_torchvision()
    detect = _detector(wanted)
    values = np.asarray(picture.convert("RGB"))
    height, width = values.shape[:2]
    spare = [(0, -side % MULTIPLE) for side in (height, width)]
    padded = np.pad(values, [*spare, (0, 0)], mode="edge")  # no stretching, and no edge where there is none
    with _DRAWING_LOTS:  # controlnet-aux draws from NumPy's own generator, which is everybody's
        before = np.random.get_state()
        np.random.seed(seed % 2**32)
        try:
            made = detect(Image.fromarray(padded), min(padded.shape[:2]))
        finally:
            np.random.set_state(before)
    return made.convert("RGB").resize((padded.shape[1], padded.shape[0])).crop((0, 0, width, height))


def _detector(wanted: Preprocessor) -> Callable[[Image.Image, int], Image.Image]:
    """Runs it on a picture whose shorter side is the number given."""
    with warnings.catch_warnings():  # of libraries about each other
        warnings.simplefilter("ignore")
        import controlnet_aux

    kind: Any = getattr(controlnet_aux, wanted.detector)
    made = kind.from_pretrained(REPOSITORY, local_files_only=True) if wanted.weights else kind()

    def detect(picture: Image.Image, side: int) -> Image.Image:
        sizes = {"detect_resolution": side}
        if wanted.detector != "LineartStandardDetector":  # gives the size that it got
            sizes["image_resolution"] = side
        return made(picture, **sizes, **wanted.settings, output_type="pil")

    return detect


def _fetch(wanted: Preprocessor, missing: tuple[str, ...], download: bool) -> None:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    size = sum(wanted.weights[file] for file in missing)
    needs = (
        f"{wanted.name!r} needs {', '.join(missing)} of {REPOSITORY} (about {size} MB), not on this machine"
    )
    if constants.HF_HUB_OFFLINE:
        raise ValueError(f"Preprocessor: {needs}, and HF_HUB_OFFLINE is set.")
    if not download:
        raise ValueError(f"Preprocessor: {needs}; allowed: to fetch it (--download, or download=True).")
    try:
        for file in missing:
            hf_hub_download(REPOSITORY, file)
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(f"Preprocessor: {needs}, and it could not be fetched: {error}") from error
