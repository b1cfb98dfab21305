"""Results that are there already are recognised, and never written again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from napari_contrastseg.bench.compare.cells import Cell
from napari_contrastseg.bench.compare.stored_result import (
    completed,
    fill_in,
    settings_asked,
    stored_result,
)
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.plan.setting import Setting

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Inner:
    old: int = 1
    later: Annotated[float, Setting("Later.", before=0.0)] = 3.0


@dataclass(frozen=True)
class Settings:
    required: str
    old: int = 1
    same_as_default: tuple[int, int] = (1, 2)
    made: list[int] = field(default_factory=lambda: [7])
    other_than_default: Annotated[bool, Setting("Other.", before=False)] = True
    none_before: Annotated[float | None, Setting("None.", before=None)] = 2.0
    inner: Inner = field(default_factory=lambda: Inner(old=5, later=9.0))


def test_what_a_result_does_not_name_is_as_it_was_before_it_existed() -> None:
    today = Settings("x", old=4, same_as_default=(8, 8), inner=Inner(6, 6.0))
    assert fill_in({"old": 2, "inner": {"old": 3}}, today) == {
        "old": 2,
        "same_as_default": [1, 2],
        "made": [7],
        "other_than_default": False,
        "none_before": None,
        "inner": {"old": 3, "later": 0.0},
    }
    assert fill_in({"gone": 1}, today)["inner"] == {"old": 5, "later": 9.0}
    assert fill_in({"gone": 1}, today)["gone"] == 1


def a_request(cell: Cell, *left_out: str, **changes: Any) -> dict[str, Any]:
    """What the file of a cell keeps, without some of its settings."""
    settings = {
        name: value
        for name, value in settings_asked(cell).items()
        if name not in left_out
    }
    return {
        "dataset": "set",
        "recipe": cell.recipe,
        "preset": cell.preset,
        "steps": None,
        "inner": False,
        "start": None,
        "scale": None,
        "control": None,
        "control_of": None,
        "control_steps": None,
        "settings": settings | changes,
    }


def a_cell(recipe: str) -> Cell:
    return Cell("set", recipe, "sound", 0.1, 0, 0, "short", "cpu")


def write(path: Path, request: dict[str, Any]) -> bytes:
    path.write_text(json.dumps({"mean_dice": 0.5, "request": request}, indent=3))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("recipe", "left_out"),
    [
        ("supervised", ("coarser", "augmentation")),
        ("supervised+coarser=1.0", ("coarser",)),
        ("recommended+coarser=1.0", ("coarser",)),
        ("ideal2023", ("encoder_weights",)),
        ("ideal2023+dice=false", ("dice",)),
    ],
)
def test_a_cell_from_before_a_setting_is_the_one_that_is_asked_for(
    tmp_path: Path, recipe: str, left_out: tuple[str, ...]
) -> None:
    cell, path = a_cell(recipe), tmp_path / "cell.json"
    before = write(path, a_request(cell, *left_out))
    found = stored_result(path, a_request(cell), cell)
    assert found == json.loads(before)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("recipe", "left_out", "said"),
    [
        ("recommended", "coarser", r"settings.coarser: 1.0, now 0.0"),
        ("recommended", "evidence_until", r"settings.evidence_until: \d+, now 24"),
        ("ideal2023", "dice", r"settings.dice: False, now True"),
        ("supervised+coarser=2", "coarser", r"settings.coarser: 1.0, now 2.0"),
        ("random_forest", "trees", r"settings.trees: None, now \d+"),
    ],
)
def test_a_cell_from_before_what_a_setting_changed_is_another(
    tmp_path: Path, recipe: str, left_out: str, said: str
) -> None:
    cell, path = a_cell(recipe), tmp_path / "cell.json"
    before = write(path, a_request(cell, left_out))
    with pytest.raises(InputError, match=said):
        stored_result(path, a_request(cell), cell)
    assert path.read_bytes() == before


def test_a_setting_that_is_gone_makes_another_cell(tmp_path: Path) -> None:
    cell, path = a_cell("supervised"), tmp_path / "cell.json"
    write(path, a_request(cell, gone=1))
    with pytest.raises(InputError, match=r"settings.gone: 1, now None"):
        stored_result(path, a_request(cell), cell)


def test_a_request_from_before_an_option_has_its_default() -> None:
    cell = a_cell("supervised")
    later = {
        "steps",
        "inner",
        "start",
        "scale",
        "control",
        "control_of",
        "control_steps",
    }
    old = {k: v for k, v in a_request(cell).items() if k not in later}
    assert completed(old, cell) == a_request(cell)


def test_a_file_without_a_request_is_left_alone(tmp_path: Path) -> None:
    cell, path = a_cell("supervised"), tmp_path / "cell.json"
    path.write_text('{"mean_dice": 0.5}')
    with pytest.raises(InputError, match="with which settings it was run"):
        stored_result(path, a_request(cell), cell)
    assert path.read_text() == '{"mean_dice": 0.5}'
    assert stored_result(tmp_path / "none.json", a_request(cell), cell) is None
