"""LoRA files on a tiny Stable Diffusion: names, mixed ranks, rows apart, and the model as it was before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters import Lora, LoraFolder, Use, attached, load_lora
from adapters.lora import modules_of, networks_of
from benchmarks.parity import loras
from benchmarks.parity.latents import TOLERANCE, Case, Models
from models import ModelError, Parts, load
from pipelines import Folders, Recipe, RecipeError, draw, text_to_image
from pipelines.draw import answer
from pipelines.requests import Decode, EncodeText, Step
from pipelines.texts import loras_said
from tests.ldm import ldm_unet
from tests.tiny import write_tiny

RECIPE = Recipe(prompt="a cat", steps=3, width=64, height=64, guidance=3.0, seed=5)


def tensors_for(
    parts: Parts,
    name: Callable[[str, str], str],
    down: str,
    up: str,
    seed: int = 0,
    only: Callable[[str, str], bool] = lambda component, path: True,
    every: int = 3,
) -> dict[str, Tensor]:
    """A LoRA for every third module, ranks 1 to 4 and alphas of their own."""
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}
    places = [place for place in sorted(set(modules_of(parts).values())) if only(*place)]
    for k, (component, path) in enumerate(places[::every]):
        module = dict(networks_of(parts))[component].get_submodule(path)
        rank, rest = 1 + k % 4, module.weight.shape[1:]
        key = name(component, path)
        made[f"{key}.{down}"] = torch.randn(rank, *rest, generator=generator) * 0.3
        made[f"{key}.{up}"] = (
            torch.randn(len(module.weight), rank, *(1,) * (len(rest) - 1), generator=generator) * 0.3
        )
        made[f"{key}.alpha"] = torch.tensor(0.5 + k % 3)
    return made


def kohya(component: str, path: str) -> str:
    inside = path if component == "unet" else f"text_model.{path}"
    return ("lora_unet_" if component == "unet" else "lora_te_") + inside.replace(".", "_")


def of_diffusers(component: str, path: str) -> str:
    return f"{component}.{path if component == 'unet' else 'text_model.' + path}"


@pytest.fixture(scope="module")
def folder(tiny: Parts, tmp_path_factory: pytest.TempPathFactory) -> LoraFolder:
    home = tmp_path_factory.mktemp("loras")
    save_file(tensors_for(tiny, kohya, "lora_down.weight", "lora_up.weight"), home / "ink.safetensors")
    (home / "style").mkdir()
    other = tensors_for(tiny, of_diffusers, "lora_A.weight", "lora_B.weight", seed=1)
    save_file(other, home / "style" / "wash.safetensors")
    return LoraFolder(home)


def merged(parts: Parts, tiny_folder: Path, uses: list[tuple[str, float]], folder: LoraFolder) -> Parts:
    """The model with the changes added to its weights for good."""
    fresh = load(str(tiny_folder), device="cpu", dtype=torch.float32)
    networks = dict(networks_of(fresh))
    with torch.no_grad():
        for name, weight in uses:
            for component, patches in folder.load(name, parts).patches.items():
                for path, patch in patches.items():
                    networks[component].get_submodule(path).weight += weight * patch.whole
    return fresh


def latents(recipe: Recipe, parts: Parts, folder: LoraFolder | None = None) -> Tensor:
    pipeline = text_to_image(recipe, parts, Folders(folder).of(parts))
    reply = None
    while True:
        request = pipeline.send(reply)  # type: ignore[arg-type]
        if type(request).__name__ == "Decode":
            return request.latents  # type: ignore[union-attr]
        reply = answer(request, parts)


@pytest.mark.parametrize("uses", [[("ink", 0.8)], [("style/wash", -0.5)], [("ink", 0.7), ("wash", 1.2)]])
def test_it_draws_as_if_it_were_merged(
    tiny: Parts, tiny_folder: Path, folder: LoraFolder, uses: list[tuple[str, float]]
) -> None:
    prompt = "a cat" + "".join(f" <lora:{name}:{weight}>" for name, weight in uses)
    ours = latents(RECIPE.model_copy(update={"prompt": prompt}), tiny, folder)
    wanted = latents(RECIPE, merged(tiny, tiny_folder, uses, folder))
    plain = latents(RECIPE, tiny)
    size = wanted.abs().max()
    assert (ours - wanted).abs().max() < 1e-4 * size
    assert (ours - plain).abs().max() > 1e-2 * size


@pytest.mark.parametrize(
    ("window", "steps"), [("[{}:2]", (3, 4, 5)), ("[{}::2]", (1, 2)), ("[{}|]", (1, 3, 5))]
)
def test_it_comes_and_goes_with_the_steps(
    tiny: Parts, tiny_folder: Path, tmp_path: Path, window: str, steps: tuple[int, ...]
) -> None:
    places = tensors_for(tiny, kohya, "lora_down.weight", "lora_up.weight", 2, lambda net, _: net == "unet")
    save_file(places, tmp_path / "ink.safetensors")
    folder = LoraFolder(tmp_path)
    recipe = RECIPE.model_copy(update={"steps": 5, "sampler": "euler"})
    prompt = "a cat" + window.format("<lora:ink:0.8>")
    ours = latents(recipe.model_copy(update={"prompt": prompt}), tiny, folder)
    changed = merged(tiny, tiny_folder, [("ink", 0.8)], folder)
    pipeline, reply, done = text_to_image(recipe, tiny), None, 0
    while True:
        request = pipeline.send(reply)  # type: ignore[arg-type]
        if isinstance(request, Decode):
            break
        reply = answer(request, changed if done + 1 in steps else tiny)
        done = request.index if isinstance(request, Step) else done
    size = request.latents.abs().max()
    assert (ours - request.latents).abs().max() < 1e-4 * size
    assert (ours - latents(recipe, tiny)).abs().max() > 1e-2 * size


def test_its_text_is_encoded_with_it_while_it_is_there(tiny: Parts, folder: LoraFolder) -> None:
    recipe = RECIPE.model_copy(update={"prompt": "a cat [<lora:ink>::1]"})
    pipeline = text_to_image(recipe, tiny, Folders(folder).of(tiny))
    first = pipeline.send(None)  # type: ignore[arg-type]
    second = pipeline.send(answer(first, tiny))
    assert isinstance(first, EncodeText) and isinstance(second, EncodeText)
    assert [use.lora.name for use in first.loras] == ["ink"] and second.loras == ()


@pytest.mark.parametrize("case", loras.CASES, ids=lambda case: case.what)
def test_diffusers_draws_the_same(tiny_models: Models, case: Case) -> None:
    """Every format, by its loader where that is exact (one rank and alpha for all), else by PEFT."""
    pair = case.run(tiny_models)
    print(f"{case.what}: {pair.difference:.1e}")
    assert pair.difference < TOLERANCE
    assert pair.effect > 100 * TOLERANCE


def test_afterwards_the_model_is_bit_for_bit_as_it_was(tiny: Parts, folder: LoraFolder) -> None:
    def state() -> dict[str, Tensor]:
        return {f"{c}.{k}": v.clone() for c, net in networks_of(tiny) for k, v in net.state_dict().items()}

    def hooks() -> list[tuple[int, ...]]:  # transformers leaves some of its own, which are none of ours
        return [tuple(module._forward_hooks) for _, net in networks_of(tiny) for module in net.modules()]

    before, picture = state(), draw(RECIPE, tiny)[0].tobytes()
    hooked = hooks()
    draw(RECIPE.model_copy(update={"prompt": "a cat <lora:ink>"}), tiny, folder)
    after = state()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)
    assert draw(RECIPE, tiny)[0].tobytes() == picture
    assert hooks() == hooked


def test_a_failed_call_leaves_nothing_behind(tiny: Parts, folder: LoraFolder) -> None:
    lora = folder.load("ink", tiny)
    with pytest.raises(ZeroDivisionError), attached(tiny.unet, "unet", [(Use(lora, 1.0),)]):
        raise ZeroDivisionError
    assert not any(module._forward_hooks for module in tiny.unet.modules())


@pytest.mark.parametrize("rule", ["cfg", "pag", "seg"])
def test_rows_of_one_call_have_their_own(tiny: Parts, folder: LoraFolder, rule: str) -> None:
    """Two pictures of one recipe whose seeds choose different LoRAs."""
    prompt = "a cat {<lora:ink:0.5>|<lora:wash:0.9>|plain}"
    recipe = RECIPE.model_copy(update={"prompt": prompt, "count": 4, "guidance_rule": rule})
    together = draw(recipe, tiny, folder)
    for k, one in enumerate(recipe.each()):
        alone = draw(one, tiny, folder)[0]
        assert np.abs(np.int16(together[k]) - np.int16(alone)).max() <= 1
    assert len({image.tobytes() for image in together}) == 4


def test_names_are_paths_or_bare_where_that_is_clear(folder: LoraFolder, tmp_path: Path) -> None:
    assert list(folder) == ["ink", "style/wash"]
    assert folder["wash"] == folder["style/wash"]
    for name in ("../ink", "/etc/passwd", "nothing", ""):
        assert name not in folder
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for place in "ab":
        (tmp_path / place / "same.safetensors").write_bytes(b"")
    (tmp_path / "out.safetensors").symlink_to("/etc/hostname")
    two = LoraFolder(tmp_path)
    assert "same" not in two and "a/same" in two and "out" not in two


@pytest.mark.parametrize(("prompt", "said"), [
    ("a <lora:nothing>", "^Prompt: got the LoRA 'nothing'; allowed: ink, style/wash"),
    ("a <lora:ink:x>", "^Prompt: got <lora:ink:x>; allowed"),
])  # fmt: skip
def test_what_is_not_there_names_the_prompt(tiny: Parts, folder: LoraFolder, prompt: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        draw(RECIPE.model_copy(update={"prompt": prompt}), tiny, folder)


def test_without_a_folder_there_are_none(tiny: Parts) -> None:
    with pytest.raises(RecipeError, match="^Prompt: got the LoRA 'ink'; allowed: none"):
        draw(RECIPE.model_copy(update={"prompt": "<lora:ink>"}), tiny)


def test_one_for_another_model_says_how_many_tensors_fit(tiny: Parts, tmp_path: Path) -> None:
    ours = tensors_for(tiny, kohya, "lora_down.weight", "lora_up.weight")
    wrong = {key.replace("lora_te_", "lora_te2_"): tensor for key, tensor in ours.items()}
    save_file(wrong, tmp_path / "xl.safetensors")
    with pytest.raises(
        ModelError, match=r"LoRA 'xl': \d+ of \d+ tensors fit model 'tiny'; it has no place for lora_te2"
    ):
        load_lora(tmp_path / "xl.safetensors", tiny)


def test_what_fits_is_drawn_with_where_the_prompt_says_so(
    tiny: Parts, folder: LoraFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = load_file(folder["ink"])
    other = {"lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha": torch.tensor(1.0)}
    save_file(ours | other, tmp_path / "ink.safetensors")
    partly = LoraFolder(tmp_path)
    recipe = RECIPE.model_copy(update={"prompt": "a cat <lora:ink:0.8>"})
    with pytest.raises(
        RecipeError, match=r"no place for lora_te2\S+\. <lora:ink:1:partial> draws with those"
    ):
        draw(recipe, tiny, partly)
    caplog.set_level("INFO", "atelier.adapters")
    accepted = recipe.model_copy(update={"prompt": "a cat <lora:ink:0.8:partial>"})
    torch.testing.assert_close(
        latents(accepted, tiny, partly), latents(recipe, tiny, folder), atol=1e-5, rtol=1e-5
    )
    said = f"LoRA 'ink': {len(ours)} of {len(ours) + 1} tensors applied."
    assert loras_said(accepted, Folders(partly).of(tiny)) == (said,) and said in caplog.text
    save_file(other, tmp_path / "ink.safetensors")
    with pytest.raises(RecipeError, match="0 of 1 tensors fit model 'tiny'"):
        draw(accepted, tiny, partly)


def test_the_unet_may_have_a_weight_of_its_own(tiny: Parts, folder: LoraFolder) -> None:
    both = RECIPE.model_copy(update={"prompt": "a cat <lora:ink:0.8:0.3>"})
    lora = folder.load("ink", tiny)
    only = {name: Lora(name, {name: lora.patches[name]}, 0, 0) for name in ("unet", "text_encoder")}
    uses = (Use(only["text_encoder"], 0.8), Use(only["unet"], 0.3))
    pipeline, reply = text_to_image(RECIPE, tiny), None
    while not isinstance(request := pipeline.send(reply), Decode):  # type: ignore[arg-type]
        if isinstance(request, EncodeText):
            request = replace(request, loras=uses)
        elif isinstance(request, tuple):
            request = tuple(replace(ask, loras=uses) for ask in request)
        reply = answer(request, tiny)
    torch.testing.assert_close(latents(both, tiny, folder), request.latents, rtol=0, atol=1e-6)


def test_what_would_not_be_used_is_no_fit(tiny: Parts, tmp_path: Path) -> None:
    """A file of nothing; tensors beside those of the format; the same one under two names."""
    name, path = "lora_unet_time_embedding_linear_1", "unet.time_embedding.linear_1"
    made = {f"{name}.lora_down.weight": torch.ones(2, 16), f"{name}.lora_up.weight": torch.ones(64, 2)}
    file = tmp_path / "bad.safetensors"
    for tensors, said in (
        ({}, "LoRA 'bad': got a file of 0 tensors"),
        (
            made | {f"{name}.diff": torch.ones(64, 16)},
            f"change of {path} is a LoRA and a whole change at once",
        ),
        (made | {f"{name}.hada_w1_a": torch.ones(64, 2)}, f"change of {path} is a LoRA and a LoHa at once"),
        (
            made | {f"{path}.lora_down.weight": torch.ones(2, 16)},
            f"{path} has its lora_down.weight under two",
        ),
        ({f"{name}.alpha": torch.tensor(1.0)}, f"change of {path} has alpha, which are no format"),
    ):
        save_file(tensors, file)
        for partial in (False, True):
            with pytest.raises(ModelError, match=said):
                load_lora(file, tiny, partial)


@pytest.mark.parametrize("damage", ["cut", "pickle", "nan", "shape", "empty"])
def test_a_bad_file_is_a_plain_sentence(tiny: Parts, tmp_path: Path, damage: str) -> None:
    tensors = tensors_for(tiny, kohya, "lora_down.weight", "lora_up.weight")
    first = next(iter(tensors))
    if damage == "nan":
        tensors[first] = tensors[first] / 0
    if damage == "shape":
        tensors[first] = tensors[first][:, :-1].contiguous()
    file = tmp_path / "bad.safetensors"
    save_file(tensors, file)
    content = file.read_bytes()
    if damage in ("cut", "pickle", "empty"):
        file.write_bytes(
            {"cut": content[: len(content) // 2], "pickle": b"\x80\x04" + content, "empty": b""}[damage]
        )
    with pytest.raises(ModelError, match="bad"):
        load_lora(file, tiny)


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = write_tiny(tmp_path_factory.mktemp("models") / "xl", "sdxl")
    return load(str(folder), device="cpu", dtype=torch.float32)


@pytest.mark.parametrize("part", ["attentions", "convolutions", "all"])
def test_sdxls_two_encoders_and_stabilitys_names_of_its_blocks(xl: Parts, tmp_path: Path, part: str) -> None:
    """The same LoRA in kohya's names, which for the U-Net are Stability's, and in diffusers'.

    LoCon also has the convolutions, and what is told of times and sizes; every one of them, alphas mixed.
    """
    of_part = {"attentions": (True,), "convolutions": (False,), "all": (True, False)}[part]
    paths = [
        path for c, path in sorted(set(modules_of(xl).values()))
        if c == "unet" and (".attentions." in path) in of_part
    ]  # fmt: skip
    weights = {f"{path}.weight": xl.unet.get_submodule(path).weight.detach() for path in paths}
    theirs = {id(tensor): key for key, tensor in ldm_unet(weights, dict(xl.unet.config)).items()}
    assert len(theirs) == len(paths) > 20

    def only(component: str, path: str) -> bool:
        return component != "unet" or f"{path}.weight" in weights

    def stability(component: str, path: str) -> str:
        if component != "unet":
            number = 2 if component.endswith("2") else 1
            inside = path if path.startswith("text_") else f"text_model.{path}"
            return f"lora_te{number}_" + inside.replace(".", "_")
        key = theirs[id(weights[f"{path}.weight"])]
        return "lora_unet_" + key.removeprefix("model.diffusion_model.").removesuffix(".weight").replace(
            ".", "_"
        )

    save_file(
        tensors_for(xl, stability, "lora_down.weight", "lora_up.weight", only=only, every=1),
        tmp_path / "kohya.safetensors",
    )
    plain = tensors_for(xl, lambda c, p: f"{c}.{p}", "lora_A.weight", "lora_B.weight", only=only, every=1)
    save_file(plain, tmp_path / "plain.safetensors")
    assert any("input_blocks" in key for key in load_file(tmp_path / "kohya.safetensors"))
    one, other = (load_lora(tmp_path / f"{name}.safetensors", xl) for name in ("kohya", "plain"))
    assert {"unet", "text_encoder", "text_encoder_2"} == one.patches.keys() == other.patches.keys()
    for component, patches in one.patches.items():
        assert patches.keys() == other.patches[component].keys()
        for path, patch in patches.items():
            assert torch.equal(patch.whole, other.patches[component][path].whole)
    folder = LoraFolder(tmp_path)
    made = [latents(RECIPE.model_copy(update={"prompt": f"a cat <lora:{name}:0.5>"}), xl, folder)
            for name in ("kohya", "plain")]  # fmt: skip
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=1e-4)
    assert (made[0] - latents(RECIPE, xl)).abs().max() > 1e-2


def test_stabilitys_names_beside_diffusers_are_not_left_out(xl: Parts, tmp_path: Path) -> None:
    """One module in each; and the same module in both is told, not silently one of them."""
    theirs = {"lora_unet_input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1"}
    ours = {"lora_unet_mid_block_resnets_0_conv2": "mid_block.resnets.0.conv2"}
    tensors = {}
    for key, path in (theirs | ours).items():
        weight = xl.unet.get_submodule(path).weight
        tensors |= {
            f"{key}.lora_down.weight": torch.ones(2, *weight.shape[1:]),
            f"{key}.lora_up.weight": torch.ones(len(weight), 2, 1, 1),
            f"{key}.alpha": torch.tensor(1.0),
        }
    save_file(tensors, tmp_path / "both.safetensors")
    assert set(load_lora(tmp_path / "both.safetensors", xl).patches["unet"]) == {
        *theirs.values(),
        *ours.values(),
    }
    twice = {
        key.replace(*theirs, "lora_unet_down_blocks_0_resnets_0_conv1"): t.clone()
        for key, t in tensors.items()
    }
    save_file(tensors | twice, tmp_path / "twice.safetensors")
    with pytest.raises(ModelError, match="it has no place for lora_unet_input_blocks_1_0"):
        load_lora(tmp_path / "twice.safetensors", xl)


def test_an_offloaded_model_draws_the_same_and_its_readers_go_back(
    tiny: Parts, tiny_folder: Path, folder: LoraFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a processor the two places are one, so the moves themselves are watched."""
    recipe = RECIPE.model_copy(update={"prompt": "a cat <lora:ink:0.8>"})
    wanted = draw(recipe, tiny, folder)[0]
    parts = replace(load(str(tiny_folder), device="cpu", dtype=torch.float32), offload=True,
                    device=torch.device("cpu", 0))  # fmt: skip
    moves: list[tuple[str, str]] = []
    for name, network in (("text", parts.encoders[0].network), ("vae", parts.vae)):
        move = network.to
        monkeypatch.setattr(
            network, "to", lambda to, name=name, move=move: (moves.append((name, str(to))), move(to))[1]
        )
    assert draw(recipe, parts, folder)[0].tobytes() == wanted.tobytes()
    assert {name for name, _ in moves} == {"text", "vae"}
    for name in ("text", "vae"):
        assert [to for its, to in moves if its == name][0] == "cpu:0"
        assert [to for its, to in moves if its == name][-1] == "cpu"


@pytest.mark.gpu
def test_on_a_card_an_offloaded_model_keeps_only_its_unet_there(
    tiny: Parts, tiny_folder: Path, folder: LoraFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1, 1))
    parts = load(str(tiny_folder), device="cuda", dtype=torch.float32)
    assert parts.offload
    recipe = RECIPE.model_copy(update={"prompt": "a cat <lora:ink:0.8>"})
    torch.testing.assert_close(
        latents(recipe, parts, folder).cpu(), latents(recipe, tiny, folder), rtol=1e-3, atol=1e-3
    )
    draw(recipe, parts, folder)
    where = (parts.unet.device.type, parts.encoders[0].network.device.type, parts.vae.device.type)
    assert where == ("cuda", "cpu", "cpu")
