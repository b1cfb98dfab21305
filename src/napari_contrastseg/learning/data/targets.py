"""Training targets: class and weight of each voxel of a volume. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Target value of voxels of which nothing is known.
UNKNOWN: Final = -1
#: And of those where a person has refused what was predicted: nothing is guessed there.
REJECTED: Final = -2


@dataclass(frozen=True, eq=False)
class TrainingVolume:
    """A volume and what is known of it.

    Attributes
    ----------
    volume : Volume
    target : (s0, s1, s2) int, or None
        -1 unknown, -2 unknown and not to be guessed, 0 background, else a class id;
        None where nothing is known.
    weight : (s0, s1, s2) float, or None
        Weight of each voxel within 0 and 1; None for 1 everywhere.
    """

    volume: Volume
    target: NDArray[Any] | None = None
    weight: NDArray[np.float32] | None = None


def check_labels(volumes: Sequence[TrainingVolume]) -> None:
    """Refuse to train without at least two classes, background counted.

    Raises
    ------
    InputError
        Saying what to paint.
    """
    for entry in volumes:
        if entry.target is None:
            continue
        if tuple(entry.target.shape) != entry.volume.shape:
            raise InputError(
                f"{entry.volume.id}: its labels have shape {entry.target.shape}, the "
                f"image {entry.volume.shape}; labels must be drawn on the image's grid."
            )
    present = labelled_values(volumes)
    if not present:
        raise InputError(
            "No slice has labels yet; paint a slice and mark it done, or scribble at "
            "least two classes."
        )
    if len(present) == 1:
        only = "background" if present == {0} else f"class {present.pop()}"
        raise InputError(
            f"Only {only} is labelled; paint at least one more class (background "
            "counts, and so does marking a slice done)."
        )


def has_labels(volumes: Sequence[TrainingVolume]) -> bool:
    """Whether two classes are labelled at least, background counted."""
    return len(labelled_values(volumes)) > 1


def labelled_values(volumes: Sequence[TrainingVolume]) -> set[int]:
    """Find which classes are labelled, background as 0."""
    found: set[int] = set()
    for entry in volumes:
        if entry.target is not None:
            found |= values_in(entry.target)
    return found - {UNKNOWN, REJECTED}


def values_in(labels: NDArray[Any]) -> set[int]:
    """Find which whole numbers there are, without sorting a large volume."""
    low, high = int(labels.min()), int(labels.max())
    if high - low > labels.size:
        return {int(value) for value in np.unique(labels)}
    seen = np.zeros(high - low + 1, bool)
    for key in small_blocks(labels.shape):
        part = labels[key]
        least, most = int(part.min()), int(part.max())
        if least == most:  # as most of a volume is
            seen[least - low] = True
        else:
            seen[part.astype(np.int64) - low] = True
    return set((np.flatnonzero(seen) + low).tolist())
