"""Pixel size of a network: choice of a coarser one, labels resampled to it.

Large slices of large structures are learned faster, with more of their surroundings, on
coarser pixels; thin or small structures would be lost there. The labelled slices show
which of the two they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.io.blocks import plane_of
from napari_contrastseg.learning.data.slice_axes import COARSEST, WHOLE, by_hand
from napari_contrastseg.learning.data.slice_order import frame_of, slice_order
from napari_contrastseg.learning.data.targets import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

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
    plane, mean = torch.full(shape, float(UNKNOWN)), torch.zeros(shape)
    for voters in ((labels >= 0) & (weight < 1), (labels >= 0) & (weight >= 1)):
        found = labels[voters].unique()
        if not len(found):
            continue
        part, weighed = functional.interpolate(
            torch.stack([voters.float(), voters * weight])[None], shape, mode="area"
        )[0]
        # by a wider average: neighbours decide where two classes hold half of a pixel
        votes = functional.interpolate(
            ((labels == found[:, None, None]) * voters * weight)[None],
            shape,
            mode="bilinear",
            antialias=True,
        )[0]
        plane = torch.where(part > 0, found[votes.argmax(dim=0)], plane)
        mean = torch.where(part > 0, weighed / part, mean)
    return plane, mean


def coarseness(volumes: Sequence[TrainingVolume], *, every_axis: bool = False) -> float:
    """Choose how much longer a network's pixels are to be than the images' median one.

    The most of 1, 1.5, 2, 3, 4 at which slices keep 96 pixels a side, or of 8, 16, 32
    at which they keep 512, half of that in every single volume, and each class its
    outline on slices that are labelled whole. 1 where a class is on none of these:
    scribbles have no size.

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
    whole, seen = _whole_slices(volumes)
    if not seen or seen - set(whole):
        return 1.0
    kept = [
        [(_plane(volumes, place) == class_id, own[place[0]]) for place in places]
        for class_id, places in whole.items()
    ]
    return next(
        (c for c in choices if all(_dice_left(k, c) >= LEAST_DICE for k in kept)), 1.0
    )


def _least_side(choice: float) -> int:
    return LEAST_SIDE if choice <= USUAL else LARGE_SIDE


def _axes(order: SliceOrder) -> list[int]:
    return [order.axis, order.rows, order.columns]


def _whole_slices(
    volumes: Sequence[TrainingVolume],
) -> tuple[dict[int, list[tuple[int, int]]], set[int]]:
    """Find slices labelled whole, (volume, index), of each class, and all classes."""
    whole: dict[int, list[tuple[int, int]]] = {}
    seen: set[int] = set()
    for number, entry in enumerate(volumes):
        for index, (labels, mine) in enumerate(by_hand(entry)):
            if not mine.any():
                continue
            ids = set(np.flatnonzero(np.bincount(labels[mine])).tolist()) - {0}
            seen |= ids
            if mine.mean() >= WHOLE:
                for class_id in ids:
                    whole.setdefault(class_id, []).append((number, index))
    for class_id, places in whole.items():
        some = np.unique(np.linspace(0, len(places) - 1, LOOKS).astype(int))
        whole[class_id] = [places[i] for i in some]
    return whole, seen


def _plane(volumes: Sequence[TrainingVolume], place: tuple[int, int]) -> NDArray[Any]:
    entry = volumes[place[0]]
    assert entry.target is not None
    return plane_of(entry.target, entry.volume.axis, place[1])


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
