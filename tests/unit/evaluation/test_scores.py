"""Dice and distances by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from napari_contrastseg.evaluation.scores import Scores, evaluate
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.volume import Source, Volume, array_affine
from tests.kit.nifti import save

if TYPE_CHECKING:
    from pathlib import Path


def test_scores_by_hand() -> None:
    scores = Scores({1: "a", 2: "b", 3: "c"})
    truth = np.array([[[1, 1, 0, -1]]])
    mask = np.array([[[1, 0, 2, 2]]])
    per_class = scores.add(mask, truth)
    assert per_class == {1: pytest.approx(2 / 3), 2: 0.0}
    summary = scores.summary()
    assert summary["dice"] == {"a": pytest.approx(2 / 3, abs=1e-5), "b": 0.0}
    assert "c" not in summary["pooled_dice"]


def test_distances_are_in_mm() -> None:
    truth = np.zeros((9, 9, 9), int)
    truth[3:6, 3:6, 3:6] = 1
    scores = Scores({1: "a"})
    scores.add(np.roll(truth, 1, axis=0), truth, [2.0, 1.0, 1.0])
    assert scores.summary()["hd95_mm"] == pytest.approx(2.0)


def test_the_largest_distance_is_itks() -> None:
    rng = np.random.default_rng(0)
    truth, mask = (rng.random((2, 9, 12, 11)) > 0.97).astype(int)
    scores = Scores({1: "a"})
    scores.add(mask, truth, [3.0, 0.5, 1.5])
    two = [sitk.GetImageFromArray(one.astype(np.uint8)) for one in (truth, mask)]
    for one in two:
        one.SetSpacing((1.5, 0.5, 3.0))
    by_itk = sitk.HausdorffDistanceImageFilter()
    by_itk.Execute(*two)
    wanted = by_itk.GetHausdorffDistance()
    summary = scores.summary()
    assert summary["hd"] == pytest.approx(wanted, rel=1e-4)
    assert summary["hd95"] <= summary["hd"]
    assert summary["hd95_mm"] == summary["hd95"]


def pair(folder: Path, name: str, sizes: tuple[float, ...], **source: Any) -> None:
    """A mask and its label as TIFF, one pixel apart along the middle axis."""
    truth = np.zeros((9, 9, 9), np.uint8)
    truth[3:6, 3:6, 3:6] = 1
    affine = array_affine(np.array(sizes))
    volume = Volume(name, (truth,), affine, source=Source(None, **source))
    write_mask(folder / "labels" / f"{name}.tif", truth, volume)
    write_mask(folder / "masks" / f"{name}.tif", np.roll(truth, 1, axis=1), volume)


def test_the_unit_of_distances_is_said(tmp_path: Path) -> None:
    """Micrometres are no mm, and a ratio of sides is no length."""
    pair(tmp_path / "a", "small", (3e-3, 2e-3, 2e-3))
    found = evaluate(tmp_path / "a" / "masks", tmp_path / "a" / "labels")
    assert found["unit"] == "mm"
    assert found["hd95_mm"] == found["hd"] == pytest.approx(2e-3)
    pair(tmp_path / "b", "ratio", (3.0, 1.0, 1.0), unit="pixel")
    found = evaluate(tmp_path / "b" / "masks", tmp_path / "b" / "labels")
    assert found["unit"] == "pixel"
    assert found["hd95"] == pytest.approx(1.0)
    assert found["hd95_mm"] is found["assd_mm"] is None
    assert found["hd95_mm_per_class"] == {}


def test_mm_and_pixels_are_not_averaged(tmp_path: Path) -> None:
    pair(tmp_path, "small", (3e-3, 2e-3, 2e-3))
    pair(tmp_path, "ratio", (3.0, 1.0, 1.0), unit="pixel")
    found = evaluate(tmp_path / "masks", tmp_path / "labels")
    assert found["unit"] is found["hd95"] is found["hd95_mm"] is None
    assert found["cases"] == 2
    assert found["mean_dice"] == pytest.approx(2 / 3, abs=1e-4)


def test_masks_of_0_and_255_are_scored_against_class_1(tmp_path: Path) -> None:
    """Else one and the same mask would score 0."""
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 1:3, 1:3] = 1
    one = save(tmp_path / "one.nii.gz", labels, np.eye(4))
    white = save(tmp_path / "white.nii.gz", labels * 255, np.eye(4))
    for mask, truth in ((one, white), (white, one)):
        assert evaluate(mask, truth)["dice"] == {"1": 1.0}
    assert evaluate(white, white)["dice"] == {"255": 1.0}
    two = save(tmp_path / "two.nii.gz", labels * 2, np.eye(4))
    assert evaluate(two, white)["dice"] == {"2": 0.0, "255": 0.0}


@pytest.mark.parametrize("folder", ["masks", "labels"])
def test_two_files_of_one_case_are_refused(tmp_path: Path, folder: str) -> None:
    """One would count twice, or another one than was meant."""
    pair(tmp_path, "a", (1.0, 1.0, 1.0))
    (tmp_path / folder / "a.tiff").write_bytes(
        (tmp_path / folder / "a.tif").read_bytes()
    )
    with pytest.raises(InputError, match=r"a.tiff: is a second mask of the case that"):
        evaluate(tmp_path / "masks", tmp_path / "labels")
