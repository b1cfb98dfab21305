"""Export tables: size, mean intensity, surface, pieces of classes; slice status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import scipy

from napari_contrastseg.evaluation.surface import surface_area
from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.csv_table import write_csv
from napari_contrastseg.io.json import write_json
from napari_contrastseg.io.volume import lengths
from napari_contrastseg.session.connected import CORNERS, Connected
from napari_contrastseg.session.storage.large_files import is_missing
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.class_counts import count_values, size_of
from napari_contrastseg.tasks.exported_masks import (
    CONTENT,
    classes_in,
    exported_masks,
    missing_volume,
)
from napari_contrastseg.tasks.exports import Export, Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

    Row = dict[str, Any]

_FILES: Final = ("classes.csv", "slices.csv", "tables.json")
#: Voxels that share a corner are one piece, as for specks.
_IN_ITS_SLICE: Final = np.pad(np.ones((1, 3, 3), np.bool_), ((1, 1), (0, 0), (0, 0)))


@dataclass(frozen=True)
class TablesOptions:
    """What is measured."""

    complete: Annotated[bool, CONTENT] = True


def run(session: Session, options: TablesOptions, output: Output) -> Iterator[Path]:
    """Write a row for each volume and class, and one for each slice."""
    of_classes, of_slices, of_both = output.claim(*_FILES)
    classes: list[Row] = []
    slices: list[Row] = []
    for one in exported_masks(session, complete=options.complete):
        name, volume = one.record.volume.id, one.record.volume
        measures = _Measures(volume, one.mask, one.record.axis)
        for c in classes_in(session, one.mask):
            about = {"volume": name, "class": c.name, "class_id": c.id}
            classes.append(about | measures.of(c.id))
        slices += _status_of(name, one.record)
    for path, rows in ((of_classes, classes), (of_slices, slices)):
        write_csv(path, rows)
        yield path
    write_json(of_both, {"classes": classes, "slices": slices})
    yield of_both


class _Measures:
    """Measures of the classes of one mask."""

    def __init__(self, volume: Volume, mask: NDArray[np.uint8], axis: int) -> None:
        self._volume, self._mask, self._axis = volume, mask, axis
        self._sides, self._unit = lengths(volume)
        self._boxes = scipy.ndimage.find_objects(mask, max_label=255)
        self._voxels = count_values(mask)
        channels = range(len(volume.data))
        self._means = [_means(volume, channel, mask) for channel in channels]

    def of(self, class_id: int) -> Row:
        """Measure one class; what it has not is None."""
        box, voxels = self._boxes[class_id - 1], int(self._voxels[class_id])
        here = self._mask[box] == class_id if box is not None else None
        size, unit = size_of(self._volume, voxels, self._axis)
        row: Row = {"voxels": voxels, "size": size, "size_unit": unit}
        row |= {"surface": None, "surface_unit": None}
        if self._volume.kind == "volume":
            row["surface"] = 0.0 if here is None else surface_area(here, self._sides)
            row["surface_unit"] = f"{self._unit}²"
        row["components"] = 0 if here is None else self._count_pieces(here)
        for channel, means in zip(self._volume.channels, self._means, strict=True):
            mean = float(means[class_id])
            row[f"mean {channel}"] = mean if np.isfinite(mean) else None
        return row

    def _count_pieces(self, here: NDArray[np.bool_]) -> int:
        together = CORNERS
        if self._volume.kind == "stack":
            together = np.moveaxis(_IN_ITS_SLICE, 0, self._axis)
        return Connected(here.__getitem__, here.shape, together=together).count


def _means(
    volume: Volume, channel: int, mask: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Mean of a channel's finite values for each number in a mask, (256,)."""
    total, count = np.zeros(256), np.zeros(256)
    if is_missing(volume):
        return np.full(256, np.nan)
    for key in small_blocks(mask.shape):
        labels, values = mask[key], volume.part(channel, key, np.float64)
        finite = np.isfinite(values)
        total += np.bincount(labels[finite], values[finite], minlength=256)
        count += np.bincount(labels[finite], minlength=256)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count)


def _status_of(name: str, record: VolumeRecord) -> list[Row]:
    """List the slices, numbered as the window does, with their status."""
    words = [Status(number).name.lower() for number in record.status]
    return [
        {"volume": name, "axis": record.axis, "slice": index, "status": word}
        for index, word in enumerate(words)
    ]


EXPORT = Export(
    name="tables",
    title="Tables",
    summary="Volume, mean intensity, surface and number of pieces of each class, and "
    "the status of each slice, as CSV and JSON",
    options=TablesOptions(),
    missing=missing_volume,
    run=run,
)
