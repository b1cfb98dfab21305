"""The table of formats: largest deviation in voxels and mm, and whether it is right."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.bench.formats.cases import CASES
from napari_contrastseg.bench.formats.reading import PLACES, difference
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import SAME_PLACE
from napari_contrastseg.io.optional import need
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_contrastseg.bench.formats.cases import FormatCase
    from napari_contrastseg.bench.formats.reading import Reading

RIGHT: Final = "right"
WRONG: Final = "wrong"
REFUSED: Final = "refused"
_LIBRARIES: Final = {
    "SimpleITK": "bench", "zarr": "bench", "pydicom": "dicom", "highdicom": "dicom"
}  # fmt: skip


def table(
    cases: Sequence[FormatCase] = tuple(CASES),
) -> Iterator[Progress | dict[str, Any]]:
    """Run all cases at all their places; the last event is the report.

    A case that is refused with a sentence is not right, but not silently wrong.

    Raises
    ------
    InputError
        A library to compare with is not installed: nothing would be compared.
    """
    for library, extra in _LIBRARIES.items():
        need(library, "Comparisons of formats", extra)
    wanted = [(case, place) for case in cases for place in case.places]
    rows = []
    for done, (case, place) in enumerate(wanted):
        rows.append(_row(case, place))
        yield Progress("formats", (done + 1) / len(wanted))
    wrong = sum(row["verdict"] == WRONG for row in rows)
    yield {"cases": rows, "wrong": wrong}


def _row(case: FormatCase, place: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "format": case.format,
        "direction": case.direction,
        "other": case.other,
        "place": place,
    }
    if case.source:
        row |= {"source": case.source, "judged": case.judged}
    with tempfile.TemporaryDirectory() as folder:
        try:
            readings = case.run(Path(folder), PLACES[place])
        except InputError as error:
            return row | {
                "corner_voxels": None,
                "corner_mm": None,
                "values_equal": False,
                "verdict": REFUSED,
                "why": str(error),
            }
        return row | _verdict(readings)


def _verdict(readings: list[Reading]) -> dict[str, Any]:
    """Compare what was read with what is known; the largest deviation counts."""
    first, *others = readings
    found = [difference(first, other) for other in others]
    voxels = max(one.corner_voxels for one in found)
    equal = all(one.values_equal for one in found)
    right = equal and voxels <= SAME_PLACE and all(one.units_equal for one in found)
    return {
        "corner_voxels": round(voxels, 6),
        "corner_mm": round(max(one.corner_mm for one in found), 6),
        "values_equal": equal,
        "verdict": RIGHT if right else WRONG,
    }
