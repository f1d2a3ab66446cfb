"""The graph inside ComfyUI's files: ``prompt`` (what was run) or ``workflow`` (what was on the canvas).

Only nodes and links are known here, not what they mean. A graph may have cycles, and links to nowhere; every
walk visits a node once.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gallery.studios.reading import NotUnderstood

MOST_NODES = 5000

# The widgets of nodes in their order on the canvas, for workflows; "" is what decides nothing.
WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler",
    "start_at_step", "end_at_step", "return_with_leftover_noise"), "SamplerCustom": ("add_noise",
    "noise_seed", "", "cfg"), "RandomNoise": ("noise_seed", ""), "CFGGuider": ("cfg",),
    "KSamplerSelect": ("sampler_name",), "SamplerEulerAncestral": ("eta", "s_noise"), "BasicScheduler":
    ("scheduler", "steps", "denoise"), "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "ExponentialScheduler": ("steps", "sigma_max", "sigma_min"), "PolyexponentialScheduler": ("steps",
    "sigma_max", "sigma_min", "rho"), "BetaSamplingScheduler": ("steps", "alpha", "beta"),
    "SDTurboScheduler": ("steps", "denoise"), "AlignYourStepsScheduler": ("model_type", "steps",
    "denoise"), "CLIPTextEncode": ("text",), "CLIPTextEncodeSDXL": ("width", "height", "crop_w",
    "crop_h", "target_width", "target_height", "text_g",                            "text_l"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",), "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"), "UNETLoader": ("unet_name", "weight_dtype"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"), "LoraLoaderModelOnly": ("lora_name",
    "strength_model"), "VAELoader": ("vae_name",), "EmptyLatentImage": ("width", "height",
    "batch_size"), "EmptySD3LatentImage": ("width", "height", "batch_size"), "ControlNetLoader":
    ("control_net_name",), "ControlNetApply": ("strength",), "ControlNetApplyAdvanced": ("strength",
    "start_percent", "end_percent"), "RescaleCFG": ("multiplier",), "PerturbedAttentionGuidance":
    ("scale",), "PrimitiveNode": ("value",), "PrimitiveInt": ("value",), "PrimitiveFloat": ("value",),
    "PrimitiveString": ("value",), "PrimitiveStringMultiline": ("value",), "LoadImage": ("image",),
}  # fmt: skip
_BYPASSED = (2, 4)  # "mode" of a node that is muted or passed by


@dataclass(frozen=True)
class Node:
    """``inputs``: name -> a value, or a ``Link``."""

    id: str
    kind: str
    inputs: "Mapping[str, object]"


@dataclass(frozen=True)
class Link:
    """Where an input comes from: a node's id and the number of its output."""

    node: str
    slot: int


Graph = Mapping[str, Node]


def from_prompt(values: Mapping[str, Any]) -> Graph:
    """The nodes of the ``prompt`` text: id -> {class_type, inputs}, where a link is [id, slot]."""
    nodes: dict[str, Node] = {}
    for node_id, given in list(values.items())[: MOST_NODES + 1]:
        if not isinstance(given, dict) or not isinstance(given.get("class_type"), str):
            continue
        inputs = given.get("inputs")
        read = (
            {str(name): _input(value) for name, value in inputs.items()} if isinstance(inputs, dict) else {}
        )
        nodes[node_id] = Node(node_id, given["class_type"], read)
    return _checked(nodes)


def from_workflow(values: Mapping[str, Any]) -> Graph:
    """The nodes of the ``workflow`` text, whose widgets are a list, and whose links a table of their own."""
    links = {
        link[0]: Link(str(link[1]), _slot(link[2])) for link in _lists(values.get("links")) if _is_id(link[0])
    }
    nodes: dict[str, Node] = {}
    for given in _dicts(values.get("nodes"))[: MOST_NODES + 1]:
        kind, node_id = given.get("type"), given.get("id")
        if not isinstance(kind, str) or not _is_id(node_id) or given.get("mode") in _BYPASSED:
            continue
        inputs: dict[str, object] = dict(_widgets(kind, given.get("widgets_values")))
        for each in _dicts(given.get("inputs")):
            link = each.get("link")
            if _is_id(link) and link in links:
                inputs[str(each.get("name"))] = links[link]
        nodes[str(node_id)] = Node(str(node_id), kind, inputs)
    return _checked(nodes)


def _widgets(kind: str, values: object) -> Iterator[tuple[str, object]]:
    if isinstance(values, dict):
        yield from ((str(name), value) for name, value in values.items())
    elif isinstance(values, list):
        names = WIDGETS.get(kind, tuple(f"value {k + 1}" for k in range(len(values))))
        yield from ((name, value) for name, value in zip(names, values, strict=False) if name)


def _checked(nodes: dict[str, Node]) -> Graph:
    if len(nodes) > MOST_NODES:
        raise NotUnderstood(f"its ComfyUI graph has more than {MOST_NODES} nodes.")
    return nodes


def _input(value: object) -> object:
    """A link, or the value as it is; newer front ends wrap lists that are no links."""
    if isinstance(value, list) and len(value) == 2 and _is_id(value[0]) and isinstance(value[1], int):
        return Link(str(value[0]), value[1])
    if isinstance(value, dict) and set(value) == {"__value__"}:
        return value["__value__"]
    return value


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _slot(value: object) -> int:
    return value if isinstance(value, int) else 0


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _lists(value: object) -> list[list[Any]]:
    return (
        [each for each in value if isinstance(each, list) and len(each) >= 5]
        if isinstance(value, list)
        else []
    )


def links(node: Node) -> Iterator[tuple[str, Link]]:
    """(name, link) of the inputs that come from other nodes."""
    yield from ((name, value) for name, value in node.inputs.items() if isinstance(value, Link))


def behind(graph: Graph, node: Node, through: frozenset[str] | None = None) -> Iterator[Node]:
    """The nodes that ``node`` is made of, nearest first, each once; only by inputs ``through`` if given."""
    seen, todo = {node.id}, deque([node])
    while todo:
        for name, link in links(todo.popleft()):
            found = graph.get(link.node)
            if found is not None and found.id not in seen and (through is None or name in through):
                seen.add(found.id)
                todo.append(found)
                yield found


def literal(graph: Graph, node: Node, name: str, also: tuple[str, ...]) -> object:
    """The value of an input; other nodes may hand it on, and call it ``name`` or one of ``also``."""
    seen: set[str] = set()
    value = node.inputs.get(name)
    while isinstance(value, Link):
        source = graph.get(value.node)
        if source is None or source.id in seen:
            return None
        seen.add(source.id)
        value = next((source.inputs[key] for key in (name, *also) if key in source.inputs), None)
    return value


def settings(node: Node) -> str:
    """A node and its own values, as a line shows them."""
    values = [
        f"{name} {value}"[:60] for name, value in node.inputs.items() if isinstance(value, str | int | float)
    ]
    return f"{node.kind[:60]}: {', '.join(values[:6])}" if values else node.kind[:60]
