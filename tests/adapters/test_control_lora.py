"""Control-LoRAs: the same network as the U-Net's weights and the changes say, and no other file accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters.controlnet import load_controlnet
from models import ModelError, Parts, load
from tests.ldm import controlnet_name
from tests.tiny import write_controlnet, write_tiny

RANK = 3


class Home:
    """A tiny model, a ControlNet beside it, and a Control-LoRA in LDM's names of which that is made."""

    def __init__(self, folder: Path, family: Any) -> None:
        self.model = write_tiny(folder / "tiny", family)
        self.parts: Parts = load(str(self.model), device="cpu", dtype=torch.float32)
        net = write_controlnet(folder / "net", self.model, 3)
        [file] = net.glob("*.safetensors")
        self.whole = load_file(file)
        self.config = json.loads((net / "config.json").read_text())
        self.tensors: dict[str, Tensor] = {"lora_controlnet": torch.zeros(0)}
        base, generator = self.parts.unet.state_dict(), torch.Generator().manual_seed(5)
        for name, weight in self.whole.items():
            theirs = controlnet_name(name, self.config)
            if weight.dim() < 2 or name not in base:
                self.tensors[theirs] = weight
                continue
            down = 0.3 * torch.randn(RANK, *weight.shape[1:], generator=generator)
            up = 0.3 * torch.randn(len(weight), RANK, *(1,) * (weight.dim() - 2), generator=generator)
            place = theirs.removesuffix(".weight")
            self.tensors |= {f"{place}.up": up, f"{place}.down": down}
            self.whole[name] = base[name] + (up.flatten(1) @ down.flatten(1)).view_as(weight)

    def file(self, folder: Path, **changes: Tensor | None) -> Path:
        tensors = {**self.tensors, **changes}
        file = folder / "edges.safetensors"
        save_file({name: t for name, t in tensors.items() if t is not None}, file)
        return file

    @property
    def changed(self) -> str:
        """The place of one change."""
        return next(name for name in self.tensors if name.endswith(".up")).removesuffix(".up")


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp(request.param), request.param)


def test_every_weight_is_the_unets_plus_the_change(home: Home, tmp_path: Path) -> None:
    found = load_controlnet(home.file(tmp_path), home.parts).network.state_dict()
    assert found.keys() == home.whole.keys()
    for name, weight in found.items():
        torch.testing.assert_close(weight, home.whole[name], rtol=0, atol=1e-6)


def test_what_is_not_in_the_file_is_the_unets(home: Home, tmp_path: Path) -> None:
    place = home.changed
    file = home.file(tmp_path, **{f"{place}.up": None, f"{place}.down": None})
    found = load_controlnet(file, home.parts).network.state_dict()
    base = home.parts.unet.state_dict()
    same = [
        name for name in found if name in base and found[name].dim() > 1 and found[name].equal(base[name])
    ]
    assert len(same) == 1


def test_the_unet_is_not_touched(home: Home, tmp_path: Path) -> None:
    before = {name: weight.clone() for name, weight in home.parts.unet.state_dict().items()}
    net = load_controlnet(home.file(tmp_path), home.parts).network
    for weight in net.state_dict().values():
        weight.zero_()
    assert all(weight.equal(before[name]) for name, weight in home.parts.unet.state_dict().items())


@pytest.mark.parametrize("fault, said", [
    ({"up": None}, "half a change"),
    ({"down": None}, "half a change"),
    ({"up": torch.zeros(4, RANK + 1)}, "do not fit each other"),
    ({"up": torch.zeros(200_000, 1), "down": torch.zeros(1, 200_000)}, "not in that shape"),
    ({"weight": torch.zeros(2, 2)}, "both whole and as a change"),
    ({"down": torch.full((RANK, 4, 3, 3), float("nan")), "up": torch.zeros(1)}, "do not fit"),
])  # fmt: skip
def test_a_change_that_does_not_fit_is_refused(
    home: Home, tmp_path: Path, fault: dict[str, Tensor | None], said: str
) -> None:
    file = home.file(tmp_path, **{f"{home.changed}.{end}": tensor for end, tensor in fault.items()})
    with pytest.raises(ModelError, match=said):
        load_controlnet(file, home.parts)


def test_weights_that_no_controlnet_has_are_refused(home: Home, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="numbers; allowed"):
        load_controlnet(home.file(tmp_path, strange=torch.zeros(3_000, 3_000)), home.parts)
    missing = {name: None for name in home.tensors if name.startswith("zero_convs.0")}
    with pytest.raises(ModelError):
        load_controlnet(home.file(tmp_path, **missing), home.parts)
    broken = {
        name: torch.full_like(t, float("nan")) for name, t in home.tensors.items() if "zero_convs.0" in name
    }
    with pytest.raises(ModelError, match="not numbers"):
        load_controlnet(home.file(tmp_path, **broken), home.parts)
