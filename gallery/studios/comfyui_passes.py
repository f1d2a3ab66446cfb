"""A second pass of a ComfyUI graph: one KSampler, on what another drew, enlarged on the way.

Its steps are those that are run, with its denoise's share of the noise (``KSampler.set_steps`` in
comfy/samplers.py).
"""

from typing import NamedTuple

from gallery.studios import hires
from gallery.studios.comfyui_graph import Graph, Link, Node, literal
from gallery.studios.reading import Reading, number, whole

_BY_FACTOR = {"LatentUpscaleBy": "latent", "ImageScaleBy": "pixel"}
_TO_SIZE = {"LatentUpscale": "latent", "ImageScale": "pixel"}
_CODED = ("VAEEncode", "VAEEncodeTiled", "VAEDecode", "VAEDecodeTiled")
_ONWARD = ("samples", "pixels", "image", "latent")
_NUMBERS = ("value", "int", "float", "number", "Number", "Value", "a")
_SAME = ("cfg", "sampler_name", "scheduler", "model", "positive", "negative")  # in both passes


class Second(NamedTuple):
    """The sampler of the pass, the one of the first, and what lies between, nearest first."""

    sampler: Node
    first: Node
    between: tuple[Node, ...]
    enlarges: Node


def second(graph: Graph, later: list[Node], first: Node) -> Second | None:
    """The one later pass, if it is such a one."""
    if len(later) != 1 or {later[0].kind, first.kind} != {"KSampler"}:
        return None
    between: list[Node] = []
    at, link = later[0], later[0].inputs.get("latent_image")
    while isinstance(link, Link) and (found := graph.get(link.node)) is not None:
        at = found
        if at.id == first.id or at in between:
            break
        between.append(at)
        link = next((at.inputs[name] for name in _ONWARD if isinstance(at.inputs.get(name), Link)), None)
    enlarging = [node for node in between if node.kind in _BY_FACTOR | _TO_SIZE]
    others = [node for node in between if node not in enlarging and node.kind not in (*_CODED, "Reroute")]
    if at.id != first.id or len(enlarging) != 1 or others:
        return None
    return Second(later[0], first, tuple(between), enlarging[0])


def take(reading: Reading, graph: Graph, found: Second) -> set[str]:
    """Take the pass over; returns the ids of nodes that need no telling any more. The first pass must be in
    ``reading`` already."""
    node, enlarges = found.sampler, found.enlarges
    kind = (_BY_FACTOR | _TO_SIZE)[enlarges.kind]
    denoise = number(literal(graph, node, "denoise", _NUMBERS))
    run = whole(literal(graph, node, "steps", _NUMBERS))
    second = hires.Pass(_scale(reading, graph, enlarges), denoise, hires.steps_of(run, denoise))
    said = {f"{node.kind} denoise": denoise, f"{node.kind} steps": run}
    said |= {f"{enlarges.kind} {name}": value for name, value in enlarges.inputs.items()
             if name in ("width", "height", "scale_by") and not isinstance(value, Link)}  # fmt: skip
    method = enlarges.inputs.get("upscale_method")
    hires.take(reading, second, said, f"{enlarges.kind} upscale_method", f"{kind}-{method}")
    for name in _SAME:
        theirs, first = (literal_or_link(graph, one, name) for one in (node, found.first))
        if theirs != first:
            what = "its own" if isinstance(theirs, Link) else theirs
            reading.tell(f"{name} of the second pass", what)
    return {one.id for one in found.between}


def literal_or_link(graph: Graph, node: Node, name: str) -> object:
    value = literal(graph, node, name, _NUMBERS)
    return node.inputs.get(name) if value is None else value


def _scale(reading: Reading, graph: Graph, enlarges: Node) -> float | None:
    if enlarges.kind in _BY_FACTOR:
        return number(literal(graph, enlarges, "scale_by", _NUMBERS))
    first = [whole(reading.values.get(side)) for side in ("width", "height")]
    sides = [whole(literal(graph, enlarges, side, _NUMBERS)) for side in ("width", "height")]
    if not all(first) or any(side is None for side in sides):
        return None
    ratios = [side / its for side, its in zip(sides, first, strict=True) if side and its]
    if not ratios:
        return None
    return hires.the_same(*ratios) if len(ratios) == 2 else ratios[0]  # a side of 0 follows the other
