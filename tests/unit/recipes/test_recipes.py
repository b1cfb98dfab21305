"""Recipes are listed, make sensible plans, and are named in errors."""

from __future__ import annotations

import sys

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.recipes import catalogue, recipe_named, settings_of


def test_recipes_are_listed_without_torch() -> None:
    import subprocess

    code = (
        "import sys; from napari_contrastseg.recipes import catalogue; "
        "[r.presets for r in catalogue().values()]; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", sorted(catalogue()))
@pytest.mark.parametrize("preset", ["sound", "literal"])
def test_plans_make_sense(name: str, preset: str) -> None:
    recipe = recipe_named(name)
    plan = recipe.plan(settings_of(recipe, preset))
    assert plan.stages[-1].purpose == "fine-tune"
    assert recipe.pretrains == any(s.purpose == "pretrain" for s in plan.stages)
    assert recipe.summary.endswith(".")


@pytest.mark.parametrize(
    ("variant", "stages"),
    [
        ("hu2021+global_steps=0", ["local contrast", "fine-tune"]),
        ("hu2021+local_steps=0", ["global contrast", "fine-tune"]),
        ("clcc2022+contrast_steps=0", ["fine-tune"]),
        ("chaitanya2020+global_steps=0", ["local contrast", "fine-tune"]),
        ("cssl2021+cycles=0+first_steps=0", ["fine-tune"]),
        ("cssl2021+cycles=1+first_steps=0", ["class patches 1", "fine-tune"]),
        ("ideal2023+dense_steps=0", ["fine-tune"]),
        ("simclr+pretrain_steps=0", ["fine-tune"]),
        ("recommended+global_steps=0", ["local contrast", "fine-tune"]),
    ],
)
def test_a_pretraining_of_no_steps_is_left_out(variant: str, stages: list[str]) -> None:
    """Rows of the papers' tables lack a stage: local alone, without contrast."""
    recipe = recipe_named(variant)
    plan = recipe.plan(settings_of(recipe, "sound"))
    assert [stage.name for stage in plan.stages] == stages


@pytest.mark.parametrize(("pairs", "slices"), [("label", "labelled"), ("self", "all")])
def test_pairs_without_labels_learn_from_all_slices(pairs: str, slices: str) -> None:
    """Hu et al. 2021, page 7: without labels the entire training data is used."""
    recipe = recipe_named(f"hu2021+pairs={pairs}")
    plan = recipe.plan(settings_of(recipe, "sound"))
    assert plan.stages[1].view.slices == slices


@pytest.mark.parametrize(
    ("strategies", "partitions"),
    [("GR LR", (0, 0)), ("GD- LR", (4, 0)), ("GD LD", (4, 4)), ("GR LD", (0, 4))],
)
def test_batches_follow_the_volume_where_the_loss_does(
    strategies: str, partitions: tuple[int, int]
) -> None:
    """Chaitanya et al. 2020: GR and LR take random slices of all volumes."""
    whole, local = strategies.split()
    recipe = recipe_named(
        f"chaitanya2020+global_strategy={whole}+local_strategy={local}"
    )
    plan = recipe.plan(settings_of(recipe, "sound"))
    assert tuple(s.view.partitions for s in plan.stages[:2]) == partitions


@pytest.mark.parametrize(
    ("variant", "sentence"),
    [
        ("chaitanya2020+decoder_blocks=9", "9 is more than the 3 blocks"),
        ('chaitanya2020+local_augmentation={"mirror": true}', "intensity alone"),
        ("clcc2022+released_loss=true+printed_loss=true", "not both"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    variant: str, sentence: str
) -> None:
    recipe = recipe_named(variant)
    with pytest.raises(InputError, match=sentence):
        recipe.plan(settings_of(recipe, "sound"))


def test_literal_presets_have_what_the_papers_have() -> None:
    """Found by an audit against the papers and their code."""
    presets = {name: recipe.presets["literal"] for name, recipe in catalogue().items()}
    assert presets["clcc2022"].largest == 320
    plan = recipe_named("clcc2022").plan(presets["clcc2022"])
    assert plan.largest == 320
    assert plan.stages[0].optimiser.warm_up == 1, "the rate rises through the stage"
    assert presets["cssl2021"].network.dropout == 0
    assert not presets["cssl2021"].dice
    assert presets["hu2021"].network.centre == "plain"
    assert presets["ideal2023"].one_view


def test_unknown_recipes_and_presets_are_named() -> None:
    with pytest.raises(InputError, match=r"choose one of .*hu2021"):
        recipe_named("magic")
    with pytest.raises(InputError, match="no preset 'x'"):
        settings_of(recipe_named("supervised"), "x")


def test_a_variant_is_a_recipe_with_other_settings() -> None:
    found = recipe_named("hu2021+steps=7+pairs=self")
    assert found.name == "hu2021+steps=7+pairs=self"
    settings = settings_of(found, "sound")
    assert (settings.steps, settings.pairs) == (7, "self")
    assert recipe_named("hu2021").presets["sound"].steps == 1000
    with pytest.raises(InputError, match="give NAME=VALUE"):
        recipe_named("hu2021+steps")
    with pytest.raises(InputError, match="no setting 'stepz'"):
        recipe_named("hu2021+stepz=3")


@pytest.mark.parametrize("change", ["steps=-1", "steps=many"])
def test_a_refused_value_names_the_option_that_it_was_given_to(change: str) -> None:
    with pytest.raises(InputError, match=r"^--recipe: steps: "):
        recipe_named(f"hu2021+{change}")
    name, value = change.split("=")
    with pytest.raises(InputError, match=r"^--set: steps: "):
        settings_of(recipe_named("hu2021"), "sound", {name: value})


@pytest.mark.parametrize(
    ("augmentation", "said"),
    [
        ('{"rotation": NaN}', "rotation is nan and must be within 0 and 360"),
        ('{"noise": -1}', "noise is -1 and must be 0 or above"),
        ('{"chance": 2}', "chance is 2 and must be within 0 and 1"),
        ('{"gamma": [-1, 1]}', "gamma must be two numbers above 0, the lower first"),
        ('{"scale": [2, 1]}', "scale must be two numbers above 0, the lower first"),
        ('{"added": [0, -1]}', "added must be a mean and a deviation of 0 or above"),
    ],
)
def test_changes_of_images_that_cannot_be_made_are_refused(
    augmentation: str, said: str
) -> None:
    with pytest.raises(InputError, match=f"--recipe: augmentation: {said}"):
        recipe_named(f"hu2021+augmentation={augmentation}")


@pytest.mark.parametrize("preset", ["sound", "literal"])
def test_the_weights_of_clccs_equation_3(preset: str) -> None:
    """Alpha and beta: the contrast alone, then the consistency alone."""
    recipe = recipe_named("clcc2022")
    settings = settings_of(recipe, preset)
    first, second = recipe.plan(settings).stages
    named = [{t.name: t.weight for t in stage.terms} for stage in (first, second)]
    supervised = "dice + cross-entropy"
    assert named == [
        {supervised: 1.0, "cross-level contrast": 1.0},
        {supervised: 1.0, "cross-level consistency": settings.consistency},
    ]


@pytest.mark.parametrize(
    ("name", "literal", "sound"),
    [
        ("hu2021", {"literal_loss": False}, {"literal_loss": False}),
        (
            "cssl2021",
            {"printed_mix": True, "hard": 0.4, "background": False, "dice": False},
            {"printed_mix": False, "hard": 0.4, "background": True, "dice": True},
        ),
        (
            "clcc2022",
            {"released_loss": True, "printed_loss": False},
            {"released_loss": False, "printed_loss": False},
        ),
        (
            "chaitanya2020",
            {"across": "alike", "preset_regions": True},
            {"across": "alike", "preset_regions": False},
        ),
        ("ideal2023", {"one_view": True, "dice": False}, {"one_view": False}),
    ],
)
def test_presets_follow_the_equations_that_the_docs_say(
    name: str, literal: dict[str, object], sound: dict[str, object]
) -> None:
    """The table "Which equation a preset follows" of docs/recipes/index.md."""
    presets = recipe_named(name).presets
    for preset, values in (("literal", literal), ("sound", sound)):
        for setting, value in values.items():
            assert getattr(presets[preset], setting) == value, (preset, setting)
