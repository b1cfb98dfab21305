"""The table of formats is right, and would notice what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.bench.formats import cases
from napari_contrastseg.bench.formats.reading import PLACES, Reading, known
from napari_contrastseg.bench.formats.table import table
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rows(*wanted: cases.FormatCase) -> dict[str, Any]:
    *_, report = table(wanted)
    assert isinstance(report, dict)
    return report


@pytest.mark.parametrize("case", cases.CASES, ids=lambda c: f"{c.format} {c.direction}")
def test_every_format_is_right(case: cases.FormatCase) -> None:
    report = rows(case)
    assert [row["place"] for row in report["cases"]] == list(case.places)
    for row in report["cases"]:
        assert row["verdict"] == "right", row
    assert report["wrong"] == 0


SPOILT: dict[str, Callable[[Reading], Reading]] = {
    "mirrored": lambda r: replace(r, values=r.values[::-1]),
    "moved": lambda r: replace(r, affine=r.affine + np.eye(4, k=3) * 0.2),
    "in another unit": lambda r: replace(
        r, affine=np.diag([1e3, 1e3, 1e3, 1]) @ r.affine
    ),
    "another value": lambda r: replace(r, values=r.values + (r.values == 3)),
    "a slice less": lambda r: replace(r, values=r.values[:, :, :-1]),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_wrong_is_noticed(kind: str) -> None:
    values = np.arange(120).reshape(6, 5, 4, 1)

    def run(_folder: Path, place: Any) -> list[Reading]:
        wanted = known(values, place)
        return [wanted, wanted, SPOILT[kind](wanted)]

    report = rows(cases.FormatCase("x", "in", "y", run))
    assert report["wrong"] == len(PLACES)


def test_a_refusal_is_no_silent_error() -> None:
    def run(_folder: Path, _place: Any) -> list[Reading]:
        raise InputError("x: is not read.")

    report = rows(cases.FormatCase("x", "in", "y", run, ("upright",)))
    assert report["wrong"] == 0
    assert report["cases"][0]["verdict"] == "refused"
