"""What a pass of a ComfyUI graph reads: the models and LoRAs along ``model``, the words of a conditioning.

A node that is passed on the way and has no equal here is told with its values, and the way goes on behind it.
"""

from dataclasses import dataclass
from typing import Protocol

from gallery.studios import syntax
from gallery.studios.comfyui_graph import Graph, Link, Node, literal, settings
from gallery.studios.reading import Reading, model_name, number, whole

MOST_WORDS = 16  # conditionings that are joined

_CHECKPOINTS = {
    "CheckpointLoaderSimple": "ckpt_name", "CheckpointLoader": "ckpt_name", "UNETLoader": "unet_name",
    "unCLIPCheckpointLoader": "ckpt_name", "UnetLoaderGGUF": "unet_name", "ImageOnlyCheckpointLoader":
    "ckpt_name",
}  # fmt: skip
_LORAS = ("LoraLoader", "LoraLoaderModelOnly")
_CONTROLS = ("ControlNetApply", "ControlNetApplyAdvanced", "ControlNetApplySD3")
_TEXTS = ("text", "value", "string", "text_0", "prompt", "String", "Text", "populated_text", "result")


@dataclass(frozen=True)
class Part:
    """Where to read and what has been; ``seen`` are the ids of nodes that need not be told any more."""

    reading: Reading
    graph: Graph
    seen: set[str]

    def source(self, node: Node, name: str) -> Node | None:
        link = node.inputs.get(name)
        return self.mark(link) if isinstance(link, Link) else None

    def mark(self, link: Link) -> Node | None:
        """The node that ``link`` comes from, behind any that only hand on."""
        been: set[str] = set()
        node = self.graph.get(link.node)
        while node is not None and node.id not in been:
            been.add(node.id)
            self.seen.add(node.id)
            onward = next((v for v in node.inputs.values() if isinstance(v, Link)), None)
            if node.kind != "Reroute" or onward is None:
                return node
            node = self.graph.get(onward.node)
        return None

    def tell(self, node: Node) -> None:
        self.reading.note(f"Not restored: {settings(node)} has no equal here.")


class _Take(Protocol):
    def __call__(self, part: Part, node: Node) -> None: ...


def models(part: Part, node: Node) -> None:
    """From ``node`` back along its model: LoRAs, what changes guidance, the checkpoint."""
    loras: list[Node] = []
    been: set[str] = set()
    at = part.source(node, "model")
    while at is not None and at.id not in been:
        been.add(at.id)
        if at.kind in _CHECKPOINTS:
            name = at.inputs.get(_CHECKPOINTS[at.kind])
            part.reading.take("model", model_name(name), _CHECKPOINTS[at.kind], name)
            break
        if at.kind in _LORAS:
            loras.append(at)
        else:
            _CHANGES.get(at.kind, Part.tell)(part, at)
        at = part.source(at, "model")
    for each in reversed(loras):  # in the order of the graph
        _lora(part.reading, each)


def _lora(reading: Reading, node: Node) -> None:
    strength, on_text = node.inputs.get("strength_model"), node.inputs.get("strength_clip")
    reading.lora(node.inputs.get("lora_name"), strength)
    if on_text is not None and on_text != strength:
        reading.tell(f"strength_clip of {node.inputs.get('lora_name')}", on_text)


def _rescale(part: Part, node: Node) -> None:
    given = node.inputs.get("multiplier")
    part.reading.take("rescale", number(given), "RescaleCFG multiplier", given)


def _perturbed(part: Part, node: Node) -> None:
    given = node.inputs.get("scale")
    part.reading.take("perturbation", number(given), "PerturbedAttentionGuidance scale", given)
    part.reading.values["guidance_rule"] = "pag"


_CHANGES: dict[str, _Take] = {"RescaleCFG": _rescale, "PerturbedAttentionGuidance": _perturbed}


def conditioning(part: Part, link: Link, word: str) -> str:
    """The words behind ``link``, as one prompt. ConditioningCombine draws the mean of its two, which is AND
    with equal shares; ConditioningConcat reads one after the other, which is BREAK."""
    texts = _texts(part, link, word)
    if len(texts) < 2:
        return texts[0] if texts else ""
    if word == "negative":  # AND is a word there
        part.reading.note("Not restored: several negative prompts are combined; the first is taken over.")
        return texts[0]
    share = f"{1 / len(texts):.4g}"
    return " AND ".join(f"{text} :{share}" for text in texts)


def _texts(part: Part, link: Link, word: str) -> list[str]:
    """Of each conditioning that is combined, its words. Walks without recursion: graphs may be deep."""
    found: list[str] = []
    todo, been = [link], set[tuple[str, int]]()
    while todo and len(found) < MOST_WORDS:
        at = todo.pop()
        node = part.mark(at)
        if node is None or (at.node, at.slot) in been:
            continue
        been.add((at.node, at.slot))
        inputs = node.inputs
        if node.kind == "ConditioningCombine":
            todo += [
                value
                for name in ("conditioning_2", "conditioning_1")
                if isinstance(value := inputs.get(name), Link)
            ]
        elif node.kind == "ConditioningConcat":
            found.append(_concatenated(part, node))
        elif node.kind == "ConditioningZeroOut":
            found.append("")
        elif (words := _words(part, node)) is not None:
            found.append(words)
        else:
            _pass(part, node)
            todo += _onward(node, at.slot)
    return found


def _words(part: Part, node: Node) -> str | None:
    """What a node that encodes text encodes; None where it is another node."""
    if "clip" not in node.inputs and not node.kind.startswith("CLIPTextEncode"):
        return None
    names = [
        name for name in ("text", "text_g", "text_l", "clip_l", "t5xxl", "prompt") if name in node.inputs
    ]
    texts = [literal(part.graph, node, name, _TEXTS) for name in names]
    for name in names:
        if isinstance(link := node.inputs[name], Link):
            part.mark(link)
    _clip(part, node)
    said = [text for text in texts if isinstance(text, str)]
    if not said:
        part.tell(node)
        return ""
    for name, text in zip(names[1:], texts[1:], strict=True):
        if text != said[0] and text:
            part.reading.tell(f"{node.kind} {name}", text)
    return syntax.weighed(said[0])


def _clip(part: Part, node: Node) -> None:
    been: set[str] = set()
    at = part.source(node, "clip")
    while at is not None and at.id not in been:
        been.add(at.id)
        if at.kind == "CLIPSetLastLayer":
            given = at.inputs.get("stop_at_clip_layer")
            layer = whole(given)
            part.reading.take("clip_skip", None if layer is None else -layer, "stop_at_clip_layer", given)
        elif at.kind not in _CHECKPOINTS and at.kind not in _LORAS:
            part.tell(at)
        at = part.source(at, "clip")


def _concatenated(part: Part, node: Node) -> str:
    """Of the two, the words of the nearest encoders only: a chain of them is left to be told."""
    said: list[str] = []
    for name in ("conditioning_to", "conditioning_from"):
        source = part.source(node, name)
        words = _words(part, source) if source is not None else None
        if words is None:
            part.tell(source or node)
        else:
            said.append(words)
    return " BREAK ".join(said)


def _pass(part: Part, node: Node) -> None:
    if node.kind not in _CONTROLS:
        return part.tell(node)
    loader = part.source(node, "control_net")
    net = model_name(loader.inputs.get("control_net_name")) if loader else None
    share = [node.inputs.get(name) for name in ("strength", "start_percent", "end_percent")]
    told = ", ".join(str(value)[:20] for value in share if isinstance(value, int | float))
    picture = part.source(node, "image")
    name = picture.inputs.get("image") if picture else None
    part.reading.note(f"Not restored: ControlNet ({str(net)[:60]}, {told}): its picture"
                      f"{f' {name[:60]}' if isinstance(name, str) else ''} is not in the file.")  # fmt: skip
    return None


def _onward(node: Node, slot: int) -> list[Link]:
    """Of a node with both conditionings, the one of that output; else its only one."""
    names = ("positive", "negative")[slot : slot + 1] if "positive" in node.inputs else ("conditioning",)
    names += ("conditioning_to", "conditioning_1")
    return [value for name in names if isinstance(value := node.inputs.get(name), Link)][:1]
