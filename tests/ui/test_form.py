"""The form says what the Recipe's declarations say, and gives back what it was shown."""

from typing import Any

import gradio as gr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.recipe import Recipe, RecipeError, fields
from ui.form import RANDOM, Form


def whole_form(**good: dict[str, Any]) -> Form:
    form = Form({"starter": {}, "other": {}} | good)
    with gr.Blocks():
        for spec in fields():
            form.make(spec.name)
    form.unmade()
    return form


FORM = whole_form()


def values(**given: Any) -> list[Any]:
    defaults = {spec.name: spec.default for spec in fields()}
    return [(defaults | given)[name] for name in FORM.names]


@pytest.mark.parametrize("spec", fields(), ids=lambda spec: spec.name)
def test_every_field_has_a_component_that_says_its_declaration(spec: Any) -> None:
    component: Any = FORM[spec.name]
    assert component.label == spec.label and component.info == spec.help
    assert component.elem_id == f"field-{spec.name}"
    if spec.choices:
        assert component.choices == [(choice.label, choice.name) for choice in spec.choices]
    if isinstance(component, gr.Slider):
        assert (component.minimum, component.maximum, component.step) == (
            spec.minimum,
            spec.maximum,
            spec.step,
        )
    if spec.name != "seed":
        assert component.value == ("" if spec.default is None else spec.default)


STARTER = {"guidance": 4.0, "schedule": "trailing", "steps": 20, "width": 128, "height": 128}
LARGE = {"width": 512, "height": 512, "steps": 30}


def test_the_form_begins_with_the_first_models_defaults() -> None:
    form: Any = whole_form(starter=STARTER | {"sampler": "gone", "steps": True, "prompt": "x", "wings": 2})
    shown = {name: form[name].value for name in ("guidance", "schedule", "sampler", "steps", "prompt")}
    assert shown == {"guidance": 4, "schedule": "trailing", "sampler": "dpmpp-2m", "steps": 20, "prompt": ""}


def test_choosing_a_model_moves_what_was_not_changed() -> None:
    form = whole_form(starter=STARTER, other=LARGE)
    untouched = values(**STARTER, model="other")
    assert form.moved("starter", untouched) == LARGE | {"guidance": 5, "schedule": "model"}
    assert form.moved("gone", untouched) == form.moved("starter", untouched)  # as if it were the first
    changed = values(**STARTER | {"width": 192, "guidance": 7}, model="other")
    assert form.moved("starter", changed) == {"height": 512, "steps": 30, "schedule": "model"}
    assert form.moved("other", values(**LARGE, model="starter")) == {
        "guidance": 4, "schedule": "trailing", "steps": 20, "width": 128, "height": 128
    }  # fmt: skip


def test_a_model_may_have_a_good_value_of_a_field_that_is_empty_elsewhere() -> None:
    form: Any = whole_form(starter=STARTER | {"guidance_high": 5.0}, other=LARGE)
    assert form["guidance_high"].value == "5"
    away = form.moved("starter", values(**STARTER, guidance_high="5", model="other"))
    assert away["guidance_high"] == ""
    assert form.moved("other", values(**LARGE, guidance_high="", model="starter"))["guidance_high"] == "5"
    assert "guidance_high" not in form.moved("starter", values(**STARTER, guidance_high="9", model="other"))
    assert form.read(values(**STARTER, guidance_high="5")).guidance_high == 5


def test_a_model_without_known_defaults_moves_nothing() -> None:
    assert whole_form(starter=STARTER).moved("starter", values(**STARTER, model="other")) == {}


def test_a_field_that_the_page_forgot_is_our_fault() -> None:
    form = Form({"starter": {}})
    with gr.Blocks():
        form.make("prompt")
    with pytest.raises(AssertionError, match="negative"):
        form.unmade()


recipes = st.builds(
    Recipe,
    model=st.sampled_from(["starter", "other"]),
    prompt=st.text(max_size=60),
    steps=st.integers(1, 150),
    guidance=st.floats(0, 30),
    width=st.integers(8, 128).map(lambda eights: eights * 8),
    height=st.integers(8, 64).map(lambda eights: eights * 8),
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 8),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(recipe=recipes)
def test_a_recipe_goes_through_the_form_unchanged(recipe: Recipe) -> None:
    shown = FORM.filled(recipe)
    assert FORM.read([shown[name] for name in FORM.names]) == recipe


@pytest.mark.parametrize(
    ("typed", "eta"), [("", None), (" ", None), ("0", 0.0), ("0.25", 0.25), (None, None)]
)
def test_an_empty_eta_is_the_samplers_own(typed: str | None, eta: float | None) -> None:
    recipe = FORM.read(values(sampler="ddim", eta=typed))
    assert recipe.eta == eta
    shown = FORM.filled(recipe)
    assert FORM.read([shown[name] for name in FORM.names]) == recipe


@pytest.mark.parametrize("seed", [RANDOM, None])
def test_no_seed_is_a_new_one_each_time(seed: int | None) -> None:
    assert len({FORM.read(values(seed=seed)).seed for _ in range(8)}) == 8


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("steps", 0, "Steps: got 0; allowed: a whole number from 1 to 150"),
        ("steps", 2.5, "Steps: got 2.5"),
        ("guidance", 1e9, "Guidance: got 1000000000.0; allowed: a number from 0 to 30"),
        ("sampler", "unipc", "Sampler: got 'unipc'; allowed: one of dpmpp-2m"),
        ("width", 100, "Width: got 100"),
        ("prompt", "x" * 10_000, "(10000 characters); allowed: text of at most 4000"),
        ("seed", -2, "Seed: got -2"),
        ("count", None, "Count: got nothing"),
        ("eta", "much", "Eta: got 'much'"),
        ("eta", "0.5", "Eta: DPM++ 2M takes no eta, got 0.5; leave it empty."),  # DPM++ 2M takes none
    ],
)
def test_a_bad_value_is_an_error_that_names_the_field(field: str, value: object, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        FORM.read(values(**{field: value}))
    assert said in str(error.value)


def test_a_model_that_is_not_here_leaves_the_chosen_one() -> None:
    assert "model" not in FORM.filled(Recipe(model="elsewhere"))
    assert FORM.filled(Recipe(model="other"))["model"] == "other"


def test_what_a_browser_kept_is_shown_only_where_it_can_be() -> None:
    kept = FORM.kept({
        "prompt": "x" * 5000, "steps": 0, "sampler": "gone", "schedule": "karras", "model": "gone",
        "seed": -1, "guidance": "7", "count": True, "eta": "", "wings": 2, "negative": ["a"],
        "width": {"a": 1},
    })  # fmt: skip
    assert kept == {"prompt": "x" * 5000, "steps": 0, "schedule": "karras", "seed": -1, "eta": ""}
