"""Instances of a session's classes: what is shown or exported, in numbered pieces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from napari_contrastseg.io.blocks import blocks
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.session.instances import Instances, number_pieces

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_contrastseg.io.blocks import Key
    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.session.instances import Order, Touching
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Of the option `instances`, which exports of masks have.
INSTANCES: Final = Setting(
    "Beside each mask a file NAME_instances with the connected pieces of each class "
    "numbered from 1, the largest first, and NAME_instances.csv with their classes and "
    "sizes. Voxels of a piece share a corner (26 neighbours, in pictures 8) or a face "
    "(6, in pictures 4).",
    choices={
        "none": "none",
        "pieces that share a corner": "corner",
        "pieces that share a face": "face",
    },
    label="instances",
)
#: Of the table of instances.
COLUMNS: Final = ("instance", "class", "class_id", "voxels")


@dataclass(frozen=True, eq=False)
class NumberedMask:
    """A mask's instances, those of the first class first.

    Attributes
    ----------
    numbers : (s0, s1, s2) uint32
    rows : tuple of dict
        Of each, with `COLUMNS`.
    """

    numbers: NDArray[np.uint32]
    rows: tuple[dict[str, Any], ...]


def all_instances(
    record: VolumeRecord,
    mask: NDArray[np.uint8],
    classes: Classes,
    touching: str = "corner",
) -> NumberedMask:
    """Give numbers to the pieces of all classes of a mask, the largest first."""
    numbers, rows = zeros(mask.shape, np.uint32), list[dict[str, Any]]()
    for entry in classes:
        found = _pieces(record, mask, entry.id, touching, "size")
        for key in blocks(mask.shape):
            part = found.numbers[key]
            here = part > 0
            numbers[key][here] = part[here] + np.uint32(len(rows))
        for voxels in found.voxels.tolist():
            values = (len(rows) + 1, entry.name, entry.id, voxels)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return NumberedMask(numbers, tuple(rows))


def shown_instances(
    record: VolumeRecord,
    class_id: int,
    *,
    proposed: bool,
    index: int | None = None,
    touching: str = "corner",
    order: str = "size",
) -> Generator[Instances, None, None]:
    """Give numbers to the pieces of a class, in a slice or through the volume.

    Labels may go on changing: they are read once.

    Parameters
    ----------
    proposed : bool
        Whether what is proposed counts beside what a person labelled.
    index : int, optional
        Of the only slice that is looked at.
    """
    labels = record.prediction if proposed and record.proposal else record.ink
    if index is not None:
        plane = (labels[record.window(index)] == class_id).astype(np.uint8)
        found = _pieces(record, np.expand_dims(plane, record.axis), 1, touching, order)
        numbers = zeros(labels.shape, found.numbers.dtype)
        numbers[record.window(index)] = found.numbers.squeeze(record.axis)
        yield replace(found, numbers=numbers)
        return
    mask = zeros(labels.shape, np.uint8)
    for key in blocks(labels.shape):
        mask[key] = labels[key] == class_id
    yield _pieces(record, mask, 1, touching, order)


def _pieces(
    record: VolumeRecord,
    mask: NDArray[np.uint8],
    class_id: int,
    touching: str,
    order: str,
) -> Instances:
    def here(key: Key) -> NDArray[np.bool_]:
        return np.asarray(mask[key] == class_id)

    return number_pieces(
        here,
        mask.shape,
        record.axis,
        order=cast("Order", order),
        touching=cast("Touching", touching),
        related=record.volume.kind == "volume",
    )
