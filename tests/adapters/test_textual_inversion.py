"""Embeddings on tiny models: the same latents as diffusers', in chunks, with weights, and nothing changed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from adapters import EmbeddingFolder, load_embedding, mentioned, taught
from models import ModelError, Parts, load
from models.chunks import Run, Size, Text
from models.torchvision_guard import guard_torchvision
from pipelines import Folders, Materials, Recipe, RecipeError, draw, text_to_image
from pipelines.counted import counted
from pipelines.draw import answer
from pipelines.requests import Decode
from schedulers import first_noise
from tests.tiny import Family, write_tiny

guard_torchvision()

USUAL: dict[str, Any] = {
    "rescale_betas_zero_snr": False, "timestep_spacing": "leading", "prediction_type": "epsilon",
}  # fmt: skip
RECIPE = Recipe(
    prompt="a cat", negative="dog", sampler="ddim", steps=4, guidance=4, seed=7, width=64, height=64
)


def vectors(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


ONE, FOUR = vectors(1, 32), vectors(4, 32, 1)
PAIR = {"clip_l": vectors(3, 32, 2), "clip_g": vectors(3, 48, 3)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingFolder:
    home = tmp_path_factory.mktemp("embeddings")
    (home / "styles").mkdir()
    save_file({"emb_params": FOUR}, home / "styles" / "Ink-Wash.safetensors")  # as AUTOMATIC1111 writes them
    save_file({"<toy>": ONE[0]}, home / "toy.safetensors")  # as diffusers does
    return EmbeddingFolder(home)


@pytest.fixture(scope="module")
def materials(folder: EmbeddingFolder, tiny: Parts) -> Materials:
    return Folders(embeddings=folder).of(tiny)


def latents(recipe: Recipe, parts: Parts, folder: EmbeddingFolder) -> Tensor:
    pipeline, reply = text_to_image(recipe, parts, Folders(embeddings=folder).of(parts)), None
    while not isinstance(request := pipeline.send(reply), Decode):
        reply = answer(request, parts)
    return request.latents


def theirs(model: Path, family: Family, recipe: Recipe, **words: dict[str, Tensor]) -> Tensor:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    kind: Any = StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline
    pipeline = kind.from_pretrained(model, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    for word, tensors in words.items():
        if family == "sdxl":
            for which, part in (("clip_l", ""), ("clip_g", "_2")):
                pipeline.load_textual_inversion(
                    {"emb_params": tensors[which]}, word, getattr(pipeline, f"tokenizer{part}"),
                    getattr(pipeline, f"text_encoder{part}"),
                )  # fmt: skip
        else:
            pipeline.load_textual_inversion(tensors, word)
    return pipeline(
        recipe.prompt, negative_prompt=recipe.negative, num_inference_steps=recipe.steps,
        guidance_scale=recipe.guidance, width=64, height=64, output_type="latent",
        latents=first_noise([recipe.seed], (4, 8, 8)),
    ).images  # fmt: skip


def difference(a: Tensor, b: Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("prompt", ["a cat, xinkx", "xinkx", "xinkx cat xtoyx", "dog"])
def test_latents_are_those_of_diffusers(tmp_path: Path, prompt: str) -> None:
    model = write_tiny(tmp_path / "tiny", **USUAL)
    save_file({"emb_params": FOUR}, tmp_path / "xinkx.safetensors")
    save_file({"xtoyx": ONE}, tmp_path / "xtoyx.safetensors")
    parts = load(str(model), device="cpu", dtype=torch.float32)
    recipe = RECIPE.model_copy(update={"prompt": prompt, "negative": "bad xtoyx"})
    ours = latents(recipe, parts, EmbeddingFolder(tmp_path))
    assert (
        difference(ours, theirs(model, "sd", recipe, xinkx={"emb_params": FOUR}, xtoyx={"xtoyx": ONE})) < 1e-4
    )
    assert difference(ours, latents(recipe, parts, EmbeddingFolder(model))) > 1e-3  # it counts


def test_pairs_are_those_of_diffusers(tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "tiny", "sdxl", **USUAL)
    save_file(PAIR, tmp_path / "xinkx.safetensors")
    parts = load(str(model), device="cpu", dtype=torch.float32)
    recipe = RECIPE.model_copy(update={"prompt": "a cat, xinkx"})
    ours = latents(recipe, parts, EmbeddingFolder(tmp_path))
    assert difference(ours, theirs(model, "sdxl", recipe, xinkx=PAIR)) < 1e-4


WRITTEN = (
    "ink-wash", "INK-Wash", "embedding:ink-wash", "embedding:styles/Ink-Wash", "styles/ink-wash",
    "x,ink-wash,y", "(ink-wash)",
)  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_a_name_is_a_word_in_any_case(folder: EmbeddingFolder, written: str) -> None:
    assert [name.rpartition("/")[2] for name in mentioned(f"a {written} b", folder)] == ["Ink-Wash"]


@pytest.mark.parametrize("written", ["ink-washed", "pink-wash", "ink", "toys"])
def test_a_part_of_a_word_is_none(folder: EmbeddingFolder, written: str) -> None:
    assert mentioned(f"a {written} b", folder) == ()


def test_what_is_named_and_not_there_names_the_field(tiny: Parts, folder: EmbeddingFolder) -> None:
    for field, said in (("prompt", "Prompt"), ("negative", "Negative prompt")):
        recipe = RECIPE.model_copy(update={field: "(embedding:pen:1.2)"})
        with pytest.raises(
            RecipeError, match=f"^{said}: got the embedding 'pen'; allowed: Ink-Wash, styles/"
        ):
            draw(recipe, tiny, embeddings=folder)
    with pytest.raises(RecipeError, match="allowed: none, as there are no embeddings"):
        draw(RECIPE.model_copy(update={"prompt": "embedding:pen"}), tiny)


def spoken(tiny: Parts, materials: Materials, text: str) -> Parts:
    return taught(tiny, materials.words(text))


def a_text(*words: str | tuple[str, float]) -> Text:
    return (tuple(Run(*word) if isinstance(word, tuple) else Run(word) for word in words),)


def test_vectors_stand_where_the_word_does(tiny: Parts, materials: Materials) -> None:
    """What the encoder's first layer sees: begin, "a", four vectors, "b", end."""
    encoder = spoken(tiny, materials, "ink-wash").encoders[0]
    seen: list[Tensor] = []
    hook = encoder.network.get_input_embeddings().register_forward_hook(lambda m, a, out: seen.append(out[0]))
    spoken(tiny, materials, "ink-wash").encode_prompts([[a_text("a ink-wash b")]])
    hook.remove()
    table = encoder.network.get_input_embeddings().weight
    a, b = (encoder.tokenizer(word, add_special_tokens=False).input_ids[0] for word in "ab")
    wanted = torch.cat([table[encoder.tokenizer.bos_token_id][None], table[a][None]])
    hooked_later = encoder.network.get_input_embeddings()._forward_hooks
    assert not hooked_later and torch.equal(seen[0][:2], wanted)
    assert encoder.chunks(a_text("a ink-wash b"), 77)[0].tokens == (a, *range(len(table), len(table) + 4), b)


def test_the_whole_word_has_its_weight(tiny: Parts, materials: Materials) -> None:
    encoder = spoken(tiny, materials, "ink-wash").encoders[0]
    [chunk] = encoder.chunks(a_text("a", ("ink-wash", 1.3)), 77)
    assert chunk.weights == (1.0, 1.3, 1.3, 1.3, 1.3)


def test_it_counts_as_its_vectors_and_stays_in_one_chunk(tiny: Parts, materials: Materials) -> None:
    model = spoken(tiny, materials, "ink-wash")
    assert model.size(a_text("a ink-wash b")) == Size(6, 75)
    full = a_text("x " * 73 + "ink-wash b")  # 73 + 4 do not fit into 75
    first, second = model.encoders[0].chunks(full, 77)
    assert (len(first.tokens), len(second.tokens)) == (73, 5)
    assert counted("a ink-wash b", True, {}, tiny, materials).size == Size(6, 75)
    assert (
        "got the embedding 'pen'" in counted("embedding:pen", True, {}, tiny, materials).warnings[0].lower()
    )


def test_nothing_of_the_model_is_changed(tiny: Parts, folder: EmbeddingFolder) -> None:
    network = tiny.encoders[0].network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    plain = latents(RECIPE, tiny, folder)
    latents(RECIPE.model_copy(update={"prompt": "toy ink-wash"}), tiny, folder)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not network.get_input_embeddings()._forward_hooks and not tiny.encoders[0].words
    assert torch.equal(latents(RECIPE, tiny, folder), plain)


REFUSED: dict[str, tuple[dict[str, Tensor], str]] = {
    "width": (
        {"emb_params": vectors(2, 48)},
        r"shape \(2, 48\); allowed with model 'tiny': 1 to 75 of width 32",
    ),
    "pair": (PAIR, "is a pair for SDXL"),
    "length": ({"emb_params": vectors(76, 32)}, r"shape \(76, 32\); allowed"),
    "numbers": ({"emb_params": vectors(1, 32) / 0}, "not numbers"),
    "several": ({"a": ONE, "b": FOUR}, "has 2 tensors; allowed: one"),
    "shape": ({"emb_params": vectors(2, 32)[None]}, r"shape \(1, 2, 32\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(tiny: Parts, tmp_path: Path, case: str) -> None:
    tensors, said = REFUSED[case]
    save_file(tensors, tmp_path / "pen.safetensors")
    with pytest.raises(ModelError, match=f"^Embedding 'pen' .*{said}"):
        load_embedding(tmp_path / "pen.safetensors", tiny)
    with pytest.raises(RecipeError, match=f"^Prompt: Embedding 'pen' .*{said}"):
        draw(RECIPE.model_copy(update={"prompt": "a pen"}), tiny, embeddings=EmbeddingFolder(tmp_path))
