"""ComfyUI: from the picture back through the graph to what decided it (nodes.py, comfy_extras/).

Of the passes behind a picture the first is taken over, which draws from noise; the others are told, and so is
every node on the way that has no equal here. Weights in prompts count differently there: this is said.
"""

import re
from collections.abc import Mapping

from gallery.studios import comfyui_graph, comfyui_passes, names
from gallery.studios.comfyui_graph import Graph, Link, Node, behind, literal, settings
from gallery.studios.comfyui_parts import Part, conditioning, models
from gallery.studios.reading import NotUnderstood, Reading, json_object, model_name, number, whole

NAME = "ComfyUI"

MOST_PASSES = 16  # behind one picture; two are usual
SAMPLING = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
_LATENTS = frozenset({
    "latent_image", "samples", "latent", "pixels", "image", "images", "samples_to", "samples_from",
    "any", "input", "",
})  # fmt: skip
# Nodes with a schedule of their own -> ours; those whose numbers may differ from the model's tell them.
SCHEDULERS = {
    "KarrasScheduler": "karras", "ExponentialScheduler": "exponential", "PolyexponentialScheduler":
    "polyexponential", "BetaSamplingScheduler": "beta",
}  # fmt: skip
AYS = {"SD1": "ays-sd15", "SDXL": "ays-sdxl"}
_USUAL = {
    "sigma_max": 14.614642,
    "sigma_min": 0.0291675,
    "rho": (7, 1),
    "alpha": 0.6,
    "beta": 0.6,
    "s_noise": 1,
}
SAMPLERS = {
    "SamplerEulerAncestral": "euler-a", "SamplerDPMPP_SDE": "dpmpp-sde", "SamplerDPMPP_2M_SDE":
    "dpmpp-2m-sde", "SamplerDPMPP_3M_SDE": "dpmpp-3m-sde", "SamplerLMS": "lms",
    "SamplerDPMPP_2S_Ancestral": "dpmpp-2s-a",
}  # fmt: skip
_NUMBERS = ("value", "int", "float", "number", "seed", "noise_seed", "Number", "Value", "a")
_QUIET = frozenset({  # they change no pixel of what a recipe makes
    "SaveImage", "PreviewImage", "SaveAnimatedWEBP", "SaveImageWebsocket", "VAEDecode", "VAEDecodeTiled",
    "VAELoader", "ControlNetLoader", "DiffControlNetLoader", "Reroute", "PrimitiveNode", "PrimitiveInt",
    "PrimitiveFloat", "PrimitiveString", "PrimitiveStringMultiline", "PrimitiveBoolean", "Note",
    "MarkdownNote",
})  # fmt: skip


def read(texts: Mapping[str, str]) -> Reading | None:
    if "prompt" in texts and texts["prompt"].lstrip().startswith("{"):
        graph = comfyui_graph.from_prompt(json_object(texts["prompt"], "ComfyUI prompt"))
        if graph or "workflow" not in texts:
            return _from_graph(graph)
    if "workflow" in texts and texts["workflow"].lstrip().startswith("{"):
        return _from_graph(comfyui_graph.from_workflow(json_object(texts["workflow"], "ComfyUI workflow")))
    return None


def _from_graph(graph: Graph) -> Reading:
    output, sampler = _drawn_by(graph)
    reading = Reading(NAME)
    seen = {output.id}
    later, first = _passes(graph, sampler)
    second = comfyui_passes.second(graph, later, first)
    for node in later if second is None else ():
        reading.note(f"Not restored: a later pass ({settings(node)}) has no equal here.")
    for node in later:
        seen |= {node.id, *(each.id for each in behind(graph, node, _OF_SAMPLING))}
    seen.add(first.id)
    _sampling(reading, graph, first, seen)
    _size(reading, graph, first, seen)
    _vae(reading, graph, output, seen)
    if second is not None:
        seen |= comfyui_passes.take(reading, graph, second)
    for node in (output, *behind(graph, output)):
        if node.id not in seen and node.kind not in _QUIET:
            reading.note(f"Not restored: {settings(node)} has no equal here.")
    return reading.done()


_OF_SAMPLING = frozenset({
    "guider", "sampler", "sigmas", "noise", "positive", "negative", "conditioning", "model", "clip",
    "control_net",
})  # fmt: skip


def _drawn_by(graph: Graph) -> tuple[Node, Node]:
    """(a node that shows or saves a picture, the sampler that drew it)."""
    ends = [node for node in graph.values() if re.search(r"(Save|Preview)\w*Image|Image\w*Save", node.kind)]
    for end in sorted(ends, key=lambda node: node.kind == "PreviewImage"):
        for node in behind(graph, end):
            if node.kind in SAMPLING:
                return end, node
    for node in graph.values():
        if node.kind in SAMPLING:
            return node, node
    raise NotUnderstood(f"its ComfyUI graph has none of the samplers {', '.join(SAMPLING)}.")


def _passes(graph: Graph, sampler: Node) -> tuple[list[Node], Node]:
    """(the later passes, last first; the first pass) that lead to what ``sampler`` drew.

    Raises NotUnderstood for more than ``MOST_PASSES``.
    """
    later: list[Node] = []
    while True:
        start = Node("", "", {"": sampler.inputs.get("latent_image")})
        before = next((n for n in behind(graph, start, _LATENTS) if n.kind in SAMPLING), None)
        if before is None or before is sampler or before in later:
            return later, sampler
        if len(later) == MOST_PASSES:
            raise NotUnderstood(f"its ComfyUI graph draws in more than {MOST_PASSES} passes.")
        later.append(sampler)
        sampler = before


def _sampling(reading: Reading, graph: Graph, node: Node, seen: set[str]) -> None:
    """What a pass is drawn with, whether its settings are its own or of nodes around it."""
    part = Part(reading, graph, seen)
    guider = part.source(node, "guider") or node
    noise = part.source(node, "noise") or node
    sampler = part.source(node, "sampler")
    sigmas = part.source(node, "sigmas")
    seed_name = "seed" if "seed" in noise.inputs else "noise_seed"
    _take(part, noise, seed_name, "seed", whole)
    _take(part, guider, "cfg", "guidance", number)
    if guider.kind == "BasicGuider":
        reading.values["guidance"] = 1.0
    elif guider.kind not in ("CFGGuider", *SAMPLING):
        reading.note(f"Not restored: {settings(guider)} has no equal here.")
    if sampler is None:
        _take(part, node, "sampler_name", "sampler", names.sampler)
    else:
        _sampler_node(part, sampler)
    _schedule_node(part, sigmas or node)
    _limits(reading, node)
    models(part, guider if guider.inputs.get("model") else sigmas or node)
    words = {"positive": "prompt", "conditioning": "prompt", "negative": "negative"}
    for name, word in words.items():
        if isinstance(link := guider.inputs.get(name), Link):
            reading.values[word] = conditioning(part, link, word)
    if any(re.search(r"(?<!\\)\(", str(reading.values.get(word, ""))) for word in ("prompt", "negative")):
        reading.note("Weights in the prompt: ComfyUI reckons them otherwise; the picture differs a little.")


def _take(part: Part, node: Node, name: str, word: str, convert: object) -> None:
    if name in node.inputs and callable(convert):
        value = literal(part.graph, node, name, _NUMBERS)
        part.reading.take(word, convert(value), name, "from another node" if value is None else value)
        if isinstance(link := node.inputs[name], Link):
            part.mark(link)


def _sampler_node(part: Part, node: Node) -> None:
    if node.kind == "KSamplerSelect":
        return _take(part, node, "sampler_name", "sampler", names.sampler)
    part.reading.take("sampler", SAMPLERS.get(node.kind), "sampler", node.kind)
    if node.kind in SAMPLERS:
        _take(part, node, "eta", "eta", number)
        _unusual(part.reading, node, ("eta",))
    return None


def _schedule_node(part: Part, node: Node) -> None:
    reading = part.reading
    _take(part, node, "steps", "steps", whole)
    if node.kind in SCHEDULERS:
        reading.values["schedule"] = SCHEDULERS[node.kind]
        _unusual(reading, node, ("steps",))
    elif node.kind == "AlignYourStepsScheduler":
        model_type = node.inputs.get("model_type")
        reading.take("schedule", AYS.get(str(model_type)), "model_type", model_type)
    elif "scheduler" in node.inputs:
        _take(part, node, "scheduler", "schedule", names.schedule)
    else:
        reading.tell("sigmas", settings(node))
    denoise = literal(part.graph, node, "denoise", _NUMBERS)
    if denoise is not None and number(denoise) != 1:
        reading.take("denoise", number(denoise), "denoise", denoise)


def _unusual(reading: Reading, node: Node, known: tuple[str, ...]) -> None:
    for name, value in node.inputs.items():
        usual = _USUAL.get(name)
        same = usual is not None and number(value) in (usual if isinstance(usual, tuple) else (usual,))
        if name not in known and not isinstance(value, Link) and not same:
            reading.tell(f"{node.kind} {name}", value)


def _limits(reading: Reading, node: Node) -> None:
    """Of KSamplerAdvanced and SamplerCustom: a pass that begins late, ends early or adds no noise."""
    steps = whole(node.inputs.get("steps")) or 0
    start, end = whole(node.inputs.get("start_at_step")), whole(node.inputs.get("end_at_step"))
    if start:
        reading.tell("start_at_step", start)
    if end is not None and end < steps:
        reading.tell("end_at_step", end)
    if node.inputs.get("add_noise") in ("disable", False):
        reading.tell("add_noise", "disable")


def _size(reading: Reading, graph: Graph, sampler: Node, seen: set[str]) -> None:
    start = Node("", "", {"": sampler.inputs.get("latent_image")})
    for node in behind(graph, start, _LATENTS):
        if node.kind.startswith("Empty") and "width" in node.inputs:
            part = Part(reading, graph, seen)
            seen.add(node.id)
            _take(part, node, "width", "width", whole)
            _take(part, node, "height", "height", whole)
            if whole(node.inputs.get("batch_size", 1)) != 1:
                reading.tell("batch_size", node.inputs.get("batch_size"))
            return
    reading.note("Size: the graph draws from a picture and names no size.")


def _vae(reading: Reading, graph: Graph, output: Node, seen: set[str]) -> None:
    decoder = next((n for n in (output, *behind(graph, output)) if n.kind.startswith("VAEDecode")), None)
    if decoder is not None and isinstance(link := decoder.inputs.get("vae"), Link):
        loader = graph.get(link.node)
        if loader is not None and loader.kind == "VAELoader":
            seen.add(loader.id)
            reading.take(
                "vae", model_name(loader.inputs.get("vae_name")), "vae_name", loader.inputs.get("vae_name")
            )
