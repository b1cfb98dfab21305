"""Real DICOM scans through the whole loop: a tilted CT, an oblique MRI."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from scipy.ndimage import map_coordinates

from napari_contrastseg import cli
from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.learning.models.model import save_model
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.session import acceptance, painting
from napari_contrastseg.session.freeze import FrozenVolumes, frozen_classes
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.exports import Output, export_named
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.round import Trained, run_round
from tests.kit.models import untrained_model
from tests.kit.training import SMALL

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

LPS = np.array([-1.0, -1.0, 1.0])
#: Slices that are labelled, and the grey value from which they are.
PAINTED, LEVEL = (10, 30, 50), 40


@pytest.fixture
def scans(data_root: Path) -> Path:
    folder = data_root / "DICOM"
    if not folder.is_dir():
        pytest.skip("no DICOM scans among the real data")
    return folder


def slices_of(folder: Path) -> list[Any]:
    """The files of a series, along the normal of their slices; by pydicom alone."""
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    normal = np.cross(*np.reshape(files[0].ImageOrientationPatient, (2, 3)))
    return sorted(files, key=lambda f: float(normal @ np.array(f.ImagePositionPatient)))


def pixels_in_world(one: Any, step: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Some pixels of a slice: their places in mm, RAS+, and rescaled values."""
    along_row, along_column = np.reshape(one.ImageOrientationPatient, (2, 3))
    row, column = np.mgrid[20 : one.Rows - 20 : step, 20 : one.Columns - 20 : step]
    high, wide = (float(size) for size in one.PixelSpacing)
    where = (
        np.array(one.ImagePositionPatient, float)
        + column[..., None] * wide * along_row
        + row[..., None] * high * along_column
    )
    stored = one.pixel_array[row, column].astype(float)
    values = stored * float(one.RescaleSlope) + float(one.RescaleIntercept)
    return where.reshape(-1, 3) * LPS, values.ravel()


def alike(folder: Path, array: NDArray[Any], affine: NDArray[Any]) -> float:
    """Correlation of an array with the pixels that lie there in a series' files."""
    theirs, ours = [], []
    for one in slices_of(folder):
        world, values = pixels_in_world(one, 7)
        index = (np.c_[world, np.ones(len(world))] @ np.linalg.inv(affine).T)[:, :3]
        inside = ((index >= 0) & (index <= np.array(array.shape) - 1)).all(axis=1)
        theirs.append(values[inside])
        ours.append(map_coordinates(array, index[inside].T, float, order=1))
    return float(np.corrcoef(np.concatenate(theirs), np.concatenate(ours))[0, 1])


def test_a_tilted_scan_is_set_upright_where_its_pixels_lie(scans: Path) -> None:
    folder = scans / "ct_gantry_tilt"
    volume = read_volume(folder, choice=Choice(upright=True))
    array = np.asarray(volume.data[0])
    assert alike(folder, array, volume.affine) > 0.97
    straight = np.abs(volume.affine[:3, :3] / volume.spacing)
    assert np.allclose(np.sort(straight.ravel())[-3:], 1, atol=1e-6)
    # as if the tilt were not there, or the slices evenly spaced: seen by the oracle
    sheared = volume.affine.copy()
    sheared[1, 0] += volume.spacing[0] * np.tan(np.radians(18.5))
    assert alike(folder, array, sheared) < 0.9
    stretched = volume.affine.copy()
    stretched[:3, 0] *= 1.2
    assert alike(folder, array, stretched) < 0.9


def predict(
    words: list[Any], patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    patch.setattr(sys, "argv", ["contrastseg", "predict", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


def test_a_tilted_scan_is_predicted_upright_from_the_shell(
    scans: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = scans / "ct_gantry_tilt", tmp_path / "out"
    save_model(tmp_path / "model", untrained_model())
    words = [tmp_path / "model", folder, "--out", out, "--device", "cpu"]
    status, told = predict(words, monkeypatch, capsys)
    assert status == 2
    assert "tilted by 18.5 degrees (gantry tilt)" in told
    assert "unevenly spaced, 1.08, 4 or 7 mm apart" in told
    assert "--upright" in told
    assert not out.exists()
    status, _ = predict([*words, "--upright"], monkeypatch, capsys)
    assert status == 0
    mask = sitk.ReadImage(str(out / "ct_gantry_tilt.nii.gz"))
    turned = np.abs(np.array(mask.GetDirection()).reshape(3, 3))
    assert np.allclose(np.sort(turned.ravel())[-3:], 1, atol=1e-6)
    volume = read_volume(folder, choice=Choice(upright=True))
    assert sorted(mask.GetSize()) == sorted(volume.shape)
    corner = np.array(mask.TransformIndexToPhysicalPoint((0, 0, 0))) * LPS
    inside = (np.linalg.inv(volume.affine) @ [*corner, 1])[:3]
    ends = np.array(volume.shape) - 1
    assert np.abs(np.minimum(np.abs(inside), np.abs(inside - ends))).max() < 0.01


def a_round(session: Session) -> None:
    """Train a few steps, predict, and propose."""
    asked = TrainRequest(
        volumes=FrozenVolumes(session),
        classes=frozen_classes(session),
        slices=session.slices,
        recipe="supervised",
        settings=replace(
            settings_of(recipe_named("supervised"), "sound"), network=SMALL, batch=2
        ),
        budget=Budget(steps=3),
        device="cpu",
    )
    model, found = None, {}
    for event in run_round(resolve_here(asked)):
        if isinstance(event, Trained):
            model = event.model
        elif isinstance(event, Predicted):
            said = event.prediction
            found[event.volume_id] = Proposal(1, said.labels, said.confidence)
    assert model is not None
    session.add_round(
        Round(RoundInfo(1, "supervised", 3, 1.0), model, Proposals(found))
    )


@pytest.mark.slow
def test_an_oblique_scan_goes_through_the_whole_loop(
    scans: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Label, train, predict, accept, export; the shell predicts the same of it."""
    folder, session = scans / "mr_t1", Session()
    record = session.add_volume(read_volume(folder))
    head = session.add_class("head")
    bright = np.asarray(record.volume.data[0]) > LEVEL
    for index in PAINTED:
        where = np.zeros(bright.shape, bool)
        where[index] = bright[index]
        painting.paint(session, "mr_t1", where, head)
        painting.mark(session, "mr_t1", index, Status.DONE)
    a_round(session)
    assert record.proposal is not None
    predicted = record.proposal.prediction.copy()
    acceptance.accept(
        session, "mr_t1", record.flat_parts(31), label="accept slice", done=31
    )
    export = export_named("dicom_seg")
    options = replace(export.options, complete=False)
    (path,) = export.write(session, options, Output(tmp_path))
    check_segmentation(path, slices_of(folder), predicted[31] > 0)

    model, out = export_named("model"), tmp_path / "out"
    list(model.write(session, model.options, Output(tmp_path)))
    words = [tmp_path / "model", folder, "--out", out, "--device", "cpu"]
    assert predict(words, monkeypatch, capsys)[0] == 0
    mask = sitk.ReadImage(str(out / "mr_t1.nii.gz"))
    check_mask(mask, slices_of(folder), predicted)


def check_segmentation(
    path: Path, files: list[Any], accepted: NDArray[np.bool_]
) -> None:
    """What was painted equals the bright pixels of the very files it refers to."""
    found = highdicom.seg.segread(path)
    assert found.PatientID == files[0].PatientID
    by_slice = found.get_pixels_by_source_instance(
        [one.SOPInstanceUID for one in files],
        combine_segments=True,
        ignore_spatial_locations=True,
    )
    there = set(np.flatnonzero(by_slice.any(axis=(1, 2))).tolist())
    bright = {
        n
        for n in there
        if np.array_equal(by_slice[n] > 0, files[n].pixel_array > LEVEL)
    }
    step = np.unique(np.diff(sorted(bright)))
    assert len(bright) == len(PAINTED)
    assert step.tolist() == [20]
    (other,) = there - bright if accepted.any() else {None}
    middle = sorted(bright)[1]
    assert other in (None, middle - 1, middle + 1)
    if other is not None:
        assert by_slice[other].any(axis=0).sum() > 0
        assert (by_slice[other] > 0).sum() == accepted.sum()


def check_mask(mask: Any, files: list[Any], predicted: NDArray[np.uint8]) -> None:
    """The shell's mask is what the session proposed, on the slices of the files."""
    found = sitk.GetArrayFromImage(mask)
    assert sorted(np.bincount(found.ravel())) == sorted(np.bincount(predicted.ravel()))
    for one in (files[0], files[-1]):
        place = np.array(one.ImagePositionPatient, float)
        inside = np.array(mask.TransformPhysicalPointToContinuousIndex(place))
        ends = np.array(mask.GetSize()) - 1
        assert np.abs(np.minimum(np.abs(inside), np.abs(inside - ends))).max() < 0.1
