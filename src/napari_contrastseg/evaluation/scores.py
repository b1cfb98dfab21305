"""Scores of masks against labels: Dice, IoU, HD95, ASSD, HD, MAE, AUPR."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_contrastseg.evaluation.precision_recall import PrecisionRecall
from napari_contrastseg.io.dataset import WHITE, on_grid_of
from napari_contrastseg.io.dataset_json import read_label_names
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import ending_of, is_image
from napari_contrastseg.io.images import read_labels, read_volume, stem_of
from napari_contrastseg.io.json import parse, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

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


def evaluate(predictions: Path, labels: Path) -> dict[str, Any]:
    """Score a folder of masks (or one file) against a folder of labels (or one file).

    Raises
    ------
    InputError
        A label is missing, or a mask lies on another grid than its label.
    """
    pairs = _pairs(predictions, labels)
    names, ignore = _class_names(predictions, labels)
    read = [_read_pair(mask, truth) for mask, truth in pairs]
    masks, truths = (
        {int(v) for pair in read for v in np.unique(pair[side].data[0])} - {0, ignore}
        for side in range(2)
    )
    if {1} in (masks, truths) and {WHITE} in (masks, truths):
        read = [(_white_as_1(mask), _white_as_1(truth)) for mask, truth in read]
        masks = truths = {1}
    found = masks | truths
    scores = Scores({int(i): names.get(int(i), str(int(i))) for i in sorted(found)})
    for (mask, truth), (path, label) in zip(read, pairs, strict=True):
        known = np.where(truth.data[0] == ignore, -1, truth.data[0])
        sure = _confidence(path, truth, label) if len(found) == 1 else None
        spacing = truth.spacing.tolist()
        scores.add(mask.data[0], known, spacing, truth.source.unit, sure)
    return scores.summary()


def _confidence(mask: Path, truth: Volume, label: Path) -> NDArray[Any] | None:
    """Read the confidence map that `predict --confidence` left beside a mask."""
    name = f"{stem_of(mask)}_confidence{ending_of(mask) or '.tif'}"
    path = mask.with_name(name)
    if not path.exists():
        return None
    found = on_grid_of(truth, label, read_volume(path), path)
    return np.asarray(found.data[0])


def _white_as_1(volume: Volume) -> Volume:
    """Take a mask of 0 and 255 as one of class 1."""
    labels = volume.data[0]
    return replace(volume, data=(np.where(labels == WHITE, 1, labels),))


def _read_pair(mask: Path, truth: Path) -> tuple[Volume, Volume]:
    """Read a mask and its label, in one order."""
    label = read_labels(truth)
    return on_grid_of(label, truth, read_labels(mask), mask), label


def _pairs(predictions: Path, labels: Path) -> list[tuple[Path, Path]]:
    for path in (predictions, labels):
        if not path.exists():
            raise InputError(f"{path}: there is no such file or folder.")
    if (labels / "labelsTr").is_dir():
        labels = labels / "labelsTr"
    if _is_one(predictions):
        truth = labels if _is_one(labels) else _label_for(predictions, labels)
        return [(predictions, truth)]
    masks = [
        p
        for p in sorted(predictions.iterdir())
        if ending_of(p)
        and not stem_of(p).endswith("_confidence")
        and not p.name.startswith(".")
    ]
    if not masks:
        raise InputError(f"{predictions}: holds no masks.")
    if _is_one(labels):
        raise InputError(f"{labels}: is one file, but {predictions} is a folder.")
    return [(mask, _label_for(mask, labels)) for mask in masks]


def _is_one(path: Path) -> bool:
    """Whether a path is one image: a file, or a folder that is one (OME-Zarr)."""
    return path.is_file() or is_image(path)


def _label_for(mask: Path, labels: Path) -> Path:
    for path in sorted(labels.iterdir()):
        if ending_of(path) and stem_of(path) == stem_of(mask):
            return path
    raise InputError(f"{labels}: has no label for {mask.name}; nothing was scored.")


@dataclass(frozen=True)
class _Predictions:
    """What `predict` leaves beside its masks."""

    classes: dict[int, str] = field(default_factory=dict)


def _class_names(predictions: Path, labels: Path) -> tuple[dict[int, str], int]:
    """Class names and the value to ignore, from dataset.json or predictions.json."""
    for root in (labels, labels.parent):
        if (root / "dataset.json").is_file():
            known = read_label_names(root / "dataset.json")
            return known.classes, -1 if known.ignore is None else known.ignore
    about = predictions / "predictions.json"
    if about.is_file():
        return parse(_Predictions, read_json(about), str(about)).classes, -1
    return {}, -1
