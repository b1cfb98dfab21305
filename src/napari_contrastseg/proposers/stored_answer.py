"""An answer from a stored prediction and its confidence, as a round keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class StoredAnswer:
    """Class and confidence of each voxel as probabilities.

    What the predicted class leaves is shared evenly among the others.

    Parameters
    ----------
    prediction : (z, y, x) int
        0 background, else a class id.
    confidence : (z, y, x) float
        Probability of the predicted class.
    classes : sequence of int
        Class ids, in the order of the channels.
    """

    def __init__(
        self,
        prediction: NDArray[np.integer],
        confidence: NDArray[np.floating],
        classes: Sequence[int],
    ) -> None:
        self._prediction = prediction
        self._confidence = confidence
        self._classes = tuple(classes)

    def probabilities(self, index: int) -> NDArray[np.float32]:
        """Give one slice's probabilities, background first."""
        sure = np.asarray(self._confidence[index], np.float32)
        others = len(self._classes)
        sure = np.maximum(sure, np.float32(1 / (1 + others)))
        rest = (1 - sure) / np.float32(others)
        values: NDArray[np.float32] = np.repeat(rest[None], 1 + others, axis=0)
        predicted = np.asarray(self._prediction[index])
        for channel, value in enumerate((0, *self._classes)):
            values[channel] = np.where(predicted == value, sure, values[channel])
        return values
