"""Cohorts of thick slices near a diagonal of the body: trained, noted and predicted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.slice_axis import COARSEST, SliceAxis
from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.tasks.file_prediction import FilePrediction, predict_files
from napari_contrastseg.tasks.resolve import resolve
from napari_contrastseg.tasks.splits import Labels, read_training, split_cases
from tests.kit.training import request, run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.tasks.splits import Training

SHAPE = (20, 16, 6)
#: Which way the thick slices face: turned about a world axis by degrees.
TURNS = [(a, d) for a in (0, 2) for d in (30, 44.9, 45.1, 60, 134.9, 135.1)]


def placed(about: int, degrees: float) -> NDArray[np.float64]:
    """Affine of an array whose last axis is thick and lies across the world axis."""
    flat = np.zeros((4, 4))
    thick = 2 if about != 2 else 1
    rest = [axis for axis in range(3) if axis != thick]
    flat[rest[0], 0], flat[rest[1], 1], flat[thick, 2], flat[3, 3] = 1.4, 1.4, 8, 1
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, other = (axis for axis in range(3) if axis != about)
    turn = np.eye(4)
    turn[[one, other, one, other], [one, other, other, one]] = c, c, -s, s
    return np.asarray(turn @ flat)


def heart(number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A ring beside the middle, so that no mirror image is like it."""
    rows, columns, _ = np.indices(SHAPE)
    away = np.hypot(rows - 7, columns - 9)
    truth = ((away < 5).astype(np.uint8) + (away < 3)) * (rows < 9 + columns // 4)
    noise = np.random.default_rng(number).normal(0, 8, SHAPE)
    return (60 * truth + 3 * columns + noise).astype(np.float32), truth.astype(np.uint8)


def cohort(root: Path, turns: list[tuple[int, float]]) -> Path:
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    for number, turn in enumerate(turns):
        image, truth = heart(number)
        for name, values in (
            (f"imagesTr/c{number:02}_0000", image),
            (f"labelsTr/c{number:02}", truth),
        ):
            file = nib.Nifti1Image(values, placed(*turn))
            file.to_filename(root / f"{name}.nii.gz")
    about = {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "core": 1, "shell": 2},
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(about))
    return root


def training_of(root: Path, axis: int | None = None, **labels: Any) -> Training:
    found = read_dataset(root)
    split = split_cases(found, None)
    return read_training(found, split, Labels(**labels), axis=axis, unlabelled=False)


@pytest.mark.parametrize("turn", TURNS)
def test_every_volume_is_sliced_along_its_thick_axis(
    tmp_path: Path, turn: tuple[int, float]
) -> None:
    about, degrees = turn
    turns = [turn, (about, degrees + 20), (about, degrees - 20), (about, 0)]
    training = training_of(cohort(tmp_path / "d", turns))
    assert training.slices == COARSEST
    assert training.labelled_slices == 4 * SHAPE[2]
    for entry in training.volumes:
        assert entry.volume.spacing[entry.volume.axis] == pytest.approx(8)
    few = training_of(tmp_path / "d", slices=4)
    assert few.labelled_slices == 4
    plan = resolve(request(volumes=training.volumes), on_cpu=True)
    assert plan.axes[0].inputs.pixel == pytest.approx((1.4, 1.4))
    assert not plan.axes[0].notes, "no volume is odd"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_axis_that_is_asked_for_is_one_of_each_files_array(
    tmp_path: Path, axis: int
) -> None:
    training = training_of(cohort(tmp_path / "d", TURNS[:6]), axis)
    assert training.slices == SliceAxis("file", axis)
    for entry in training.volumes:
        order = entry.volume.source.to_volume_order(np.empty(SHAPE)).shape
        assert order == entry.volume.shape
        moved = np.zeros(SHAPE)
        moved[(slice(1),) * axis + (slice(None),) + (slice(1),) * (2 - axis)] = 1
        along = entry.volume.source.to_volume_order(moved)
        assert along.any(axis=tuple({0, 1, 2} - {entry.volume.axis})).all()


def predictions(model: Path, root: Path, out: Path) -> list[NDArray[Any]]:
    *_, report = predict_files(
        FilePrediction(model, root, out, confidence=True, device="cpu")
    )
    assert isinstance(report, dict)
    return [np.asarray(nib.load(path).dataobj) for path in report["files"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("axis", "neighbours"), [(None, 0), (None, 1), (0, 0)])
def test_patients_on_either_side_of_a_diagonal_are_predicted_alike(
    tmp_path: Path, axis: int | None, neighbours: int
) -> None:
    """Voxel by voxel as their voxels are: in which order they are read is no matter."""
    training = training_of(cohort(tmp_path / "d", TURNS), axis)
    model, _ = run(
        request(
            volumes=training.volumes,
            slices=training.slices,
            neighbours=neighbours,
            budget=Budget(steps=6),
        )
    )
    save_model(tmp_path / "m", model)
    loaded = load_model(tmp_path / "m")
    assert loaded.card == model.card
    image, _ = heart(99)
    (tmp_path / "two").mkdir()
    for about in (0, 2):
        for degrees in (44.99, 45.01, 134.99, 135.01):
            file = nib.Nifti1Image(image, placed(about, degrees))
            file.to_filename(tmp_path / "two" / f"{about}-{degrees}.nii.gz")
    names = sorted((tmp_path / "two").glob("*.nii.gz"))
    assert len({read_volume(path).source.orientation for path in names}) > 2
    found = predictions(tmp_path / "m", tmp_path / "two", tmp_path / "out")
    for first in range(0, len(found), 4):  # a pair has two masks, two confidences
        labels, sure, other, theirs = found[first : first + 4]
        assert len(np.unique(sure)) > 100
        assert (other == labels).mean() > 0.999
        assert np.abs(theirs - sure).max() < 0.01
