"""Pooled Dice at 64 x 64 a slice: the protocol of Hu et al. 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Rows and columns that every slice is brought to.
SIDE = 64


class HuDice:
    """Intersections and areas over all slices of all cases, one Dice a class.

    The protocol of Hu et al. 2021 (docs/recipes/hu2021.md). Slices are resized by the
    nearest pixel, so that no class shrinks; the released code resizes labels bilinearly
    and cuts them to integers.
    """

    def __init__(self, classes: Mapping[int, str]) -> None:
        self._classes = classes
        self._overlap = dict.fromkeys(classes, 0)
        self._areas = dict.fromkeys(classes, 0)

    def add(self, mask: NDArray[Any], truth: NDArray[Any], axis: int) -> None:
        """Add a case, (s0, s1, s2) each; truth -1 is left out."""
        mine, theirs = (_resized(np.moveaxis(a, axis, 0)) for a in (mask, truth))
        known = theirs >= 0
        for class_id in self._classes:
            a, b = (mine == class_id) & known, theirs == class_id
            self._overlap[class_id] += int((a & b).sum())
            self._areas[class_id] += int(a.sum()) + int(b.sum())

    def per_class(self) -> dict[str, float]:
        """Dice by class name; a class absent from truth and prediction is skipped."""
        return {
            name: round(2 * self._overlap[c] / self._areas[c], 5)
            for c, name in self._classes.items()
            if self._areas[c]
        }

    def mean(self) -> float | None:
        """Mean over the foreground classes."""
        values = list(self.per_class().values())
        return round(float(np.mean(values)), 5) if values else None


def _resized(slices: NDArray[Any]) -> NDArray[Any]:
    """Bring (n, rows, columns) to (n, SIDE, SIDE) by the nearest pixel."""
    rows, columns = (
        np.floor((np.arange(SIDE) + 0.5) * count / SIDE).astype(int)
        for count in slices.shape[1:]
    )
    return slices[:, rows[:, None], columns]
