"""What runs here and what is missing, with one sentence of advice for each. Changes nothing.

It knows the machine and the checkout, not the jobs. ``report()`` is what ``make doctor`` prints.
"""

import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch

from models.hardware import best_dtype
from models.torchvision_guard import Torchvision, guard_torchvision

STARTER = Path(__file__).parents[1] / "models" / "starter"
FREE_DISK = 2 << 30  # bytes: room for a model's download and a few thousand pictures


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``advice`` is empty when nothing is missing."""

    name: str
    state: str
    advice: str = ""


def report(home: Path | str = "studio") -> str:
    """Every finding as one line of text each, advice indented below the line it belongs to.

    ``home`` is the folder that keeps the studio's pictures; it need not exist yet.
    """
    lines = []
    for finding in examine(Path(home)):
        lines.append(f"{'!' if finding.advice else '+'} {finding.name:<12} {finding.state}")
        if finding.advice:
            lines.append(f"{'':15}{finding.advice}")
    return "\n".join(lines)


def examine(home: Path) -> list[Finding]:
    """The findings, in the order in which a newcomer needs them."""
    return [
        Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        _torch(),
        _device(),
        _attention(),
        _torchvision(),
        _xformers(),
        _starter(STARTER),
        _home(home),
        _chromium(),
    ]


def _torch() -> Finding:
    pinned = _pin("torch")
    got = torch.__version__
    advice = "" if got.partition("+")[0] == pinned else f"Tested with torch {pinned}: run make setup."
    return Finding("torch", f"{got}, {torch.get_num_threads()} threads", advice)


def _device() -> Finding:
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        return Finding("device", f"cuda: {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        return Finding("device", "mps: Apple GPU")
    dtype = str(best_dtype(torch.device("cpu"))).removeprefix("torch.")
    advice = "" if dtype == "bfloat16" else "This processor has no fast bfloat16, which would be quicker."
    return Finding("device", f"cpu: {torch.backends.cpu.get_cpu_capability()}, draws in {dtype}", advice)


def _attention() -> Finding:
    if not torch.cuda.is_available():
        return Finding("attention", "torch's scaled_dot_product_attention (flash on CPU)")
    cuda = torch.backends.cuda
    backends = {
        "cudnn": cuda.cudnn_sdp_enabled(),
        "flash": cuda.flash_sdp_enabled(),
        "memory-efficient": cuda.mem_efficient_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
    }
    return Finding(
        "attention", "scaled_dot_product_attention: " + ", ".join(k for k, on in backends.items() if on)
    )


def _torchvision() -> Finding:
    advice = {
        Torchvision.ABSENT: "Only some control annotators need it: run make setup.",
        Torchvision.NATIVE: "",
        Torchvision.PYTHON_ONLY: "",  # all that the studio uses
        Torchvision.BLOCKED: f"The studio runs without it; {_pin('torchvision')} would fit this torch.",
    }
    state = guard_torchvision()
    return Finding("torchvision", f"{_installed('torchvision')}, {state}", advice[state])


def _xformers() -> Finding:
    """xformers counts as active only where its operators run: a CUDA device and a loadable extension."""
    gpu = torch.cuda.is_available()
    if find_spec("xformers") is None:
        return Finding(
            "xformers", "not installed, not active (an extra for NVIDIA cards: requirements-cuda.txt)"
        )
    if not gpu:
        return Finding("xformers", f"{_installed('xformers')}, not active: it has no CPU operators")
    try:
        q = torch.zeros(1, 16, 1, 64, device="cuda", dtype=torch.float16)
        import_module("xformers.ops").memory_efficient_attention(q, q, q)
    except Exception as error:  # its import runs compiled code: whatever it raises, it is not active
        advice = (
            f"Reinstall it for this torch: pip install -r requirements-cuda.txt ({type(error).__name__})."
        )
        return Finding("xformers", f"{_installed('xformers')}, not active", advice)
    return Finding("xformers", f"{_installed('xformers')}, active")


def _starter(folder: Path) -> Finding:
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    if size:
        return Finding("starter", f"{size / 1e6:.0f} MB of weights in {folder.parent.name}/{folder.name}")
    return Finding(
        "starter", "missing", "The bundled model is not in this checkout: git pull, or make starter."
    )


def _home(home: Path) -> Finding:
    folder = next(path for path in (home.absolute(), *home.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    state = f"{home}, {free / 2**30:.0f} GiB free"
    if not _writable(folder):
        return Finding("home", f"{home}, not writable", "Set ATELIER_HOME to a folder that you may write to.")
    if free < FREE_DISK:
        return Finding(
            "home", state, f"Less than {FREE_DISK >> 30} GiB are free: pictures may soon fail to save."
        )
    return Finding("home", state)


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _chromium() -> Finding:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return Finding("Chromium", path)
    return Finding("Chromium", "missing", "Only the browser tests need it: apt-get install chromium.")


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _pin(package: str) -> str:
    """The version that requirements.txt names for ``package``."""
    lines = (STARTER.parents[1] / "requirements.txt").read_text("utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(package + "=="))
