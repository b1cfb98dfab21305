"""Scores of masks against labels: Dice, IoU, HD95, ASSD, HD, MAE, AUPR."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_contrastseg.evaluation.precision_recall import PrecisionRecall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Unit = Literal["mm", "pixel"]


@dataclass(frozen=True)
class Distances:
    """How far two surfaces are apart.

    Attributes
    ----------
    hd95, assd, hd : float
        95th percentile of the distances, mean of both directions, and the largest.
    """

    hd95: float
    assd: float
    hd: float


@dataclass
class Scores:
    """Scores of one case after the other.

    A class that is absent from truth and prediction is skipped; one that is absent
    from the truth alone scores 0. The mean absolute error of a class's mask is the part
    of the known voxels in which it is wrong, averaged over all cases.
    """

    classes: Mapping[int, str]
    cases: int = 0
    dice: dict[int, list[float]] = field(default_factory=dict)
    iou: dict[int, list[float]] = field(default_factory=dict)
    errors: dict[int, list[float]] = field(default_factory=dict)
    distances: dict[int, list[Distances]] = field(default_factory=dict)
    curve: PrecisionRecall = field(default_factory=PrecisionRecall)
    _units: set[Unit] = field(default_factory=set)
    _overlap: dict[int, int] = field(default_factory=dict)
    _areas: dict[int, int] = field(default_factory=dict)

    def add(
        self,
        mask: NDArray[Any],
        truth: NDArray[Any],
        spacing: Sequence[float] | None = None,
        unit: Unit = "mm",
        confidence: NDArray[Any] | None = None,
    ) -> dict[int, float]:
        """Score one case on its known voxels; returns its Dice per class.

        Parameters
        ----------
        mask, truth : (s0, s1, s2) int
            Truth -1 is unknown and left out.
        spacing : (3,) float, optional
            Distances are measured when it is given.
        unit : {"mm", "pixel"}
            Of the spacing; ``pixel`` where no length is known.
        confidence : (s0, s1, s2) float, optional
            Probability of what the mask says; of use where there is one class.
        """
        self.cases += 1
        if spacing is not None:
            self._units.add(unit)
        known = truth >= 0
        if confidence is not None and len(self.classes) == 1:
            (only,) = self.classes
            binary = np.where(known, truth == only, -1)
            self.curve.add(mask == only, confidence, binary)
        result = {}
        for class_id in self.classes:
            mine, theirs = (mask == class_id) & known, (truth == class_id) & known
            area = int(mine.sum()) + int(theirs.sum())
            overlap = int((mine & theirs).sum())
            self._overlap[class_id] = self._overlap.get(class_id, 0) + overlap
            self._areas[class_id] = self._areas.get(class_id, 0) + area
            if known.any():
                wrong = (area - 2 * overlap) / int(known.sum())
                self.errors.setdefault(class_id, []).append(wrong)
            if not area:
                continue
            result[class_id] = 2 * overlap / area
            self.iou.setdefault(class_id, []).append(overlap / (area - overlap))
            self.dice.setdefault(class_id, []).append(result[class_id])
            if spacing is not None and mine.any() and theirs.any():
                found = _distances(mine, theirs, spacing)
                self.distances.setdefault(class_id, []).append(found)
        return result

    @property
    def unit(self) -> Unit | None:
        """Unit of all distances; None where some are in mm and others in pixels."""
        return next(iter(self._units)) if len(self._units) == 1 else None

    def summary(self) -> dict[str, Any]:
        """Give the scores under the keys that `contrastseg evaluate` prints.

        Distances are None where there are none, or where their units differ.
        """
        dice, iou, errors = (
            {self.classes[c]: float(np.mean(v)) for c, v in found.items()}
            for found in (self.dice, self.iou, self.errors)
        )
        area = self.curve.area()
        pooled = {
            self.classes[c]: 2 * self._overlap[c] / area
            for c, area in self._areas.items()
            if area
        }
        hd95, assd, hd = (self._far(kind) for kind in ("hd95", "assd", "hd"))
        in_mm = self.unit == "mm"
        return {
            "cases": self.cases,
            "dice": _rounded(dice),
            "mean_dice": _mean(dice),
            "iou": _rounded(iou),
            "mean_iou": _mean(iou),
            "mae": _rounded(errors),
            "mean_mae": _mean(errors),
            "aupr": None if area is None else _short(area),
            "pooled_dice": _rounded(pooled),
            "mean_pooled_dice": _mean(pooled),
            "hd95": _mean(hd95),
            "assd": _mean(assd),
            "hd": _mean(hd),
            "unit": self.unit,
            "hd95_mm": _mean(hd95) if in_mm else None,
            "assd_mm": _mean(assd) if in_mm else None,
            "hd_mm": _mean(hd) if in_mm else None,
            "hd95_mm_per_class": _rounded(hd95) if in_mm else {},
            "assd_mm_per_class": _rounded(assd) if in_mm else {},
        }

    def _far(self, kind: str) -> dict[str, float]:
        """Average a distance over cases, for each class by name."""
        if self.unit is None:
            return {}
        return {
            self.classes[c]: float(np.mean([getattr(one, kind) for one in found]))
            for c, found in self.distances.items()
        }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: _short(value) for name, value in values.items()}


def _mean(values: Mapping[str, float]) -> float | None:
    return _short(float(np.mean(list(values.values())))) if values else None


def _short(value: float) -> float:
    """Keep five digits: distances may be of any order."""
    return float(f"{value:.5g}")


def _distances(
    mine: NDArray[np.bool_], theirs: NDArray[np.bool_], spacing: Sequence[float]
) -> Distances:
    """Measure distances of surfaces in the spacing's unit, by MONAI."""
    import torch
    from monai.metrics.hausdorff_distance import (
        compute_hausdorff_distance,
    )
    from monai.metrics.surface_distance import (
        compute_average_surface_distance,
    )

    box = np.nonzero(mine | theirs)
    key = tuple(slice(max(int(i.min()) - 1, 0), int(i.max()) + 2) for i in box)
    a, b = (torch.from_numpy(m[key].copy())[None, None].float() for m in (mine, theirs))
    options: dict[str, Any] = {"include_background": True, "spacing": list(spacing)}
    with warnings.catch_warnings():
        # MONAI 1.5 to 1.6 calls its own deprecated argument; delete with MONAI 1.7
        warnings.simplefilter("ignore", FutureWarning)
        hd95 = compute_hausdorff_distance(a, b, percentile=95, **options)
        hd = compute_hausdorff_distance(a, b, **options)
        assd = compute_average_surface_distance(a, b, symmetric=True, **options)
    return Distances(float(hd95.item()), float(assd.item()), float(hd.item()))
