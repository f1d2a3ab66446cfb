"""The starter's recipe: words, answers, judges, and every stage run for two steps into a drawing folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from models import load
from pipelines import Recipe, draw
from training.data.scenes import Background, Placed, Scene, held_out, held_out_pair, render
from training.data.vocabulary import COLOURS, STYLES, THINGS
from training.starter.__main__ import CONFIG, STARTER, workshop
from training.starter.card import Spent, history, spent, write_card
from training.starter.codes import to_tensor
from training.starter.evaluation import STYLED, _related, cases, interval, styled_cases
from training.starter.export import export, export_weak
from training.starter.judge import Seen, _objects, background_colour, grid_of, match_glyphs
from training.starter.pointing import point
from training.starter.questions import QUESTIONS, answers
from training.starter.table import descend
from training.starter.text import build_tokenizer, captions
from training.starter.unet import SCHEDULER, build_unet


def test_the_tokenizer_knows_its_words_whole_and_any_bytes_at_all(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(captions(3000, 0), tmp_path)
    assert tokenizer.tokenize("Two Strawberries on a  teal background")[1] == "strawberries</w>"
    ids = tokenizer("a cat", padding="max_length").input_ids
    assert len(ids) == 77 and ids[0] == tokenizer.bos_token_id and set(ids[3:]) == {tokenizer.eos_token_id}
    for odd in ("zyzzyva", "naïve ☕ 東京", "'s 12 !?"):
        assert tokenizer.unk_token_id not in tokenizer(odd).input_ids[1:-1]


def test_answers_do_not_depend_on_which_object_is_said_first() -> None:
    left, right = Placed(3, 30, 64, 40), Placed(9, 98, 64, 40)
    back = Background("plain", ("teal",))
    said = answers(Scene((left, right), back, "left of"), "")
    assert said == answers(Scene((right, left), back, "right of"), "")
    assert len(said) == len(QUESTIONS)
    assert all(0 <= a < n for a, n in zip(said, QUESTIONS.values(), strict=True))


def test_the_500_cases_are_fixed_and_held_out() -> None:
    wanted = cases()
    assert len(wanted) == 500 and wanted == cases()
    assert all(held_out(case.scene) for case in wanted)


@pytest.mark.parametrize("colour", list(COLOURS))
def test_a_plain_background_is_recognised_and_a_gradient_is_not(colour: str) -> None:
    rng = np.random.default_rng(0)
    thing = Placed(0, 64, 64, 70)
    assert background_colour(render(Scene((thing,), Background("plain", (colour,))), rng)) == colour
    other = "white" if colour != "white" else "black"
    assert background_colour(render(Scene((thing,), Background("gradient", (colour, other))), rng)) is None


def test_glyph_matching_finds_single_objects() -> None:
    rng = np.random.default_rng(1)
    things = rng.choice(len(THINGS), 12, replace=False)
    scenes = [Scene((Placed(int(t), 60, 66, 76),), Background("plain", ("purple",))) for t in things]
    found = match_glyphs(to_tensor(np.stack([render(s, rng) for s in scenes])))
    assert sum(i == t for (i, _), t in zip(found, things, strict=True)) >= 11


def test_detection_reads_a_perfect_grid() -> None:
    grid = grid_of([(4, 30, 40), (4, 96, 40), (7, 64, 100)])
    chances = np.eye(1 + len(THINGS), dtype=np.float32)[grid].transpose(2, 0, 1)
    seen = sorted((s.thing, s.x, s.y) for s in _objects(chances))
    assert [t for t, _, _ in seen] == [4, 4, 7]
    assert np.allclose([(x, y) for _, x, y in seen], [(30, 40), (96, 40), (64, 100)], atol=4)


def test_the_interval_is_wilsons() -> None:
    row = interval([True] * 90 + [False] * 10)
    assert (row["rate"], row["n"]) == (0.9, 100)
    assert (row["low"], row["high"]) == pytest.approx((0.8256, 0.9448), abs=1e-3)  # Wilson (1927)


@pytest.mark.parametrize(
    ("relation", "second", "right"),
    [
        ("left of", (90, 60), True),
        ("right of", (90, 60), False),
        ("above", (30, 100), True),
        ("left of", (40, 60), False),
    ],
)
def test_a_relation_is_judged_by_the_centres(relation: str, second: tuple[int, int], right: bool) -> None:
    scene = Scene((Placed(1, 0, 0, 0), Placed(2, 0, 0, 0)), Background("plain", ("red",)), relation)
    assert _related([Seen(1, 30, 60, 5.0), Seen(2, *second, 4.0)], scene) is right
    assert not _related([Seen(1, 30, 60, 5.0)], scene)


def test_every_stage_runs_and_the_export_draws_here_and_in_diffusers(tmp_path: Path) -> None:
    changes = [f"folder={tmp_path}", "vae.steps=2", "text.steps=2", "unet.steps=2",
               "weak.steps=2", "latents.scenes=8",
               "vae.batch=4", "text.batch=4", "unet.batch=2"]  # fmt: skip
    shop = workshop(CONFIG, changes)
    export(shop.unet(), shop.vae(), tmp_path / "starter", spent(tmp_path))
    assert [row[:2] for row in history(tmp_path / "starter")] == [("vae", 2), ("text", 2), ("unet", 2)]
    weights = sum(f.stat().st_size for f in (tmp_path / "starter").rglob("*.safetensors"))
    assert weights < 80e6
    export_weak(shop.weak(), tmp_path / "starter")
    parts = load(str(tmp_path / "starter"), dtype=torch.float32)
    assert sum(p.numel() for p in parts.weak.parameters()) < 600_000
    away = Recipe(prompt="a cat", seed=3, steps=2, guidance_rule="autoguidance", guidance=1.5)
    assert np.ptp(np.asarray(draw(away, parts)[0])) > 0
    recipe = Recipe(prompt="a cat", seed=3, steps=3, sampler="ddim", schedule="trailing", guidance=4.0)
    ours = np.asarray(draw(recipe, parts)[0], float)
    theirs = StableDiffusionPipeline.from_pretrained(tmp_path / "starter", dtype=torch.float32)
    again = [
        *changes,
        f"start={tmp_path / 'starter'}",
        f"folder={tmp_path / 'again'}",
        *(f"{stage}.learning_rate=0" for stage in ("vae", "text", "unet")),
    ]
    going_on = workshop(CONFIG, again)
    for part, shipped in ((going_on.unet().module.unet, parts.unet), (going_on.vae(), parts.vae)):
        learnt = dict(part.named_parameters())
        assert all(torch.equal(p, learnt[name]) for name, p in shipped.named_parameters())
    theirs.set_progress_bar_config(disable=True)
    assert isinstance(theirs.scheduler, DDIMScheduler)
    noise = torch.randn((32, 8, 8), generator=torch.Generator().manual_seed(3))[None]
    reference = theirs(
        "a cat", num_inference_steps=3, guidance_scale=4.0, latents=noise, output_type="np"
    ).images[0]
    mse = float(((ours / 255 - reference) ** 2).mean())
    assert -10 * np.log10(mse) > 40


def test_the_schedule_ends_in_pure_noise() -> None:
    assert float(SCHEDULER.alphas_cumprod[-1]) < 1e-6


def test_the_card_says_what_was_measured(tmp_path: Path) -> None:
    row = {"rate": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    figures = {
        "settings": {"seed": 1, "sampler": "s", "schedule": "t", "steps": 2, "guidance": 3},
        "starter": {"object": row},
        "judges": {"object": row | {"rate": 0.99}},
        "vae": {"psnr": 25.5, "low": 25.0, "high": 26.0, "n": 10},
        "styles": {name: row for style in STYLES for name in (style, f"{style}, true pictures")},
    }
    write_card(
        json.loads(json.dumps(figures)),
        [Spent("vae", 10, 0.5)],
        {"U-Net": 1_000_000},
        "a desk",
        tmp_path / "README.md",
    )
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert (
        "50.0% (40.0% to 60.0%, n = 100) | 90% | 99.0%" in text
        and "25.5 dB" in text
        and "| vae | 10 | 0.50 |" in text
        and "| neon | 50.0% (40.0% to 60.0%, n = 100) | 50.0% |" in text
    )


def test_what_is_shipped_is_small() -> None:
    """80 MB for the model with its weak companion; its adapters, a few MB together, are beside it."""
    sizes = {file: file.stat().st_size for file in STARTER.rglob("*.safetensors")}
    adapters = {f: size for f, size in sizes.items() if f.parent.name in ("loras", "controlnets")}
    assert sum(adapters.values()) < 10e6
    assert 70e6 < sum(sizes.values()) - sum(adapters.values()) < 80e6


def test_styles_are_asked_of_held_out_objects_in_words() -> None:
    cases = styled_cases()
    assert list(cases) == list(STYLES) and {len(some) for some in cases.values()} == {STYLED}
    for style, some in cases.items():
        assert all(any(word in case.prompt for word in STYLES[style]) for case in some)
        assert all(held_out_pair(c.scene.objects[0].thing, c.scene.background.colours[0]) for c in some)


def test_attention_begins_at_its_own_patch(tmp_path: Path) -> None:
    shop = workshop(CONFIG, [f"folder={tmp_path}", "text.steps=2", "text.batch=4", "latents.scenes=64"])
    encoder, cache = shop.text(), shop.cache()
    torch.manual_seed(0)
    unet = build_unet()
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    assert point(unet, encoder, cache, SCHEDULER.alphas_cumprod, 0) > 10 / 77  # by chance 1 / 77
    changed = {name for name, value in unet.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.endswith(("attn2.to_q.weight", "attn2.to_k.weight")) for name in changed)
    assert all(name.startswith("up_blocks.2") for name in changed)
    for name in changed:  # the first of three heads
        assert torch.equal(unet.state_dict()[name][64:], before[name][64:])


def test_a_table_is_moved_to_where_it_strays_least() -> None:
    wanted = [8.0, 3.0, 1.0, 0.2]

    def strays(sigmas: list[float]) -> float:
        return sum(abs(np.log(a / b)) for a, b in zip(sigmas, wanted, strict=True))

    start = [10.0, 2.0, 1.5, 0.1]
    found = descend(start, strays, (0.05, 20.0))
    assert strays(found) < 0.4 * strays(start)
    assert found == sorted(found, reverse=True) and found[-1] >= 0.05 and found[0] <= 20
    assert descend(wanted, strays, (0.05, 20.0)) == wanted
