"""Scores of masks against labels: Dice per volume and pooled, HD95, ASSD."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.dataset import WHITE, on_grid_of, read_description
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import ending_of
from napari_contrastseg.io.images import read_labels, stem_of
from napari_contrastseg.io.json import parse, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume


@dataclass
class Scores:
    """Scores of one case after the other.

    A class that is absent from truth and prediction is skipped; one that is absent
    from the truth alone scores 0.
    """

    classes: Mapping[int, str]
    cases: int = 0
    dice: dict[int, list[float]] = field(default_factory=dict)
    hd95: dict[int, list[float]] = field(default_factory=dict)
    assd: dict[int, list[float]] = field(default_factory=dict)
    _overlap: dict[int, int] = field(default_factory=dict)
    _areas: dict[int, int] = field(default_factory=dict)

    def add(
        self,
        mask: NDArray[Any],
        truth: NDArray[Any],
        spacing: Sequence[float] | None = None,
    ) -> dict[int, float]:
        """Score one case on its known voxels; returns its Dice per class.

        Parameters
        ----------
        mask, truth : (s0, s1, s2) int
            Truth -1 is unknown and left out.
        spacing : (3,) float, mm, optional
            Distances are measured when it is given.
        """
        self.cases += 1
        known = truth >= 0
        result = {}
        for class_id in self.classes:
            mine, theirs = (mask == class_id) & known, (truth == class_id) & known
            area = int(mine.sum()) + int(theirs.sum())
            overlap = int((mine & theirs).sum())
            self._overlap[class_id] = self._overlap.get(class_id, 0) + overlap
            self._areas[class_id] = self._areas.get(class_id, 0) + area
            if not area:
                continue
            result[class_id] = 2 * overlap / area
            self.dice.setdefault(class_id, []).append(result[class_id])
            if spacing is not None and mine.any() and theirs.any():
                hd95, assd = _distances(mine, theirs, spacing)
                self.hd95.setdefault(class_id, []).append(hd95)
                self.assd.setdefault(class_id, []).append(assd)
        return result

    def summary(self) -> dict[str, Any]:
        """Give the scores under the keys that `contrastseg evaluate` prints."""
        dice = {self.classes[c]: float(np.mean(v)) for c, v in self.dice.items()}
        pooled = {
            self.classes[c]: 2 * self._overlap[c] / area
            for c, area in self._areas.items()
            if area
        }
        hd95 = {self.classes[c]: float(np.mean(v)) for c, v in self.hd95.items()}
        assd = {self.classes[c]: float(np.mean(v)) for c, v in self.assd.items()}
        return {
            "cases": self.cases,
            "dice": _rounded(dice),
            "mean_dice": _mean(dice),
            "pooled_dice": _rounded(pooled),
            "mean_pooled_dice": _mean(pooled),
            "hd95_mm": _mean(hd95),
            "assd_mm": _mean(assd),
            "hd95_mm_per_class": _rounded(hd95),
            "assd_mm_per_class": _rounded(assd),
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
) -> tuple[float, float]:
    """HD95 and symmetric mean surface distance in mm, by MONAI."""
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
        assd = compute_average_surface_distance(a, b, symmetric=True, **options)
    return float(hd95.item()), float(assd.item())


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
    for mask, truth in read:
        known = np.where(truth.data[0] == ignore, -1, truth.data[0])
        scores.add(mask.data[0], known, truth.spacing.tolist())
    return scores.summary()


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
    if predictions.is_file():
        truth = labels if labels.is_file() else _label_for(predictions, labels)
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
    if labels.is_file():
        raise InputError(f"{labels}: is one file, but {predictions} is a folder.")
    return [(mask, _label_for(mask, labels)) for mask in masks]


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
            classes, ignore, _ = read_description(root / "dataset.json")
            return classes, -1 if ignore is None else ignore
    about = predictions / "predictions.json"
    if about.is_file():
        return parse(_Predictions, read_json(about), str(about)).classes, -1
    return {}, -1
