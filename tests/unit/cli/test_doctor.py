"""doctor says what there is."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from napari_contrastseg.cli.doctor import qt_problems
from tests.kit.command_line import contrastseg, here


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """Give what it says in a process of its own."""
    said: dict[str, Any] = json.loads(contrastseg("doctor", "--json", "-").stdout)
    return said


def test_doctor_says_what_there_is(report: dict[str, Any]) -> None:
    assert {
        *("python", "torch", "napari", "device", "gpu", "opengl", "qt", "problems")
    } <= set(report)


@pytest.mark.skipif(not os.environ.get("DISPLAY"), reason="needs a screen")
def test_doctor_names_the_package_that_brings_qt(report: dict[str, Any]) -> None:
    assert report["qt"].startswith(("PyQt6 6.", "PySide6 6."))


@pytest.mark.parametrize(
    ("qt", "python", "crashes"),
    [
        ("PySide6 6.12.0", (3, 11), True),
        ("PySide6 6.12.0", (3, 12), False),
        ("PySide6 6.11.3", (3, 11), False),
        ("PyQt6 6.12.0", (3, 11), False),
    ],
)
def test_a_qt_that_crashes_is_named(
    qt: str, python: tuple[int, int], crashes: bool
) -> None:
    assert bool(qt_problems(qt, python)) is crashes


@pytest.mark.parametrize(
    ("problems", "said"),
    [([], "problem: none\n"), (["a", "b"], "problem: a\nproblem: b\n")],
)
def test_doctor_says_it_in_lines(
    problems: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"python": "3.11.7", "gpu": None, "problems": problems}
    monkeypatch.setattr("napari_contrastseg.cli.doctor.examine", lambda: found)
    done = here("doctor")
    assert done == (0, f"{'python':<20} 3.11.7\n{'gpu':<20} None\n{said}", "")
