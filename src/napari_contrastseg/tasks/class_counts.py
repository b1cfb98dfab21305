"""Count a session's classes: voxels, volume, slices done and with ink, as a table."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.volume import lengths
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.review_queue import trust_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

    Cell = str | float | None

#: In place of a volume's name: all of the session.
ALL_VOLUMES: Final = "all volumes"
_NUMBERS: Final = 256
_CUBIC_MM_PER_ML: Final = 1000


@dataclass(frozen=True)
class ClassRow:
    """What is known of one class in one volume, or in all of them.

    Attributes
    ----------
    volume, class_name : str
    voxels : int
        With the class: labelled, and proposed where nobody labelled.
    painted : int
        Of those with ink of the class, whoever put it there.
    size : float or None
        In `unit`; None where the voxel size is not known.
    unit : str
        ml, µm³, or mm² and µm² of unrelated pictures; "" for none.
    with_ink, done, slices : int
        Slices with ink of the class; of the volume those that are done, and all.
    dice : float or None
        Foreground Dice to expect of the volume's prediction, of all its classes.
    silhouette : float or None
        How well the class separates in the current round's embedding.
    """

    volume: str
    class_name: str
    voxels: int
    painted: int
    size: float | None
    unit: str
    with_ink: int
    done: int
    slices: int
    dice: float | None = None
    silhouette: float | None = None


@dataclass(frozen=True, eq=False)
class CountRequest:
    """What is counted, and what is known without counting.

    Attributes
    ----------
    records : dict of volume id to VolumeRecord
        Shared: a person may go on painting; what is painted meanwhile may count.
    names : dict of class id to name
    dice : dict of volume id to float
    silhouette : dict of class name to float
    """

    records: Mapping[str, VolumeRecord]
    names: Mapping[int, str]
    dice: Mapping[str, float]
    silhouette: Mapping[str, float]


@dataclass(frozen=True)
class Counted:
    """All that was counted: rows by volume and class, then those of the session."""

    rows: tuple[ClassRow, ...]


def count_request(session: Session) -> CountRequest:
    """Take from a session what `count_classes` needs."""
    current = session.rounds.current
    notes = session.case_notes.items()
    dice = {name: note.dice for name, note in notes if note.dice is not None}
    if current is not None and current.slices:
        right = trust_of(session).right
        dice |= {n: scores.whole_dice(right) for n, scores in current.slices.items()}
    return CountRequest(
        dict(session.all_records),
        {c.id: c.name for c in session.classes},
        {name: value for name, value in dice.items() if math.isfinite(value)},
        dict(current.info.silhouette) if current is not None else {},
    )


def count_classes(request: CountRequest) -> Generator[Progress | Counted]:
    """Count volume by volume, block by block, as a task; no copy of a volume is made.

    Yields
    ------
    Progress or Counted
        The part that is done, now and then; the rows at the end.
    """
    rows: list[ClassRow] = []
    for number, (name, record) in enumerate(request.records.items()):
        counts = _Counts(len(record.status))
        for part in counts.take(record):
            yield Progress("classes", (number + part) / len(request.records))
        rows += _rows_of(name, record, counts, request)
    yield Counted((*rows, *_of_session(rows, request)))


def table_of(rows: Sequence[ClassRow]) -> tuple[list[str], list[list[Cell]]]:
    """Give headers, which name the units, and cells; None where nothing is known.

    Sizes have a column for each unit that there is.
    """
    units = sorted({row.unit for row in rows} - {""})
    words = {unit: "area" if unit.endswith("²") else "volume" for unit in units}
    headers = ["volume", "class", "voxels", "painted voxels"]
    headers += [f"{words[unit]} ({unit})" for unit in units]
    headers += ["slices with ink", "slices done", "slices"]
    headers += ["expected Dice of all classes", "silhouette"]
    return headers, [_cells(row, units) for row in rows]


def _cells(row: ClassRow, units: Sequence[str]) -> list[Cell]:
    sizes = [row.size if unit == row.unit else None for unit in units]
    counts = (row.with_ink, row.done, row.slices)
    about = (row.volume, row.class_name, row.voxels, row.painted)
    return [*about, *sizes, *counts, row.dice, row.silhouette]


def write_csv(
    path: Path, headers: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> None:
    """Write a table in one step; what is not known is left empty."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(headers)
        table.writerows(rows)


def count_values(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Count how often each number is in an array of uint8, (256,)."""
    total = np.zeros(_NUMBERS, np.int64)
    for key in small_blocks(numbers.shape):
        total += np.bincount(numbers[key].reshape(-1), minlength=_NUMBERS)
    return total


def size_of(volume: Volume, voxels: int, axis: int) -> tuple[float, str]:
    """Volume in ml or in the unit's cube; of unrelated pictures the area."""
    sides, unit = lengths(volume)
    if volume.kind == "stack":
        return voxels * float(np.delete(sides, axis).prod()), f"{unit}²"
    cubes = voxels * float(sides.prod())
    if unit == "mm":
        return cubes / _CUBIC_MM_PER_ML, "ml"
    return cubes, f"{unit}³"


class _Counts:
    """Voxels of each number, ink of each number, and in which slices it is."""

    def __init__(self, slices: int) -> None:
        self.voxels = np.zeros(_NUMBERS, np.int64)
        self.painted = np.zeros(_NUMBERS, np.int64)
        self._there = np.zeros((slices, _NUMBERS), np.bool_)

    @property
    def with_ink(self) -> NDArray[np.int64]:
        """Slices with ink of each number."""
        return np.asarray(self._there.sum(axis=0))

    def take(self, record: VolumeRecord) -> Iterator[float]:
        """Count a volume block by block; gives the part that is done."""
        ink = record.ink
        proposed = record.prediction if record.proposal is not None else None
        keys = list(record.blocks())
        for number, key in enumerate(keys, start=1):
            if proposed is not None:
                mask = proposed[key]
            else:
                mask = np.maximum(record.truth_in(key, ink), 0)
            self.voxels += count_values(mask)
            if ink[key].any():
                slices = np.moveaxis(ink[key], record.axis, 0)
                first = _NUMBERS * np.arange(len(slices))[:, None, None]
                places = (slices + first).reshape(-1)
                by_slice = np.bincount(places, minlength=_NUMBERS * len(slices))
                by_slice = by_slice.reshape(-1, _NUMBERS)
                self._there[key[record.axis]] |= by_slice > 0
                self.painted += by_slice.sum(axis=0)
            yield number / len(keys)


def _rows_of(
    name: str, record: VolumeRecord, counts: _Counts, request: CountRequest
) -> Iterator[ClassRow]:
    volume, known = record.volume, record.volume.source.unit != "pixel"
    for class_id, class_name in request.names.items():
        voxels = int(counts.voxels[class_id])
        size, unit = size_of(volume, voxels, record.axis)
        yield ClassRow(
            name,
            class_name,
            voxels,
            int(counts.painted[class_id]),
            size if known else None,
            unit if known else "",
            int(counts.with_ink[class_id]),
            int((record.status == Status.DONE).sum()),
            len(record.status),
            request.dice.get(name),
            request.silhouette.get(class_name),
        )


def _of_session(rows: Sequence[ClassRow], request: CountRequest) -> Iterator[ClassRow]:
    """Sum over the volumes, where there are several; sizes of one unit alone."""
    if len(request.records) < 2:  # noqa: PLR2004
        return
    for name in request.names.values():
        mine = [row for row in rows if row.class_name == name]
        units = {row.unit for row in mine}
        unit = units.pop() if len(units) == 1 else ""
        yield ClassRow(
            ALL_VOLUMES,
            name,
            sum(row.voxels for row in mine),
            sum(row.painted for row in mine),
            sum(row.size or 0.0 for row in mine) if unit else None,
            unit,
            sum(row.with_ink for row in mine),
            sum(row.done for row in mine),
            sum(row.slices for row in mine),
            None,
            request.silhouette.get(name),
        )
