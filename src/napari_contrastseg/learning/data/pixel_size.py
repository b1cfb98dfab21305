"""Pixel size of a network: choice of a coarser one, labels resampled to it.

Large slices of large structures are learned faster, with more of their surroundings, on
coarser pixels; thin or small structures would be lost there. The labelled slices show
which of the two they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.labelled_parts import labelled_parts
from napari_contrastseg.learning.data.slice_axes import COARSEST
from napari_contrastseg.learning.data.slice_order import frame_of, slice_order
from napari_contrastseg.learning.data.targets import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_contrastseg.learning.data.resampling import Resampling
    from napari_contrastseg.learning.data.slice_order import SliceOrder
    from napari_contrastseg.learning.data.targets import TrainingVolume

#: Lengths of a network's pixels to choose from, in the images'.
CHOICES = (32.0, 16.0, 8.0, 4.0, 3.0, 2.0, 1.5)
#: Longer ones are for large pictures alone.
USUAL = 4.0
#: Pixels that the shorter side of a slice keeps; of a large picture.
LEAST_SIDE, LARGE_SIDE = 96, 512
#: Dice that every class keeps, averaged to those pixels and interpolated back.
LEAST_DICE = 0.99
#: Labelled slices of a class that are looked at.
LOOKS = 24
HALF = 0.5


def labels_on(
    shape: tuple[int, int], labels: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Bring a plane of labels to other pixels.

    In each the class with the greatest weight wins: of what a person labelled, with
    weight 1, else of guesses. Unknown is what holds neither; scribbles stay whole.

    Parameters
    ----------
    shape : (h', w')
    labels, weight : (h, w) float
        Labels are negative where unknown; weights lie within 0 and 1.

    Returns
    -------
    labels : (h', w') float, -1 where unknown
    weight : (h', w') float
        Mean weight of the labels that had a vote.
    """
    return _voted(
        labels,
        weight,
        shape,
        lambda maps: functional.interpolate(maps[None], shape, mode="area")[0],
        lambda maps: functional.interpolate(
            maps[None], shape, mode="bilinear", antialias=True
        )[0],
    )


def labels_in(
    window: tuple[slice, slice],
    sides: tuple[Resampling, Resampling],
    labels: Tensor,
    weight: Tensor,
) -> tuple[Tensor, Tensor]:
    """Do as `labels_on` for a part of a plane.

    Parameters
    ----------
    window : (slice, slice)
        Rows and columns of the part, on the other pixels.
    sides : (Resampling, Resampling)
    labels, weight : (h, w) float
        What the part needs of them (`Resampling.source`).
    """
    (rows, columns), (down, right) = window, sides
    return _voted(
        labels,
        weight,
        (rows.stop - rows.start, columns.stop - columns.start),
        lambda maps: down.area(rows) @ maps @ right.area(columns).T,
        lambda maps: down.linear(rows) @ maps @ right.linear(columns).T,
    )


def _voted(
    labels: Tensor,
    weight: Tensor,
    shape: tuple[int, int],
    area: Callable[[Tensor], Tensor],
    linear: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Let the pixels vote; functions bring (n, h, w) to the other pixels."""
    plane, mean = torch.full(shape, float(UNKNOWN)), torch.zeros(shape)
    for voters in ((labels >= 0) & (weight < 1), (labels >= 0) & (weight >= 1)):
        found = labels[voters].unique()
        if not len(found):
            continue
        part, weighed = area(torch.stack([voters.float(), voters * weight]))
        # by a wider average: neighbours decide where two classes hold half of a pixel
        votes = linear((labels == found[:, None, None]) * voters * weight)
        plane = torch.where(part > 0, found[votes.argmax(dim=0)], plane)
        mean = torch.where(part > 0, weighed / part, mean)
    return plane, mean


def coarseness(volumes: Sequence[TrainingVolume], *, every_axis: bool = False) -> float:
    """Choose how much longer a network's pixels are to be than the images' median one.

    The most of 1, 1.5, 2, 3, 4 at which slices keep 96 pixels a side, or of 8, 16, 32
    at which they keep 512, half of that in every single volume, and each class its
    outline on slices that are labelled whole, or else in rectangles that are, which
    keep 96 pixels a side. 1 where a class is on none of these: scribbles have no size.

    Parameters
    ----------
    volumes : sequence of TrainingVolume
    every_axis : bool
        Networks of the other axes will see slices on these pixels, too.
    """
    images = [entry.volume for entry in volumes]
    frame = frame_of(images, 0)
    axes = [_axes(slice_order(image, 0, frame)) for image in images]
    if not every_axis:
        axes = [order[1:] for order in axes]
    shapes, spacings = (
        np.array([np.asarray(of)[order] for of, order in zip(every, axes, strict=True)])
        for every in ([i.shape for i in images], [i.spacing for i in images])
    )
    # how much longer the median pixel is than a volume's own
    own = (np.median(spacings, axis=0) / spacings).max(axis=1)
    sides = shapes.min(axis=1) / own
    choices = [
        choice
        for choice in CHOICES
        if np.median(sides) / choice >= _least_side(choice)
        and sides.min() / choice >= _least_side(choice) / 2
        and own.max() * choice <= (USUAL if choice <= USUAL else COARSEST)
    ]
    if not choices:
        return 1.0
    parts, seen = labelled_parts(volumes)
    if not seen or seen - set(parts):
        return 1.0
    some = {
        class_id: [found[i] for i in _spread(len(found))]
        for class_id, found in parts.items()
    }
    # a rectangle, too, keeps so many pixels a side
    room = min(
        (
            part.shortest / own[part.volume] / LEAST_SIDE
            for found in some.values()
            for part in found
            if not part.is_slice
        ),
        default=COARSEST,
    )
    kept = [
        [(part.labels(volumes) == class_id, own[part.volume]) for part in found]
        for class_id, found in some.items()
    ]
    return next(
        (
            c
            for c in choices
            if c <= room and all(_dice_left(k, c) >= LEAST_DICE for k in kept)
        ),
        1.0,
    )


def _least_side(choice: float) -> int:
    return LEAST_SIDE if choice <= USUAL else LARGE_SIDE


def _axes(order: SliceOrder) -> list[int]:
    return [order.axis, order.rows, order.columns]


def _spread(count: int) -> list[int]:
    """Choose some of so many parts, evenly."""
    return sorted(set(np.linspace(0, count - 1, LOOKS).astype(int).tolist()))


def _dice_left(
    masks: Sequence[tuple[NDArray[np.bool_], float]], choice: float
) -> float:
    """Dice of masks, (h, w), with what pixels `choice` times as long leave of them.

    With each mask comes how much longer the median pixel is than its own.
    """
    both = sizes = 0
    for mask, own in masks:
        before = torch.from_numpy(np.ascontiguousarray(mask))[None, None]
        coarse = [max(1, round(side / (choice * own))) for side in mask.shape]
        part = functional.interpolate(
            before.float(), coarse, mode="bilinear", antialias=True
        )
        after = functional.interpolate(part, mask.shape, mode="bilinear") > HALF
        both += int((before & after).sum())
        sizes += int(before.sum() + after.sum())
    return 2 * both / sizes
