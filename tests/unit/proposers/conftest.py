from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.proposers.proposer import LabelledVolume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@pytest.fixture
def labelled() -> Callable[..., LabelledVolume]:
    """A volume whose labels are known on some slices alone."""

    def volume(
        labels: np.ndarray, slices: Sequence[int], *, related: bool = True
    ) -> LabelledVolume:
        truth = np.full(labels.shape, -1, np.int16)
        truth[list(slices)] = labels[list(slices)]
        classes = tuple(int(v) for v in np.unique(labels[labels > 0])) or (1,)
        return LabelledVolume(
            truth,
            classes,
            lambda z: (labels[z] * 0.5)[None].astype(np.float32),
            related=related,
        )

    return volume


@pytest.fixture
def ball() -> np.ndarray:
    """A ball of radius 15 in 40 slices, its upper half of another class."""
    z, y, x = np.ogrid[:40, :48, :50]
    inside = (z - 20) ** 2 + (y - 24) ** 2 + (x - 25) ** 2 <= 15**2
    return np.where(inside, np.where(x < 25, 1, 2), 0)
