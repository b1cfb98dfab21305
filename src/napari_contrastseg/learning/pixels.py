"""Labels on a network's pixels, and how coarse these may be.

Large slices of large structures are learned faster, with more of their surroundings, on
coarser pixels; thin or small structures would be lost there. The labelled slices tell
which of the two they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from napari_contrastseg.learning.labels import UNKNOWN
from napari_contrastseg.learning.planes import WHOLE, by_hand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_contrastseg.learning.labels import TrainingVolume

#: Lengths of a network's pixels to choose from, in the images'.
CHOICES = (4.0, 3.0, 2.0, 1.5)
#: Pixels that the shorter side of a slice keeps.
LEAST_SIDE = 96
#: Dice that every class keeps, averaged to those pixels and interpolated back.
LEAST_DICE = 0.99
#: Labelled slices that are looked at.
LOOKS = 24


def labels_on(
    shape: tuple[int, int], labels: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Bring a plane of labels to other pixels.

    The class with the greatest weight in a pixel has it; what is unknown counts only
    where nothing else is, so scribbles keep their length.

    Parameters
    ----------
    shape : (h', w')
    labels, weight : (h, w) float
        Labels are negative where unknown.

    Returns
    -------
    labels : (h', w') float, -1 where unknown
    weight : (h', w') float
        Mean weight of the known labels.
    """
    known = labels >= 0
    found = labels[known].unique()
    if not len(found):
        return torch.full(shape, float(UNKNOWN)), torch.zeros(shape)
    share = functional.interpolate(
        torch.stack([known.float(), known * weight])[None], shape, mode="area"
    )[0]
    # by a wider average, so that no class wins all pixels that two have half of
    parts = functional.interpolate(
        ((labels == found[:, None, None]) * weight)[None],
        shape,
        mode="bilinear",
        antialias=True,
    )[0]
    there = share[0] > 0
    plane = torch.where(there, found[parts.argmax(dim=0)], float(UNKNOWN))
    return plane, torch.where(there, share[1] / share[0], 0.0)


def coarseness(volumes: Sequence[TrainingVolume], axis: int) -> float:
    """Choose how much longer a network's pixels are to be than the images'.

    The most of 1, 1.5, 2, 3, 4 at which slices keep 96 pixels a side and every class's
    outline survives. 1 where no slice is labelled whole: scribbles do not tell sizes.

    Parameters
    ----------
    volumes : sequence of TrainingVolume
    axis : int
        Slice axis in canonical order.
    """
    shapes = [np.delete(entry.volume.shape, axis) for entry in volumes]
    side = np.median(shapes, axis=0).min()
    choices = [choice for choice in CHOICES if side / choice >= LEAST_SIDE]
    if not choices:
        return 1.0
    whole = [
        (entry.target, index)
        for entry in volumes
        for index, (labels, mine) in enumerate(by_hand(entry, axis))
        if mine.mean() >= WHOLE and (labels > 0).any()
    ]
    if not whole:
        return 1.0
    some = np.unique(np.linspace(0, len(whole) - 1, LOOKS).astype(int))
    planes = [np.take(whole[i][0], whole[i][1], axis=axis) for i in some]
    return next((c for c in choices if _dice_left(planes, c) >= LEAST_DICE), 1.0)


def _dice_left(planes: Sequence[NDArray[Any]], factor: float) -> float:
    """Lowest Dice of a class with what coarse pixels leave of it."""
    both: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for plane in planes:
        labels = torch.from_numpy(np.ascontiguousarray(plane))
        coarse = [round(side / factor) for side in labels.shape]
        for class_id in labels[labels > 0].unique().tolist():
            mask = (labels == class_id)[None, None]
            part = functional.interpolate(
                mask.float(), coarse, mode="bilinear", antialias=True
            )
            left = functional.interpolate(part, labels.shape, mode="bilinear") > 0.5  # noqa: PLR2004
            both[class_id] = both.get(class_id, 0) + int((mask & left).sum())
            size = int(mask.sum() + left.sum())
            sizes[class_id] = sizes.get(class_id, 0) + size
    return min(2 * both[class_id] / sizes[class_id] for class_id in sizes)
