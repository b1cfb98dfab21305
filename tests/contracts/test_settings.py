"""Settings of every recipe: valid as they stand, and stored as before."""

from __future__ import annotations

import json
from dataclasses import make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest

from napari_contrastseg.bench.compare.peers import PEERS
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse, to_plain
from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.recipes import catalogue, recipe_named, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path(__file__).parents[2] / "docs" / "results"
every_preset = pytest.mark.parametrize(
    ("name", "preset"),
    [(r.name, preset) for r in catalogue().values() for preset in r.presets],
)


def requests(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a result that names a recipe."""
    if isinstance(value, dict):
        if isinstance(value.get("recipe"), str):
            yield value
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from requests(part)


def committed() -> list[dict[str, Any]]:
    files = sorted(RESULTS.rglob("*.json"))
    found = [part for path in files for part in requests(json.loads(path.read_bytes()))]
    return [part for part in found if part["recipe"] not in PEERS]


def check(settings: Any) -> None:
    for name, entry in setting_fields(type(settings)).items():
        entry.check(getattr(settings, name), name)


@every_preset
def test_a_preset_holds_allowed_values(name: str, preset: str) -> None:
    check(catalogue()[name].presets[preset])


@every_preset
def test_settings_are_stored_as_if_they_had_no_words(name: str, preset: str) -> None:
    settings = catalogue()[name].presets[preset]
    stored = to_plain(settings)
    bare = make_dataclass("Bare", get_type_hints(type(settings)).items())
    assert json.dumps(stored) == json.dumps(to_plain(bare(**vars(settings))))
    assert parse(type(settings), json.loads(json.dumps(stored)), "here") == settings


@every_preset
def test_every_number_can_be_set_to_the_ends_of_its_range(
    name: str, preset: str
) -> None:
    recipe = catalogue()[name]
    for entry in setting_fields(type(recipe.presets[preset])).values():
        for end in (entry.setting.min, entry.setting.max):
            if end is not None:
                changed = settings_of(recipe, preset, {entry.name: f"{end:g}"})
                assert getattr(changed, entry.name) == end


def test_recipes_that_results_name_can_still_be_asked_for() -> None:
    names = {part["recipe"] for part in committed()}
    assert len(names) > 15
    for name in names:
        recipe_named(name)


def test_settings_that_results_keep_are_allowed() -> None:
    kept = [part for part in committed() if part.get("settings")]
    assert len(kept) > 40
    for part in kept:
        preset = recipe_named(part["recipe"]).presets[part["preset"]]
        check(parse(type(preset), part["settings"], part["recipe"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("temperature=0.001", r"temperature: 0.001 .* give 0.002 to 10"),
        ("coarser=0.5", r"coarser: 0.5 .* give 0 \(auto\) or 1 to 32"),
        ("lr=NaN", r"lr: nan .* give 0 to 1"),
        ("steps=-1", r"steps: -1 .* give at least 0 \(steps\)"),
    ],
)
def test_a_value_outside_its_range_is_not_taken(change: str, said: str) -> None:
    with pytest.raises(InputError, match=f"^--recipe: {said}"):
        recipe_named(f"simclr+{change}")


def test_a_number_beside_the_choices_of_the_form_is_taken() -> None:
    assert recipe_named("simclr+coarser=2.5").presets["sound"].coarser == 2.5
