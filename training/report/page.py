"""A comparison as one HTML file that needs nothing beside it: pictures are inside, all text is escaped."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from training.report.comparison import Comparison
from training.report.plots import plots

TEMPLATE = Path(__file__).with_name("page.html")
PLOTS = {
    "quality-flops": "Quality against the work of training",
    "quality-milliseconds": "Quality against the time for one picture",
    "quality-parameters": "Quality against the number of parameters",
    "curves": "Learning curves: the loss, whose meaning differs from family to family",
}


def page(comparison: Comparison) -> str:
    """The whole document."""
    return _rendered(comparison, whole=True)


def part(comparison: Comparison) -> str:
    """The same for the inside of another page: no head, styles scoped to its own element."""
    return _rendered(comparison, whole=False)


def _rendered(comparison: Comparison, whole: bool) -> str:
    environment = Environment(loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True)
    drawn = plots(comparison)
    return environment.get_template(TEMPLATE.name).render(
        comparison=comparison,
        tables=[comparison.figures_table(), comparison.verdicts(), *comparison.extra],
        plots=[(title, _uri(drawn[name])) for name, title in PLOTS.items() if name in drawn],
        image=_inlined,
        whole=whole,
    )


def _inlined(image: Image.Image) -> str:
    return _uri(png(image))


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _uri(data: bytes) -> str:
    return "data:image/png;base64," + b64encode(data).decode()
