"""What a setting says at its field: meaning, range, choices, options of a form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  read from the annotations
from typing import Annotated, Any, Literal

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.slice_axes import COARSEST
from napari_contrastseg.learning.losses.contrast import COLDEST
from napari_contrastseg.learning.plan.setting import (
    Setting,
    setting_fields,
    values_before,
)
from napari_contrastseg.learning.plan.shared_settings import COARSER, temperature_of
from napari_contrastseg.recipes import catalogue

SIDE = Setting("Side.", min=1, max=4, unit="pixels", choices={"auto": 0.0, "2": 2.0})


@dataclass(frozen=True)
class Settings:
    rate: Annotated[float, Setting("Rate.", min=0, max=1, step=1e-5)] = 0.1
    count: Annotated[int | None, Setting("Count.", min=1)] = None
    side: Annotated[float, SIDE] = 0.0
    kind: Annotated[Literal["a", "b", "c"], Setting("Kind.")] = "a"
    on: Annotated[bool, Setting("On.")] = True
    file: Annotated[Path | None, Setting("File.")] = None
    low: Annotated[int, Setting("Low.", max=3)] = 0
    two: Annotated[int, Setting("Two.", choices={"few": 1, "many": 9})] = 1
    ending: Annotated[str, Setting("Ending.", choices={"A": ".a", "B": ".b"})] = ".a"
    all: Annotated[
        bool, Setting("All.", choices={"every": True, "some": False}, label="content")
    ] = True


@dataclass(frozen=True)
class Derived(Settings):
    rate: float = 0.5
    count: Annotated[int, Setting("Counted.", min=7)] = 8


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rate", "0 to 1"),
        ("count", "at least 1 or null"),
        ("side", "0 (auto) or 1 to 4 (pixels)"),
        ("kind", "a, b or c"),
        ("on", "true or false"),
        ("file", "a file or null"),
        ("low", "at most 3"),
        ("two", "1 (few) or 9 (many)"),
        ("ending", ".a or .b"),
        ("all", "true or false"),
    ],
)
def test_the_values_of_a_setting_are_named(name: str, values: str) -> None:
    assert setting_fields(Settings)[name].values() == values


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("rate", 0.0, True),
        ("rate", 1.0, True),
        ("rate", -0.001, False),
        ("rate", float("nan"), False),
        ("count", None, True),
        ("count", 0, False),
        ("count", float("inf"), False),
        ("count", 10**12, True),
        ("side", 0.0, True),
        ("side", 0.5, False),
        ("side", 2.5, True),
        ("side", 4.01, False),
        ("kind", "b", True),
        ("on", False, True),
        ("low", -(10**12), True),
        ("low", 4, False),
        ("two", 9, True),
        ("two", 5, False),
        ("ending", ".b", True),
        ("ending", ".c", False),
        ("all", False, True),
    ],
)
def test_a_value_outside_the_range_is_refused_by_name(
    name: str, value: Any, *, allowed: bool
) -> None:
    entry = setting_fields(Settings)[name]
    if allowed:
        entry.check(value, "here")
        return
    with pytest.raises(InputError, match=f"^here: {name}: {value} is not") as caught:
        entry.check(value, "here")
    assert f"give {entry.values()}." in str(caught.value)


def test_a_number_beyond_all_use_is_refused() -> None:
    with pytest.raises(InputError, match=r"here: count: 1000.* is too large a number"):
        setting_fields(Settings)["count"].check(10**26, "here")


def test_a_subclass_keeps_what_a_setting_means_or_says_it_otherwise() -> None:
    found = setting_fields(Derived)
    assert found["rate"].setting.meaning == "Rate."
    assert (found["count"].setting.meaning, found["count"].kind) == ("Counted.", int)
    assert list(found) == list(setting_fields(Settings))


def test_a_setting_without_words_is_an_error_of_the_recipe() -> None:
    @dataclass(frozen=True)
    class Bare(Settings):
        silent: int = 0

    with pytest.raises(TypeError, match="silent"):
        setting_fields(Bare)


def test_a_form_gets_range_step_choices_and_words() -> None:
    found = {n: e.form_options() for n, e in setting_fields(Settings).items()}
    assert found["rate"] == {
        "label": "rate", "tooltip": "Rate.", "min": 0, "max": 1, "step": 1e-5
    }  # fmt: skip
    assert found["side"]["choices"] == [("auto", 0.0), ("2", 2.0)]
    assert found["on"] == {"label": "on", "tooltip": "On."}
    assert found["low"]["min"] < -1000
    assert found["all"]["label"] == "content"


def test_the_ranges_are_those_that_the_code_keeps() -> None:
    assert temperature_of("contrast").min == COLDEST
    assert (COARSER.min, COARSER.max) == (1, COARSEST)


def test_a_field_says_what_it_stood_for_before_it_existed() -> None:
    recommended = type(catalogue()["recommended"].presets["sound"])
    assert values_before(recommended) == {
        "continued_rate": 1.0,
        "coarser": 1.0,
        "evidence_until": 10**9,
        "interpolation": False,
        "local_steps": 0,
        "local_share": 0.0,
    }
    assert values_before(Settings) == {}


def test_a_class_without_settings_may_name_types_for_type_checkers_alone() -> None:
    @dataclass
    class Other:
        thing: NotImportedHere  # type: ignore[name-defined]  # noqa: F821

    assert values_before(Other) == {}
