"""DICOM: series in a folder, single files of many frames, in their order in space."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.channels import channel_names, volume_of
from napari_contrastseg.io.choice import NotUprightError, Part, pick
from napari_contrastseg.io.dicom_frames import (
    holds_dicom,
    is_dicom,
    list_frames,
    read_frames,
    segment_frames,
)
from napari_contrastseg.io.dicom_segments import read_segmentation
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import Choosing, ImageFormat, unchosen
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.resample import lps_affine, placed, resample_slices
from napari_contrastseg.io.slice_places import (
    groups_at_one_place,
    on_one_line,
    what_is_uneven,
)
from napari_contrastseg.io.volume import Source

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.dicom_frames import Frame
    from napari_contrastseg.io.volume import Volume

_NAME: Final = "dicom"
#: What directions and relative pixel sizes of one image may differ by, from rounding.
_ROUNDED: Final = 1e-3


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read one series, or one time point of it.

    Raises
    ------
    SeveralPartsError
        There are several series or time points, and none was chosen.
    NotUprightError
        Slices are missing, unevenly spaced or tilted, and `choice.upright` is false.
    InputError
        There is no image, slices lie at one place, or pixels cannot be unpacked.
    """
    mask = segment_frames(path)
    if mask:
        return _mask(path, name, choice, mask)
    frames = frames_of(path, choice)
    channels = read_frames(frames)
    first = frames[0]
    if first.axes is None or first.position is None:
        return _without_place(path, name, choice, frames, channels)
    steps = first.axes * _pixel_size(first)[:, None]
    origins = np.array([frame.position for frame in frames])
    uneven = what_is_uneven(origins, np.cross(*first.axes))
    unit: Any = "pixel" if first.spacing is None else "mm"
    source = Source(path.absolute(), _NAME, None, choice.part, choice.upright, unit)
    if uneven is None:
        affine = lps_affine(np.vstack([steps, [_slice_step(frames)]]), origins[0])
    elif not choice.upright:
        raise NotUprightError(f"{path}: {uneven}")
    elif not on_one_line(origins, float(_pixel_size(first).min())):
        raise InputError(f"{path}: its slices do not lie along one line.")
    else:
        channels, affine = resample_slices(path, channels, steps, origins)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    return placed(name, channels, affine, channel_names(len(channels)), source)


def _mask(path: Path, name: str, choice: Choice, frames: list[Frame]) -> Volume:
    """Read a segmentation as a mask on its series' slices."""
    found, first = read_segmentation(path, frames), frames[0]
    assert first.axes is not None
    steps = first.axes * _pixel_size(first)[:, None]
    uneven = what_is_uneven(found.origins, np.cross(*first.axes))
    source = Source(path.absolute(), _NAME, None, choice.part, choice.upright)
    labels: list[NDArray[Any]] = [found.labels]
    if uneven is None:
        step = np.cross(*first.axes) * (first.thickness or float(steps.max()))
        if len(found.origins) > 1:
            step = (found.origins[-1] - found.origins[0]) / (len(found.origins) - 1)
        affine = lps_affine(np.vstack([steps, [step]]), found.origins[0])
    elif not choice.upright:
        raise NotUprightError(f"{path}: {uneven}")
    else:
        labels, affine = resample_slices(
            path, labels, steps, found.origins, labels=True
        )
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    volume = placed(name, labels, affine, ("mask",), source)
    return replace(volume, segments=found.segments)


def frames_of(path: Path, choice: Choice) -> list[Frame]:
    """List the frames of one series, or of one time point of it, in order in space.

    Raises
    ------
    SeveralPartsError
        There are several series or time points, and none was chosen.
    """
    parts = _listed(path)
    what = plural(len(parts), "image") + " (series, orientations or times)"
    return parts[pick(path, what, list(parts), choice.part)]


def parts_of(path: Path) -> tuple[Part, ...]:
    """List the series of a folder, and the time points of each."""
    if segment_frames(path):
        return (Part(""),)
    return tuple(_listed(path))


def count_voxels(path: Path) -> int:
    """Count the pixels of all frames."""
    frames = segment_frames(path) or list_frames(path)
    return sum(frame.shape[0] * frame.shape[1] for frame in frames)


# -- series, orientations, times -----------------------------------------------


def _listed(path: Path) -> dict[Part, list[Frame]]:
    """Give the frames of each image, in their order in space."""
    groups: dict[tuple[int, str, int], list[Frame]] = {}
    firsts: dict[tuple[int, str], list[Frame]] = {}
    for frame in list_frames(path):
        of_series = firsts.setdefault((frame.number, frame.series), [])
        grid = _grid_of(frame, of_series)
        groups.setdefault((frame.number, frame.series, grid), []).append(frame)
    if not groups:
        raise InputError(
            f"{path}: holds no DICOM image (segmentations, plans and reports are "
            "not images)."
        )
    taken = Counter(number for number, *_ in groups)
    met: Counter[int] = Counter()
    found: dict[Part, list[Frame]] = {}
    for (number, *_), frames in sorted(groups.items(), key=lambda g: g[0][:2]):
        met[number] += 1
        key = f"series {number}"
        if taken[number] > 1:
            key += f" ({met[number]})"
        found |= _times(path, key, frames)
    return found


def _grid_of(frame: Frame, firsts: list[Frame]) -> int:
    """Find a frame's grid by its number; `firsts` holds a frame of each so far."""
    for number, other in enumerate(firsts):
        if _on_one_grid(frame, other):
            return number
    firsts.append(frame)
    return len(firsts) - 1


def _on_one_grid(one: Frame, other: Frame) -> bool:
    """Whether two frames are slices of one image, but for rounding."""
    return (
        (one.shape, one.samples) == (other.shape, other.samples)
        and (one.position is None) == (other.position is None)
        and _alike(one.axes, other.axes)
        and _alike(one.spacing, other.spacing)
    )


def _alike(one: NDArray[np.float64] | None, other: NDArray[np.float64] | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=_ROUNDED, atol=_ROUNDED))


def _identity(frame: Frame) -> Any:
    """Give what copies of a file have in common.

    Some programs leave out the identifier, or give all slices the same.
    """
    place = None if frame.position is None else tuple(frame.position)
    return (frame.instance or frame.path, frame.index, place, frame.order)


def _times(path: Path, key: str, frames: list[Frame]) -> dict[Part, list[Frame]]:
    """Split a series whose places come again and again into its time points."""
    unique = {_identity(frame): frame for frame in frames}
    kept = sorted(unique.values(), key=lambda frame: frame.order)
    first = kept[0]
    about = f"{first.description or 'no description'}, "
    if first.axes is None or first.position is None:
        return {Part(key, about + plural(len(kept), "slice")): kept}
    normal = np.cross(*first.axes)
    distances = np.array([frame.position @ normal for frame in kept])
    groups = groups_at_one_place(distances)
    counts = {len(group) for group in groups}
    if len(counts) > 1:
        double = next(group for group in groups if len(group) > 1)
        one, other = (kept[index] for index in double[:2])
        raise InputError(
            f"{path}: two slices of {key} lie at one place ({one.path.name} and "
            f"{other.path.name}), and not all do; move one of them elsewhere."
        )
    count = counts.pop()
    about += plural(len(groups), "slice")
    if count == 1:
        return {Part(key, about): [kept[group[0]] for group in groups]}
    return {
        Part(f"{key}, time {moment}", about, "time"): [
            kept[sorted(group, key=lambda i: kept[i].order)[moment]] for group in groups
        ]
        for moment in range(count)
    }


# -- places --------------------------------------------------------------------


def _pixel_size(frame: Frame) -> NDArray[np.float64]:
    return np.ones(2) if frame.spacing is None else frame.spacing


def _slice_step(frames: list[Frame]) -> NDArray[np.float64]:
    """Give the step from slice to slice; of one slice, its thickness."""
    first, last = frames[0], frames[-1]
    assert first.axes is not None
    assert first.position is not None
    assert last.position is not None
    if len(frames) == 1:
        size = first.thickness or float(_pixel_size(first).min())
        return np.asarray(np.cross(*first.axes) * size)
    return np.asarray((last.position - first.position) / (len(frames) - 1))


def _without_place(
    path: Path,
    name: str,
    choice: Choice,
    frames: list[Frame],
    channels: list[NDArray[Any]],
) -> Volume:
    """Make a stack of pictures (X-ray, ultrasound, microscopy) in the files' order."""
    first = frames[0]
    x, y = _pixel_size(first)
    sizes = np.array([first.thickness or min(x, y), y, x])
    turned = [channel.transpose(2, 1, 0) for channel in channels]
    unit: Any = "pixel" if first.spacing is None else "mm"
    made = volume_of(path, _NAME, name, turned, sizes, unit=unit, choice=choice)
    return replace(made, kind="stack")


FORMAT = ImageFormat(
    name=_NAME,
    title="DICOM",
    endings=(".dcm", ".dicom", ".ima"),
    sniff=is_dicom,
    read=unchosen(read_chosen),
    count_voxels=count_voxels,
    anatomical=True,
    in_napari=True,
    choosing=Choosing(parts_of, read_chosen),
    is_folder=holds_dicom,
)
