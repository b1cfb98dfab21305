"""DICOM SEG: frames of segments put together as one mask with names and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.dicom_frames import read_bits, read_frames
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.optional import need
from napari_contrastseg.io.segments import Segment, colour_of, printable
from napari_contrastseg.io.slice_places import groups_at_one_place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.dicom_frames import Frame

_SHARED: Final = "SharedFunctionalGroupsSequence"
_EACH: Final = "PerFrameFunctionalGroupsSequence"
_FIELDS: Final = (
    "SegmentationType",
    "MaximumFractionalValue",
    "SegmentSequence",
    _SHARED,
    _EACH,
)
_MOST_SEGMENTS: Final = 65_535
#: Of the slice distance: what a slice's place may be off.
_OFF: Final = 0.1
#: Below this a screen's brightness is linear.
_DARK: Final = 0.0031308
#: White of a screen, for the colours of segments.
_D65: Final = (0.95047, 1.0, 1.08883)
_TO_RGB: Final = np.array(
    [
        [3.2406, -1.5372, -0.4986],
        [-0.9689, 1.8758, 0.0415],
        [0.0557, -0.2040, 1.0570],
    ]
)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A mask of a series' slices.

    Attributes
    ----------
    labels : (i, j, k) array of uint16
        Numbers of segments, 0 where there is none.
    origins : (k, 3) float, mm, LPS
        Of the first pixel of each slice, in order along the normal.
    segments : tuple of Segment
    """

    labels: NDArray[np.uint16]
    origins: NDArray[np.float64]
    segments: tuple[Segment, ...]


def read_segmentation(path: Path, frames: Sequence[Frame]) -> Segmentation:
    """Read the frames of a segmentation; slices that it leaves out are empty.

    Raises
    ------
    InputError
        Its segments overlap, or it does not say where its frames lie.
    """
    about = need("pydicom", "DICOM files", "dicom").dcmread(
        path, stop_before_pixels=True, specific_tags=list(_FIELDS)
    )
    first = frames[0]
    if first.axes is None or any(frame.position is None for frame in frames):
        raise InputError(f"{path}: does not say where its segments lie.")
    if any(frame.shape != first.shape for frame in frames):
        raise InputError(f"{path}: has frames of different shapes.")
    origins, places = _slices(frames, np.cross(*first.axes))
    shape = (*first.shape[::-1], len(origins))
    check_size(path, (2, *shape), np.uint16)
    bits = first.bits == 1
    pixels = read_bits(path, frames) if bits else read_frames(frames)[0]
    kind = str(about.get("SegmentationType", "BINARY"))
    half = float(about.get("MaximumFractionalValue") or 1) / 2
    labels = np.zeros(shape, np.uint16)
    numbers = _numbers(about, len(frames), labelled=kind == "LABELMAP")
    for frame, (place, number) in enumerate(zip(places, numbers, strict=True)):
        plane, pixel = labels[:, :, place], pixels[:, :, frame]
        if number is None:
            plane[...] = pixel
            continue
        here = pixel > half if kind == "FRACTIONAL" else pixel > 0
        if (plane[here] > 0).any():
            raise InputError(
                f"{path}: has segments that overlap, of which a voxel can have but "
                "one; export them without overlap, or each in a file of its own."
            )
        plane[here] = number
    return Segmentation(labels, origins, _segments(about))


def _slices(
    frames: Sequence[Frame], normal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[int]]:
    """Give the places of all slices, also of those left out, and each frame's slice."""
    positions = np.array([frame.position for frame in frames])
    groups = groups_at_one_place(positions @ normal)
    held = np.array([positions[group[0]] for group in groups])
    at = np.zeros(len(groups), np.int64)
    if len(groups) > 1:
        at = _numbered(held @ normal, frames[0].thickness)
    origins = held
    if at[-1] + 1 > len(groups):
        origins = np.stack(
            [np.interp(np.arange(at[-1] + 1), at, column) for column in held.T], axis=1
        )
    place = {index: int(at[g]) for g, group in enumerate(groups) for index in group}
    return origins, [place[index] for index in range(len(frames))]


def _numbered(
    distances: NDArray[np.float64], stated: float | None
) -> NDArray[np.int64]:
    """Give slices numbers, with gaps for those left out where distances allow it."""
    apart = distances - distances[0]
    smallest = float(np.diff(apart).min())
    for step in (stated, smallest):
        if step is None or step > smallest * (1 + _OFF):
            continue
        many = apart / step
        if np.abs(many - many.round()).max() <= _OFF and np.diff(many.round()).all():
            return np.asarray(many.round(), np.int64)
    return np.arange(len(distances))


def _numbers(about: Any, count: int, *, labelled: bool) -> list[int | None]:
    """Give the segment of each frame; None where its pixels are segments' numbers."""
    if labelled:
        return [None] * count
    shared, each = about.get(_SHARED) or [None], about.get(_EACH) or [None] * count
    found: list[int | None] = []
    for item in each:
        number = _number_of(item) or _number_of(shared[0])
        if number is None or not 0 < number <= _MOST_SEGMENTS:
            raise InputError("does not say which segment each of its frames shows.")
        found.append(number)
    return found


def _number_of(item: Any) -> int | None:
    groups = item.get("SegmentIdentificationSequence") if item is not None else None
    value = groups[0].get("ReferencedSegmentNumber") if groups else None
    return None if value is None else int(value)


def _segments(about: Any) -> tuple[Segment, ...]:
    found = []
    for item in about.get("SegmentSequence") or []:
        number = int(item.get("SegmentNumber") or 0)
        if number > 0:
            name = printable(str(item.get("SegmentLabel") or ""))
            colour = _colour(item.get("RecommendedDisplayCIELabValue"))
            found.append(Segment(number, name, colour))
    return tuple(found)


def _colour(value: Any) -> str:
    """Turn a colour of DICOM, L*a*b* as three 16-bit numbers, into ``#rrggbb``."""
    if value is None or len(value) != 3:  # noqa: PLR2004
        return ""
    light, a, b = (float(number) for number in value)
    light, a, b = light / 65535 * 100, a / 65535 * 255 - 128, b / 65535 * 255 - 128
    y = (light + 16) / 116
    xyz = [
        white * (t**3 if t > 6 / 29 else 3 * (6 / 29) ** 2 * (t - 4 / 29))
        for t, white in zip((y + a / 500, y, y - b / 200), _D65, strict=True)
    ]
    linear = (_TO_RGB @ xyz).clip(0, 1)
    gamma = 1.055 * linear ** (1 / 2.4) - 0.055
    return colour_of(tuple(np.where(linear > _DARK, gamma, 12.92 * linear)))
