"""Perturbed networks: that rows of one call are what they are alone, and what the papers say they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import PAGIdentitySelfAttnProcessor2_0
from torch import Tensor

from models import Context, Parts, load
from models.perturbed import RowwiseAttention
from pipelines import Recipe, RecipeError, draw
from schedulers.network import Network

NETWORKS: list[Network] = ["whole", "identity-attention", "mean-query"]


def inputs(tiny: Parts, rows: int) -> tuple[Tensor, Context]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, 4, 8, 16, generator=generator), tiny.encode_text(["a cat"]).expand(rows)


def test_each_row_of_a_call_has_its_own_network(tiny: Parts) -> None:
    x, context = inputs(tiny, 1)
    level = tiny.levels[500]
    whole = tiny.denoise(x.expand(4, -1, -1, -1), [level] * 4, context.expand(4), [*NETWORKS, "whole"])
    for k, network in enumerate(NETWORKS):
        alone = tiny.denoise(x, [level], context, [network])
        torch.testing.assert_close(whole[[k]], alone, rtol=0, atol=1e-5)
    plain = tiny.denoise(x, [level], context)
    torch.testing.assert_close(whole[[3]], plain, rtol=0, atol=1e-5)
    assert all((whole[k] - plain[0]).abs().max() > 1e-3 for k in (1, 2))


def test_attention_to_oneself_is_diffusers_own(tiny: Parts, tiny_folder: Path) -> None:
    """Its processor takes [plain, perturbed] halves of a batch."""
    x, context = inputs(tiny, 1)
    level = tiny.levels[300]
    ours = tiny.denoise(x, [level], context, ["identity-attention"])
    theirs = load(str(tiny_folder), device="cpu", dtype=torch.float32)
    theirs.unet.set_attn_processor({
        name: PAGIdentitySelfAttnProcessor2_0() if "mid_block" in name and "attn1" in name else plain
        for name, plain in theirs.unet.attn_processors.items()
    })  # fmt: skip
    both = theirs.denoise(torch.cat([x, x]), [level] * 2, context.expand(2))
    torch.testing.assert_close(ours, both[[1]], rtol=0, atol=1e-5)


def test_with_one_query_for_all_every_place_gets_the_same(tiny: Parts) -> None:
    [attention] = [
        module for name, module in tiny.unet.named_modules()
        if name.startswith("mid_block") and name.endswith("attn1")
    ]  # fmt: skip
    x = torch.randn(2, 6, attention.to_q.in_features, generator=torch.Generator().manual_seed(0))
    made = attention(x, rows={"mean-query": torch.tensor([1])})
    torch.testing.assert_close(made[1], made[1, :1].expand(6, -1))
    assert not torch.allclose(made[0], made[0, :1].expand(6, -1))
    same = (
        x[[1]].mean(1, keepdim=True).expand(-1, 6, -1)
    )  # where all queries are the mean, nothing is blurred
    torch.testing.assert_close(attention(same, rows={"mean-query": torch.tensor([0])}), attention(same))


def test_only_the_middle_is_perturbed(tiny: Parts) -> None:
    chosen = {name for name, p in tiny.unet.attn_processors.items()
              if isinstance(p, RowwiseAttention) and p.perturbed}  # fmt: skip
    assert chosen == {"mid_block.attentions.0.transformer_blocks.0.attn1.processor"}


@pytest.fixture(scope="module")
def guided(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The tiny model with a companion: its own U-Net, every weight a tenth smaller."""
    folder = tmp_path_factory.mktemp("models") / "guided"
    shutil.copytree(tiny_folder, folder)
    weak = load(str(tiny_folder), device="cpu", dtype=torch.float32).unet
    with torch.no_grad():
        for parameter in weak.parameters():
            parameter.mul_(0.9)
    weak.save_pretrained(folder / "weak")
    return load(str(folder), device="cpu", dtype=torch.float32)


def test_autoguidance_draws_with_the_companion(guided: Parts, tiny: Parts) -> None:
    recipe = Recipe(prompt="a cat", guidance_rule="autoguidance", guidance=2.0, steps=3, width=64, height=64)
    plain = recipe.model_copy(update={"guidance_rule": "cfg", "guidance": 1.0})
    assert draw(recipe, guided)[0].tobytes() != draw(plain, guided)[0].tobytes()
    with pytest.raises(RecipeError, match="^Guidance rule: got autoguidance, and model 'tiny' has no weaker"):
        draw(recipe, tiny)
    draw(recipe.model_copy(update={"guidance": 1.0}), tiny)  # which asks no companion


def test_the_companion_is_part_of_what_names_the_model(guided: Parts, tiny: Parts) -> None:
    assert guided.sha256 != tiny.sha256
    assert "weak/diffusion_pytorch_model.safetensors" in guided.files


@pytest.mark.parametrize("rule", ["pag", "seg", "autoguidance"])
def test_one_picture_is_the_same_in_company(guided: Parts, rule: str) -> None:
    recipe = Recipe(prompt="a cat AND a ca :0.5", guidance_rule=rule, steps=2, width=64, height=64, count=2)
    together, alone = draw(recipe, guided)[1], draw(recipe.each()[1], guided)[0]
    assert np.abs(np.int16(together) - np.int16(alone)).max() <= 1
