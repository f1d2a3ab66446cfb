"""The starter's world: the same seed gives the same scene, captions tell the truth, held out is held out."""

import numpy as np
import pytest

from training.data.glyphs import glyph
from training.data.scenes import (
    OPPOSITE,
    SIDE,
    Background,
    Placed,
    Scene,
    caption,
    describe,
    expected,
    held_out,
    held_out_pair,
    held_out_triple,
    render,
    scene_at,
    spread,
)
from training.data.styles import STYLE_FILTERS
from training.data.vocabulary import COLOURS, NUMBERS, RELATIONS, SETTINGS, STYLES, THINGS, plural_of


def test_the_world_is_as_large_as_promised() -> None:
    assert len(THINGS) >= 150
    assert len(COLOURS) == 12
    assert len(STYLES) >= 4
    assert set(STYLES) == set(STYLE_FILTERS)


def test_every_thing_has_its_own_name_and_glyph() -> None:
    names = [name for thing in THINGS for name in thing.names]
    assert len(set(names)) == len(names)
    assert len({glyph(thing.glyph).tobytes() for thing in THINGS}) == len(THINGS)


@pytest.mark.parametrize(
    ("one", "many"),
    [("cat", "cats"), ("wolf", "wolves"), ("cherry", "cherries"), ("slice of pizza", "slices of pizza"),
     ("maple leaf", "maple leaves"), ("bus", "buses"), ("monkey", "monkeys")],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert plural_of(one) == many


def test_a_scene_is_a_function_of_its_seed_and_index() -> None:
    first, again, other = scene_at(5, 1), scene_at(5, 1), scene_at(6, 1)
    assert first[0] == again[0] and first[2] == again[2]
    np.testing.assert_array_equal(first[1], again[1])
    assert first[1].shape == (SIDE, SIDE, 3) and first[1].dtype == np.uint8
    assert first[0] != other[0]


def test_training_never_draws_what_is_held_out() -> None:
    rng = np.random.default_rng(0)
    assert not any(held_out(describe(rng)) for _ in range(3000))
    pairs = sum(held_out_pair(t, c) for t in range(len(THINGS)) for c in COLOURS) / (
        len(THINGS) * len(COLOURS)
    )
    assert 0.05 < pairs < 0.12


def test_a_held_out_relation_is_held_out_from_both_sides() -> None:
    for first, second in [(0, 1), (3, 40), (12, 7), (80, 90), (100, 2)]:
        for relation in RELATIONS:
            assert held_out_triple(first, relation, second) == held_out_triple(
                second, OPPOSITE[relation], first
            )


def test_objects_lie_inside_and_apart_and_as_the_relation_says() -> None:
    rng = np.random.default_rng(1)
    for _ in range(2000):
        scene = describe(rng)
        for one in scene.objects:
            assert one.side // 2 - 8 <= one.x <= SIDE - one.side // 2 + 8
            assert one.side // 2 - 8 <= one.y <= SIDE - one.side // 2 + 8
        if scene.relation:
            a, b = scene.objects
            apart = {"left of": b.x - a.x, "right of": a.x - b.x, "above": b.y - a.y, "below": a.y - b.y}
            assert apart[scene.relation] > a.side


def test_a_caption_names_what_is_there() -> None:
    rng = np.random.default_rng(2)
    for _ in range(1000):
        scene = describe(rng)
        text = caption(scene, rng)
        for one in scene.objects:
            assert any(name in text for name in (*THINGS[one.thing].names, *THINGS[one.thing].plurals)), text
        if len(scene.objects) == 3 or (
            len(scene.objects) == 2 and scene.objects[0].thing == scene.objects[1].thing
        ):
            assert any(f"{word} " in text for word in NUMBERS[len(scene.objects)]), text
        assert text == text.lower() and len(text) < 160


def test_a_relation_said_from_the_other_object_is_turned_round() -> None:
    scene = Scene((Placed(0, 30, 64, 40), Placed(1, 98, 64, 40)), Background("plain", ("teal",)), "left of")
    cat, dog = THINGS[0].names, THINGS[1].names
    said = [caption(scene, np.random.default_rng(k)) for k in range(300)]
    for text in said:
        cat_at = min(text.find(n) for n in cat if n in text)
        dog_at = min(text.find(n) for n in dog if n in text)
        assert ("left" in text) == (cat_at < dog_at), text
    assert {"left" in text for text in said} == {True, False}


@pytest.mark.parametrize("style", list(STYLE_FILTERS))
def test_styles_change_the_picture_but_not_its_shape(style: str) -> None:
    plain = Scene((Placed(0, 64, 64, 80),), Background("plain", ("yellow",)))
    styled = Scene(plain.objects, plain.background, None, None, style)
    a, b = (render(s, np.random.default_rng(0)) for s in (plain, styled))
    assert a.shape == b.shape and b.dtype == np.uint8
    assert np.abs(a.astype(int) - b).mean() > 3


@pytest.mark.parametrize("setting", list(SETTINGS))
def test_settings_render(setting: str) -> None:
    picture = render(Scene((Placed(3, 64, 64, 60),), Background(setting)), np.random.default_rng(0))
    assert picture.std() > 20


def test_what_words_make_expect_is_one_scene_whatever_the_seed_chose() -> None:
    rng = np.random.default_rng(4)
    back = Background("plain", ("white",))
    for count, side in ((1, 72), (2, 48), (3, 40)):
        places = [spread(rng, count, side) for _ in range(20)]
        scenes = [Scene(tuple(Placed(3, x, y, side) for x, y in its), back) for its in places]
        assert (
            len({scene.objects for scene in scenes}) > 1 and len({expected(scene) for scene in scenes}) == 1
        )
    pair = Scene((Placed(1, 32, 64, 48), Placed(2, 96, 64, 48)), back, "left of")
    assert expected(pair) == pair
    assert expected(scenes[0]).background == back and expected(scenes[0]).objects[0].thing == 3
