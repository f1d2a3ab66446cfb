"""The studios' prompt syntaxes, written as prompts here have them (AUTOMATIC1111's).

Only weights are shared by all. What means something here and nothing there (square brackets, choices,
comments, AND, BREAK) is escaped, so that it stays words. All takes time linear in the text.
"""

import re

MOST = 20_000  # characters that are looked at; a recipe refuses a fifth of that

_OURS = re.compile(r"\\[()]|[\[\]\\#]|\bAND\b|\bBREAK\b|__|<lora:")
_ESCAPED = {"AND": r"A\ND", "BREAK": r"B\REAK", "__": r"\__", "<lora:": r"<\lora:"}
_BRACES = re.compile(r"[{}]")


def weighed(text: str) -> str:
    """ComfyUI's: ``(word)`` and ``(word:1.2)`` as here, everything else is words (comfy/sd1_clip.py)."""
    return _literal(text) if len(text) <= MOST else text


def _literal(text: str, escape_round: bool = False) -> str:
    escaped = _OURS.sub(lambda m: m[0] if m[0] in (r"\(", r"\)") else _ESCAPED.get(m[0], "\\" + m[0]), text)
    if escape_round:
        escaped = re.sub(r"(?<!\\)[()]", r"\\\g<0>", escaped)
    return _BRACES.sub(r"\\\g<0>", escaped) if "|" in escaped else escaped


_COMPEL = re.compile(
    r"\\[()]|\(|\)(?P<group>\+{1,20}|-{1,20}|\d{1,3}(?:\.\d{1,6})?|\.\d{1,6})?"
    r"|(?P<word>[^\s()\\+,]{1,60}?)(?P<marks>\+{1,20}|-{1,20})(?=[\s,.;:)]|$)|\s+|[^\s()\\]{1,60}|\\"
)
CONJUNCTIONS = re.compile(r"\)\.(?:and|blend)\(|\.swap\(")


def compel(text: str) -> str:
    """InvokeAI's: ``word++``, ``(some words)1.3`` and ``(some words)--``, each + 1.1 and each - 0.9
    (https://invoke-ai.github.io/InvokeAI/features/PROMPTS). Brackets without a weight only group."""
    if len(text) > MOST:
        return text
    out: list[str] = []
    opened: list[int] = []  # where in ``out``
    for match in _COMPEL.finditer(text):
        piece = match[0]
        if piece == "(":
            opened.append(len(out))
            out.append(r"\(")
        elif piece.startswith(")"):
            out.append(_closed(out, opened, match["group"]))
        elif match["marks"]:
            out.append(f"({_literal(match['word'])}:{_marks(match['marks'])})")
        else:
            out.append(_literal(piece))
    return "".join(out)


def _closed(out: list[str], opened: list[int], weight: str | None) -> str:
    if not opened:
        return r"\)" + (weight or "")
    out[opened.pop()] = "(" if weight else ""
    if not weight:
        return ""
    return f":{_marks(weight) if weight[0] in '+-' else weight})"


def _marks(marks: str) -> str:
    factor = 1.1 if marks[0] == "+" else 0.9
    return f"{factor ** len(marks):.4g}"


_BRACKETS = re.compile(
    r"(?P<number>-?\d{1,3}(?:\.\d{1,4})?)::|::|[{}\[\]]|[()]|[^{}\[\]():\d-]+|.", re.DOTALL
)
_STRONGER = {"{": 1.05, "[": 1 / 1.05}
_CLOSES = {"}": "{", "]": "[", "::": "::"}


def curly(text: str) -> str:
    """NovelAI's: ``{stronger}`` by 1.05, ``[weaker]`` by 1/1.05, ``1.3::this strong::``
    (https://docs.novelai.net/image/strengthening-weakening). Round brackets are characters."""
    if len(text) > MOST:
        return text
    out: list[str] = []
    opened: list[tuple[str, int, str]] = []  # (which, where in ``out``, weight)
    for match in _BRACKETS.finditer(text):
        piece = match[0]
        if match["number"] or piece in _STRONGER:
            weight = match["number"] or f"{_STRONGER[piece]:.4g}"
            opened.append(("::" if match["number"] else piece, len(out), weight))
            out.append(_literal(piece))
        elif piece in _CLOSES and opened and opened[-1][0] == _CLOSES[piece]:
            _, at, weight = opened.pop()
            out[at] = "("
            out.append(f":{weight})")
        else:
            out.append(_literal(piece, escape_round=True))
    return "".join(out)


_TAG = re.compile(r"<(?P<name>[a-z]{2,24})(?:\[(?P<at>[^\]<>]{0,12})\])?(?::(?P<inner>[^<>]{0,4000}))?>")


def tags(text: str) -> tuple[str, list[str]]:
    """SwarmUI's ``<break>``, ``<alternate:a, b>`` and ``<fromto[0.5]:a, b>`` (its Prompt Syntax.md); also
    every other tag, which is left out. A tag that begins a part of its own takes its words along."""
    if len(text) > MOST:
        return text, []
    told: list[str] = []
    out: list[str] = []
    at = 0
    for match in _TAG.finditer(text):
        out.append(_literal(text[at : match.start()]))
        at = match.end()
        name, inner = match["name"], match["inner"] or ""
        parts = [_literal(part.strip()) for part in re.split(r"\|\||\||,", inner)]
        if name == "break":
            out.append("BREAK")
        elif name in ("alternate", "alt") and len(parts) > 1:
            out.append(f"[{'|'.join(parts)}]")
        elif (
            name == "fromto" and len(parts) == 2 and re.fullmatch(r"\d?\.\d{1,4}|\d{1,3}", match["at"] or "")
        ):
            out.append(f"[{':'.join(parts)}:{match['at']}]")
        elif name in ("segment", "object", "region", "refiner", "video", "base"):
            told.append(text[match.start() :])
            return "".join(out).strip(), told
        elif name != "comment":
            told.append(match[0])
    return "".join(out) + _literal(text[at:]), told
