"""Slices along the other axes: when networks learn from them too, and how they vote.

A network of slices with their neighbours sees little of a volume's third direction.
Where a volume is labelled whole, its slices along every axis are, so further networks
can learn along the other two (as FastSurfer does, Henschel et al. 2020). Free of torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.labels import TrainingVolume

#: Longest side of a voxel, in its shortest, that slices of every axis may have.
LONGEST = 1.5
#: Voxels that a volume needs along every axis.
LEAST = 16
#: Part of a volume that a person has labelled when it counts as labelled whole.
WHOLE = 0.9
#: Part of the labelled voxels that must lie in volumes labelled whole.
MOST = 0.5


def has_planes(volume: Volume) -> bool:
    """Whether slices along every axis of a volume look alike."""
    spacing = volume.spacing
    return (
        volume.kind == "volume"
        and float(spacing.max() / spacing.min()) <= LONGEST
        and min(volume.shape) >= LEAST
    )


def other_axes(volumes: Sequence[TrainingVolume], axis: int) -> tuple[int, ...]:
    """Axes beside `axis` along which networks can learn as well.

    None unless slices along every axis look alike and most of what a person labelled
    lies in volumes that are labelled whole. In single slices a line is all that the
    other axes would see of a label.
    """
    if not all(has_planes(entry.volume) for entry in volumes):
        return ()
    whole = known = 0
    for entry in volumes:
        labelled = _labelled(entry)
        known += labelled
        if labelled >= WHOLE * np.prod(entry.volume.shape):
            whole += labelled
    if not known or whole < MOST * known:
        return ()
    return tuple(other for other in range(3) if other != axis)


def _labelled(entry: TrainingVolume) -> int:
    """Count the voxels that a person labelled."""
    if entry.target is None:
        return 0
    if entry.weight is None:
        return int((entry.target >= 0).sum())
    return int(((entry.target >= 0) & (entry.weight >= 1)).sum())


def vote(
    labels: Sequence[NDArray[np.uint8]], confidence: Sequence[NDArray[np.float16]]
) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Give each voxel the label of which its networks are surest together.

    Parameters
    ----------
    labels : sequence of (s0, s1, s2) uint8
    confidence : sequence of (s0, s1, s2) float16 in [0, 1]

    Returns
    -------
    (s0, s1, s2) uint8, (s0, s1, s2) float16
        The labels, and the mean confidence in them, where a network that says something
        else has none.
    """
    best, sure = np.empty_like(labels[0]), np.empty_like(confidence[0])
    for index in range(len(best)):  # plane by plane: memory
        said = np.stack([array[index] for array in labels])
        how = np.stack([array[index].astype(np.float32) for array in confidence])
        support = np.stack([(how * (said == mine)).sum(axis=0) for mine in said])
        winner = support.argmax(axis=0)[None]
        best[index] = np.take_along_axis(said, winner, 0)[0]
        sure[index] = np.take_along_axis(support, winner, 0)[0] / len(said)
    return best, sure
