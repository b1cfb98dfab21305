"""Masks as they are exported: each volume's, under a safe file name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import file_stems
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.targets import values_in
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.session.classes import PALETTE, AnnotationClass
from napari_contrastseg.session.volume_record import mask_of
from napari_contrastseg.tasks.derive import derive_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.session.classes import Classes
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Of the option `complete`, which exports of masks have.
CONTENT: Final = Setting(
    "Whether voxels nobody labelled hold the current proposal: a round's, or "
    "what is interpolated between slices that are done.",
    choices={"labels, rest predicted": True, "labels only": False},
    label="content",
)
#: Of the option `numbers`, which exports of numbered masks have.
NUMBERS: Final = Setting(
    "Numbers of the classes here, or those that they had in the masks they came from "
    "(of an atlas, or 255).",
    choices={"the classes' own": "own", "of their first masks": "original"},
    label="numbers",
)


@dataclass(frozen=True, eq=False)
class ExportedMask:
    """A volume's mask.

    Attributes
    ----------
    stem : str
        Name of its file, without ending; no other of the session has it.
    record : VolumeRecord
    mask : (s0, s1, s2) uint8
        Class ids, 0 for background, in the volume's order.
    """

    stem: str
    record: VolumeRecord
    mask: NDArray[np.uint8]


def missing_volume(session: Session) -> str | None:
    """Say what there must be before masks are exported."""
    return None if session.all_records else "Add a volume first"


def stems_of(session: Session) -> list[str]:
    """Make a file name, without ending, for each volume."""
    return file_stems(session.all_records)


def exported_masks(session: Session, *, complete: bool) -> Iterator[ExportedMask]:
    """Make the masks one by one.

    Parameters
    ----------
    complete : bool
        Whether voxels that nobody labelled hold the current proposal.
    """
    if complete:
        derive_missing(session)
    for stem, record in zip(
        stems_of(session), session.all_records.values(), strict=True
    ):
        yield ExportedMask(stem, record, mask_of(record, complete=complete))


def classes_in(session: Session, mask: NDArray[np.uint8]) -> Classes:
    """List the session's classes, and those of the mask that have been deleted."""
    there = values_in(mask)
    gone = there - {0, *(c.id for c in session.classes)}
    old = [
        AnnotationClass(i, session.class_name(i), PALETTE[(i - 1) % len(PALETTE)])
        for i in gone
    ]
    return tuple(sorted((*session.classes, *old), key=lambda c: c.id))


def numbered(
    mask: NDArray[np.uint8], classes: Classes, numbers: str
) -> NDArray[np.integer[Any]]:
    """Give a mask its classes' own numbers, or those of the masks they came from.

    Parameters
    ----------
    mask : array of uint8
    classes : tuple of AnnotationClass
        All that it holds.
    numbers : {"own", "original"}

    Raises
    ------
    InputError
        Two classes had the same number.
    """
    if numbers == "own" or all(c.original is None for c in classes):
        return mask
    names: dict[int, str] = {}
    table = np.zeros(256, np.uint32)
    for c in classes:
        number = number_of(c, numbers)
        if number in names:
            raise InputError(
                f"The classes {names[number]} and {c.name} both had the number "
                f"{number} in their masks; export with the classes' own numbers."
            )
        names[number], table[c.id] = c.name, number
    found = zeros(mask.shape, np.uint32)
    for key in small_blocks(mask.shape):
        found[key] = table[mask[key]]
    return found


def number_of(entry: AnnotationClass, numbers: str) -> int:
    """Give the number under which a class is exported."""
    had = entry.original if numbers == "original" else None
    return entry.id if had is None else had
