"""What is known of a volume, as learning sees it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Target value of voxels of which nothing is known.
UNKNOWN: Final = -1


@dataclass(frozen=True, eq=False)
class TrainingVolume:
    """A volume and what is known of it.

    Attributes
    ----------
    volume : Volume
    target : (s0, s1, s2) int, or None
        -1 unknown, 0 background, else a class id; None where nothing is known.
    weight : (s0, s1, s2) float, or None
        Weight of each voxel within 0 and 1; None for 1 everywhere.
    """

    volume: Volume
    target: NDArray[Any] | None = None
    weight: NDArray[np.float32] | None = None
