"""The house rules that a reader of one file cannot check: who may import whom, and what nobody may use."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Room -> what it may import from the house, as module prefixes.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "schedulers": (),
    "models": ("schedulers.level", "schedulers.network"),
    "adapters": ("models",),
    "pipelines": ("schedulers", "models", "adapters"),
    "engine": ("pipelines", "models", "adapters", "gallery", "schedulers.level"),
    "gallery": ("pipelines.recipe",),
    "training": ("schedulers", "models", "adapters", "pipelines.recipe"),
    "ui": ("engine", "gallery", "training", "pipelines.recipe"),
}
# Room -> packages it must not know.
MUST_NOT_KNOW: dict[str, tuple[str, ...]] = {
    "schedulers": ("diffusers", "transformers", "gradio", "PIL"),
    "models": ("gradio",),
    "adapters": ("gradio",),
    "pipelines": ("gradio", "threading", "queue", "asyncio"),
    "engine": ("gradio", "diffusers", "transformers"),
    "gallery": ("torch", "diffusers", "transformers", "gradio"),
    "training": ("gradio",),
    "ui": ("torch", "diffusers", "transformers"),
}
NO_ROOM = ("utils", "util", "core", "common", "helpers", "misc", "shared", "tools")
BANNED_MODULES = ("pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib")
BANNED_CALLS = ("torch.load", "numpy.load", "np.load", "yaml.load", "eval", "exec", "compile", "os.system")


def product_files() -> list[Path]:
    rooms = [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]
    return [*rooms, *ROOT.glob("app.py"), *sorted((ROOT / "benchmarks").rglob("*.py"))]


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, typing-only ones too; ``from a.b import c`` gives a.b.c."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, "." * node.level + f"{node.module or ''}.{a.name}") for a in node.names)


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def import_faults(room: str, source: str) -> list[str]:
    """What is wrong with the imports of a file of ``room``; empty when nothing is."""
    faults = []
    for line, name in imports(ast.parse(source)):
        first = name.partition(".")[0]
        if name.startswith("."):
            faults.append(f"line {line}: relative import {name}; write the room's name")
        elif first in MAY_IMPORT and first != room and not within(name, MAY_IMPORT[room]):
            faults.append(
                f"line {line}: {room} must not import {name}; it may import {MAY_IMPORT[room] or 'no room'}"
            )
        elif first in ("app", "tests", "benchmarks"):
            faults.append(f"line {line}: {room} must not import {first}")
        elif within(name, MUST_NOT_KNOW[room]):
            faults.append(f"line {line}: {room} must not know {first}")
    return faults


def safety_faults(source: str) -> list[str]:
    """Uses of what can run code out of data; empty when there are none."""
    tree = ast.parse(source)
    faults = [
        f"line {n}: imports {name}"
        for n, name in imports(tree)
        if within(name, BANNED_MODULES + BANNED_CALLS)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if ast.unparse(node.func) in BANNED_CALLS:
                faults.append(f"line {node.lineno}: calls {ast.unparse(node.func)}")
            for keyword in node.keywords:
                constant = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg == "trust_remote_code" and constant is not False:
                    faults.append(f"line {node.lineno}: trust_remote_code must be the constant False")
    return faults


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_the_table_allows(room: str):
    files = sorted((ROOT / room).rglob("*.py"))
    faults = {named(file): import_faults(room, file.read_text("utf-8")) for file in files}
    assert {file: fault for file, fault in faults.items() if fault} == {}


def test_product_code_runs_nothing_out_of_data():
    faults = {named(file): safety_faults(file.read_text("utf-8")) for file in product_files()}
    assert {file: fault for file, fault in faults.items() if fault} == {}


def test_no_room_is_a_drawer_for_anything():
    names = {path.stem.lower(): named(path) for path in product_files()}
    names |= {
        part.lower(): named(path) for path in product_files() for part in path.relative_to(ROOT).parts[:-1]
    }
    assert {path for name, path in names.items() if name in NO_ROOM} == set()


def test_every_module_says_what_it_is():
    modules = {named(file): ast.parse(file.read_text("utf-8")) for file in product_files()}
    silent = [name for name, module in modules.items() if module.body and not ast.get_docstring(module)]
    assert silent == []


@pytest.mark.parametrize(
    ("room", "source", "word"),
    [
        ("schedulers", "import models", "models"),
        ("schedulers", "def f():\n    from models.parts import Parts", "models"),
        ("models", "from schedulers.samplers import SAMPLERS", "schedulers.samplers"),
        ("gallery", "from pipelines import draw", "pipelines.draw"),
        ("gallery", "import torch.nn", "torch"),
        ("ui", "from torch import Tensor", "torch"),
        ("ui", "from pipelines.txt2img import x", "pipelines.txt2img"),
        ("engine", "import ui", "ui"),
        ("engine", "import app", "app"),
        ("engine", "from .job import Job", "relative"),
    ],
)
def test_the_import_check_sees_a_breach(room: str, source: str, word: str):
    (fault,) = import_faults(room, source)
    assert word in fault


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_the_import_check_passes_what_is_allowed(room: str):
    lines = [f"import {name}" for name in MAY_IMPORT[room]] + [f"from {room}.x import y", "import math"]
    assert import_faults(room, "\n".join(lines)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "from torch import load",
        "torch.load(f)",
        "eval(text)",
        "exec(text)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=flag)",
    ],
)
def test_the_safety_check_sees_a_breach(source: str):
    assert len(safety_faults(source)) == 1


def test_the_safety_check_leaves_methods_alone():
    assert safety_faults("model.eval(); re.compile('x'); json.load(f); f(trust_remote_code=False)") == []
