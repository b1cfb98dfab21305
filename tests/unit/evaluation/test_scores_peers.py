"""IoU, MAE, AUPR and the largest distance, held against scikit-learn and MONAI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from monai.metrics.meaniou import compute_iou
from monai.metrics.regression import MAEMetric
from sklearn.metrics import average_precision_score, jaccard_score

from napari_contrastseg.evaluation.mask_files import evaluate
from napari_contrastseg.evaluation.precision_recall import PrecisionRecall
from napari_contrastseg.evaluation.scores import Scores
from napari_contrastseg.io.images import write_map, write_mask
from napari_contrastseg.io.volume import Volume, array_affine

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (3, 8, 9)


def cases(classes: int, count: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    truths = rng.integers(0, classes + 1, (count, *SHAPE))
    noise = rng.integers(0, classes + 1, truths.shape)
    masks = np.where(rng.random(truths.shape) < 0.7, truths, noise)
    return list(zip(masks, truths, strict=True))


def test_iou_is_that_of_scikit_learn_and_monai() -> None:
    scores = Scores({1: "a", 2: "b"})
    for mask, truth in cases(2):
        scores.add(mask, truth)
    for kind, name in scores.classes.items():
        wanted = [
            jaccard_score((t == kind).ravel(), (m == kind).ravel()) for m, t in cases(2)
        ]
        assert scores.summary()["iou"][name] == pytest.approx(np.mean(wanted), abs=1e-4)
        masks, truths = (
            torch.tensor(np.array(part) == kind)[:, None].float()
            for part in zip(*cases(2), strict=True)
        )
        by_monai = compute_iou(masks, truths)
        assert np.mean(wanted) == pytest.approx(by_monai.mean().item(), abs=1e-6)


def test_mae_is_that_of_monai() -> None:
    scores = Scores({1: "a"})
    for mask, truth in cases(1):
        scores.add(mask, truth)
    by_monai: Any = MAEMetric()
    masks, truths = (
        torch.tensor(np.array(part)) for part in zip(*cases(1), strict=True)
    )
    by_monai(masks[:, None].float(), truths[:, None].float())
    wanted = by_monai.aggregate().item()
    assert scores.summary()["mae"]["a"] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("coarse", [False, True])
def test_aupr_is_that_of_scikit_learn(*, coarse: bool) -> None:
    """Of scores as float16, ties included; unknown voxels left out."""
    rng = np.random.default_rng(1)
    curve, every, right = PrecisionRecall(), [], []
    for _ in range(3):
        truth = rng.integers(-1, 2, SHAPE)
        chance = np.clip(0.5 + 0.3 * (truth - 0.5) + 0.3 * rng.normal(size=SHAPE), 0, 1)
        chance = np.round(chance, 1 if coarse else 4).astype(np.float16)
        mask = chance >= 0.5
        sure = np.where(mask, chance, 1 - chance.astype(np.float32))
        curve.add(mask, sure, truth)
        every.append(chance[truth >= 0])
        right.append(truth[truth >= 0])
    wanted = average_precision_score(np.concatenate(right), np.concatenate(every))
    assert curve.area() == pytest.approx(wanted, abs=1e-3 if coarse else 1e-4)
    assert PrecisionRecall().area() is None


def test_confidences_beside_the_masks_give_an_aupr(tmp_path: Path) -> None:
    (mask, truth), *_ = cases(1)
    volume = Volume("a", (truth.astype(np.uint8),), array_affine(np.ones(3)))
    write_mask(tmp_path / "masks" / "a.nii.gz", mask.astype(np.uint8), volume)
    write_mask(tmp_path / "labels" / "a.nii.gz", truth.astype(np.uint8), volume)
    before = evaluate(tmp_path / "masks", tmp_path / "labels")
    assert before["aupr"] is None
    sure = np.full(SHAPE, 0.9)
    write_map(tmp_path / "masks" / "a_confidence.nii.gz", sure, volume)
    found = evaluate(tmp_path / "masks", tmp_path / "labels")
    score = np.where(mask == 1, 0.9, 0.1)
    wanted = average_precision_score(truth.ravel(), score.ravel())
    assert found["aupr"] == pytest.approx(wanted, abs=1e-4)
    assert {k: v for k, v in found.items() if k != "aupr"} == {
        k: v for k, v in before.items() if k != "aupr"
    }
    assert found["hd_mm"] == found["hd"]


def test_several_classes_have_no_aupr() -> None:
    scores = Scores({1: "a", 2: "b"})
    (mask, truth), *_ = cases(2)
    scores.add(mask, truth, confidence=np.ones(SHAPE))
    assert scores.summary()["aupr"] is None
