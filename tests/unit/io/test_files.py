"""Names that are taken get a number."""

from __future__ import annotations

import pytest

from napari_contrastseg.io.files import free_name


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        (set(), "scan"),
        ({"scan"}, "scan (2)"),
        ({"scan", "scan (2)"}, "scan (3)"),
        ({"scan", "scan (3)"}, "scan (2)"),
    ],
)
def test_a_taken_name_gets_the_first_free_number(taken: set[str], found: str) -> None:
    assert free_name("scan", taken.__contains__) == found
