"""Slice axes: input of a network along one, and when to train along the others.

A network of slices with their neighbours sees little of a volume's third direction.
Where a volume is labelled whole, its slices along every axis are, so further networks
can learn along the other two (as FastSurfer does, Henschel et al. 2020). Where single
slices are labelled, the networks before complete the volume for them. Free of torch.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.blocks import blocks
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.slice_order import frame_of, slice_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.data.slice_order import Frame, SliceOrder
    from napari_contrastseg.learning.data.targets import TrainingVolume

#: Most that a network's pixels may be coarser than the images'.
COARSEST = 32.0
#: Longest side of a voxel, in its shortest, that slices of every axis may have.
LONGEST = 1.5
#: Voxels that a volume needs along every axis.
LEAST = 16
#: Memory that an average of several models' probabilities may take, bytes.
MOST_AVERAGED = 2**31
#: Part of a volume that a person has labelled when it counts as labelled whole.
WHOLE = 0.9
#: Part of the labelled voxels that must lie in volumes labelled whole.
MOST = 0.5
#: Labelled slices from which a network can complete the volumes for the other axes.
ENOUGH = 10
#: And where interpolation between them helps it.
ENOUGH_WITH_INTERPOLATION = 4


class Obstacle(StrEnum):
    """Why there is no network for the other axes."""

    STACK = "images of a stack are unrelated"
    LONG_VOXELS = "voxels are long"
    FEW_VOXELS = "few voxels along an axis"
    MEMORY = "too large to average predictions"
    FEW_LABELS = "few labelled slices"
    TIME = "too little time"


def input_spec(
    volumes: Sequence[Volume],
    axis: int,
    neighbours: int,
    coarser: float = 1.0,
    frame: Frame | None = None,
) -> InputSpec:
    """Choose the input for a cohort: its median pixel size, its channels.

    Patients' volumes are mirrored between left and right alone, pictures and stacks
    without a place in a body along both axes of a slice.

    Parameters
    ----------
    volumes : sequence of Volume
    axis : int
        0 for slices along each volume's slice axis, 1 and 2 for the others.
    neighbours : int
    coarser : float
        How many times as long as the median pixel the network's are.
    frame : Frame, optional
        Of weights that are learned further; the volumes' own by default.

    Raises
    ------
    InputError
        The volumes differ in their channels, or pixels shall be finer than they are, or
        much coarser.
    """
    if not 1 <= coarser <= COARSEST:
        raise InputError(
            f"coarser: {coarser:g} must be 0 or lie within 1 and {COARSEST:g}."
        )
    first = volumes[0]
    for volume in volumes:
        if len(volume.data) != len(first.data):
            raise InputError(
                f"{volume.id}: has {len(volume.data)} channels, but {first.id} has "
                f"{len(first.data)}; train volumes of the same channels together."
            )
    if frame is None:
        frame = frame_of(volumes, axis)
    orders = [slice_order(volume, axis, frame) for volume in volumes]
    pixels = coarser * np.array(
        [order.of_slice(v.spacing) for v, order in zip(volumes, orders, strict=True)]
    )
    if any(v.kind != "volume" for v in volumes):
        neighbours = 0
    mirrors = [
        _mirror(volume, order, neighbours)
        for volume, order in zip(volumes, orders, strict=True)
    ]
    rows, columns = np.median(pixels, axis=0)
    return InputSpec(
        channels=first.channels,
        axis=axis,
        neighbours=neighbours,
        pixel=(float(rows), float(columns)),
        mirror=tuple(sorted(set.intersection(*mirrors))),
        frame=frame,
    )


def _mirror(volume: Volume, order: SliceOrder, neighbours: int) -> set[int]:
    """Find along which axes of a slice, or through the slices, a mirror image may be.

    What is left and right in one volume of a cohort may be up and down in another.
    """
    if not volume.anatomical:
        return {0, 1}
    axes = [order.rows, order.columns, *([order.axis] if neighbours else ())]
    left = volume.body_axes[2]
    return {place for place, axis in enumerate(axes) if axis == left}


def has_planes(volume: Volume) -> bool:
    """Whether slices along every axis of a volume look alike."""
    return _unlike(volume) is None


def _unlike(volume: Volume) -> Obstacle | None:
    """Find what makes slices along the axes of a volume differ, if anything."""
    if volume.kind != "volume":
        return Obstacle.STACK
    if elongation(volume) > LONGEST:
        return Obstacle.LONG_VOXELS
    return Obstacle.FEW_VOXELS if min(volume.shape) < LEAST else None


def elongation(volume: Volume) -> float:
    """Longest side of a voxel, in its shortest."""
    spacing = volume.spacing
    return float(spacing.max() / spacing.min())


def can_average(volume: Volume, classes: int) -> bool:
    """Whether models of other axes count in a volume: 2 bytes a voxel and class."""
    needed = 2 * (classes + 1) * math.prod(volume.shape)
    return has_planes(volume) and needed <= MOST_AVERAGED


def obstacle(
    volumes: Sequence[TrainingVolume],
    classes: int,
    *,
    slices: int,
    whole: bool,
    enough: int = ENOUGH,
) -> Obstacle | None:
    """Find what keeps networks from learning along the other axes, if anything.

    Slices along every axis must look alike, enough of them be labelled, and some
    volume be small enough for an average.

    Parameters
    ----------
    volumes : sequence of TrainingVolume
    classes : int
    slices : int
        How many a person labelled, along the slice axis.
    whole : bool
        Whether volumes are labelled whole; then a few slices are enough.
    enough : int
        How many are to be labelled, where volumes are not labelled whole.
    """
    for entry in volumes:
        unlike = _unlike(entry.volume)
        if unlike is not None:
            return unlike
    if not any(can_average(entry.volume, classes) for entry in volumes):
        return Obstacle.MEMORY
    return Obstacle.FEW_LABELS if slices < enough and not whole else None


def count_labelled_slices(volumes: Sequence[TrainingVolume], axis: int = 0) -> int:
    """Count the slices that hold anything a person labelled.

    Along each volume's slice axis, or one of its others (see `Volume.axis_of`).
    """
    count = 0
    for entry in volumes:
        along = entry.volume.axis_of(axis)
        others = tuple(other for other in range(3) if other != along)
        labelled = np.zeros(entry.volume.shape[along], np.bool_)
        for key, mine in _by_person(entry):
            labelled[key[along]] |= mine.any(axis=others)
        count += int(labelled.sum())
    return count


def labelled_whole(volumes: Sequence[TrainingVolume]) -> bool:
    """Whether most of what a person labelled lies in volumes that are labelled whole.

    In single slices a line is all that the other axes would see of a label.
    """
    whole = known = 0
    for entry in volumes:
        labelled = labelled_voxels(entry)
        known += labelled
        if labelled >= WHOLE * np.prod(entry.volume.shape):
            whole += labelled
    return known > 0 and whole >= MOST * known


def labelled_voxels(entry: TrainingVolume) -> int:
    """Count the voxels that a person labelled."""
    return sum(int(mine.sum()) for _, mine in _by_person(entry))


def _by_person(
    entry: TrainingVolume,
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """Mark, block by block, the voxels that a person labelled, if anything is known."""
    if entry.target is None:
        return
    for key in blocks(entry.target.shape):
        mine: NDArray[np.bool_] = entry.target[key] >= 0
        if entry.weight is not None:
            mine &= entry.weight[key] >= 1
        yield key, mine
