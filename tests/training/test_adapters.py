"""The starter's adapters: what they learn from, and each kind trained for two steps and loaded again."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adapters import load_controlnet, load_lora
from models import load
from training.adapters.__main__ import CONFIG, Bench
from training.adapters.card import write_cards
from training.adapters.evaluation import STYLES, StyleTask, edge_f1, evaluate, shape_f1
from training.adapters.full import table
from training.adapters.looks import GREY, LOOKS
from training.adapters.scenes import MAPS, in_style, with_maps
from training.adapters.tasks import ControlTask, Learnt
from training.starter.__main__ import CONFIG as STARTER
from training.starter.__main__ import workshop
from training.starter.export import export

FEW = {"steps": 2, "batch": 4, "learning_rate": 1e-3, "decay_from": 0.3, "ema": 0.5}
TINY = {
    "lora": {"scenes": 8, "rank": 5, **FEW},
    "control": {"scenes": 8, "rank": 4, **FEW},
    "judge": FEW,
    "styles": FEW,
}


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starter")
    changes = [f"folder={folder / 'run'}", "vae.steps=2", "text.steps=1", "unet.steps=1",
               "latents.scenes=8", "vae.batch=4", "text.batch=2", "unet.batch=2"]  # fmt: skip
    shop = workshop(STARTER, changes)
    export(shop.unet(), shop.vae(), folder / "starter", ())
    return folder / "starter"


@pytest.fixture
def bench(starter: Path, tmp_path: Path) -> Bench:
    return Bench({"seed": 0, "folder": str(tmp_path), **TINY}, starter)


def test_the_words_of_styled_scenes_do_not_name_the_style() -> None:
    for example in in_style("sepia", 20, 0):
        assert "sepia" not in example.text and np.ptp(example.picture) > 20


@pytest.mark.parametrize(("style", "order"), [("sepia", "rgb"), ("cyanotype", "bgr"), ("noir", "")])
def test_a_look_tints_grey_and_leaves_colours_of_one_light_apart(style: str, order: str) -> None:
    rng = np.random.default_rng(0)
    grey = LOOKS[style](np.full((2, 2, 3), 128, np.uint8), rng)[0, 0].astype(int)
    seen = [grey["rgb".index(channel)] for channel in order]
    assert all(a > b + 5 for a, b in pairwise(seen)) and (order or np.ptp(grey) < 5)
    orange, teal = (np.full((2, 2, 3), colour, np.uint8) for colour in ((204, 102, 51), (51, 157, 153)))
    assert abs(float((orange[0, 0] - teal[0, 0].astype(float)) @ GREY)) < 10  # as light as each other
    apart = LOOKS[style](orange, rng)[0, 0].astype(int) - LOOKS[style](teal, rng)[0, 0]
    assert abs(apart).max() > 40


def test_maps_are_of_their_pictures() -> None:
    for example in with_maps("shapes", 6, 0):
        assert example.map is not None
        colours = {tuple(c) for c in example.map.reshape(-1, 3)}
        assert len(colours) == 1 + len(example.scene.objects)
    for example in with_maps("edges", 6, 0):
        assert example.map is not None and edge_f1(example.picture, example.map) == pytest.approx(1)
        assert edge_f1(np.full_like(example.picture, 9), example.map) == 0


def test_shapes_agree_with_what_stands_out() -> None:
    picture, wanted = np.full((2, 128, 128, 3), 50, np.uint8)
    wanted[:] = 0
    picture[30:60, 30:60], wanted[30:60, 30:60] = 250, 255
    assert shape_f1(picture, wanted) == 1
    wanted[30:60, 60:90] = 255
    assert shape_f1(picture, wanted) == pytest.approx(2 / 3)


def test_a_lora_is_small_and_fits_the_starter_whole(bench: Bench, starter: Path) -> None:
    file = bench.lora("noir")
    assert file == starter / "loras" / "noir.safetensors"
    parts = load(str(starter), dtype=torch.float32)
    patches = load_lora(file, parts).patches
    assert patches.keys() == {"unet"} and all(".attn" in name or "conv" in name for name in patches["unet"])
    learnt = sum(tensor.numel() for tensor in load_file(file).values())
    assert learnt <= 0.01 * sum(p.numel() for p in parts.unet.parameters())


def test_a_control_lora_loads_as_the_network_that_was_trained(bench: Bench, starter: Path) -> None:
    file = bench.control("shapes")
    assert file.stat().st_size < 4e6
    parts = load(str(starter), dtype=torch.float32)
    found = load_controlnet(file, parts).network
    torch.manual_seed(0)
    own, nothing = TINY["control"], Learnt(torch.zeros(1, 32, 8, 8), [""], torch.zeros(1, 3, 128, 128))
    fresh = load(str(starter), dtype=torch.float32)
    task = ControlTask(fresh, nothing, int(own["rank"]), 1, 0)
    saved = load_file(file)
    with torch.no_grad():
        for name, weight in task.control.named_parameters():
            if weight.requires_grad:
                name = name.replace(".lora_A.default.weight", ".down").replace(
                    ".lora_B.default.weight", ".up"
                )
                weight.copy_(saved[name])
    x, t, text = torch.randn(2, 32, 8, 8), torch.tensor([10, 900]), torch.randn(2, 77, 256)
    maps = torch.rand(2, 3, 128, 128)
    task.control.eval()
    with torch.no_grad():
        for ours, theirs in zip(*(net(x, t, text, maps, return_dict=False) for net in (found, task.control)),
                                strict=True):  # fmt: skip
            for a, b in zip(
                *([v] if isinstance(v, torch.Tensor) else v for v in (ours, theirs)), strict=True
            ):
                assert torch.allclose(a, b, atol=1e-4)


def test_a_lora_learns_one_percent_of_what_full_tuning_learns(bench: Bench) -> None:
    rows = bench.against_full("sepia", 0.01)
    untuned, lora, *full = rows
    assert untuned.parameters == 0 and lora.parameters <= 0.01 * full[0].parameters
    assert all(row.steps >= 1 and row.styled != untuned.styled for row in (lora, *full))
    assert len({row.plain for row in rows}) == len(rows)
    text = table(rows, "sepia", 0.01)
    assert f"| A LoRA | {lora.parameters:,} | 0." in text and "| 100.00% |" in text


def test_everything_is_measured(bench: Bench, starter: Path, tmp_path: Path) -> None:
    bench.lora("noir")
    bench.control("edges")
    objects, styles = bench.judges()
    figures = evaluate(load(str(starter)), ("noir",), ("edges",), objects, styles, tmp_path / "out", 4)
    write_cards(figures, ("noir",), ("edges",), starter)
    of_loras, of_nets = ((starter / kind / "README.md").read_text() for kind in ("loras", "controlnets"))
    assert f"| `noir.safetensors` | {figures['noir']['style with']['rate']:.1%} (" in of_loras
    assert f"| `edges.safetensors` | {figures['edges']['agreement with']:.2f} |" in of_nets
    assert figures["noir"]["style, true pictures"]["n"] == 4
    assert figures["edges"]["agreement, true pictures"] == pytest.approx(1)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "styles.png", "controls.png", "figures.json", "prompts.txt",
    }  # fmt: skip


def test_the_judge_of_styles_sees_every_style() -> None:
    pixels, style = StyleTask(0, 40).batch(0, 0)
    assert set(style.tolist()) == set(range(len(STYLES))) and pixels.shape == (40, 3, 128, 128)


def test_every_map_and_setting_is_there() -> None:
    assert set(MAPS) == {"edges", "shapes"} and CONFIG.is_file()
