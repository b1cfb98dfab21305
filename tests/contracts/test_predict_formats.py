"""Prediction of formats that are only read: one chosen, upright, masks in place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import SimpleITK

from napari_contrastseg import cli
from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice
from napari_contrastseg.learning.models.model import save_model
from napari_contrastseg.ui.plugin import reader
from napari_contrastseg.ui.viewer.layer_files import VOLUME_KEY
from tests.kit.ome_zarr import STACK, write
from tests.kit.places import itk_image
from tests.kit.rounds import a_model

if TYPE_CHECKING:
    from pathlib import Path


def predict(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *words: object,
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["contrastseg", "predict", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


def scan(folder: Path, number: int, gaps: list[float]) -> Path:
    """A series of ITK's, a file a slice."""
    folder.mkdir(exist_ok=True)
    plane = np.random.default_rng(0).integers(0, 999, (24, 32)).astype(np.int16)
    for k, z in enumerate(np.cumsum([0.0, *gaps])):
        path = folder / f"{number}-{k}.dcm"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(plane[None] + k), str(path))
        one = pydicom.dcmread(path)
        one.SeriesInstanceUID, one.SeriesNumber = f"1.2.{number}", number
        one.SOPInstanceUID = f"1.2.{number}.{k}"
        one.ImagePositionPatient, one.ImageOrientationPatient = (
            [0, 0, z],
            [1, 0, 0, 0, 1, 0],
        )
        one.PixelSpacing = [1, 1]
        one.save_as(path)
    return folder


def test_a_series_is_chosen_and_set_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    save_model(model, a_model())
    folder = scan(scan(tmp_path / "scan", 1, [2, 2, 2, 2]), 2, [2, 2, 4, 4])
    status, said = predict(monkeypatch, capsys, model, folder, "--out", out)
    assert status == 2
    assert "'series 1' (" in said
    assert "--part 'series 1'" in said
    assert said.count("\n") == 1
    words = (model, folder, "--out", out, "--part", "series 2")
    status, said = predict(monkeypatch, capsys, *words)
    assert status == 2
    assert "unevenly spaced, 2 or 4 mm apart" in said
    assert not out.exists()
    status, _ = predict(monkeypatch, capsys, *words, "--upright")
    assert status == 0
    mask = SimpleITK.ReadImage(str(out / "scan.nii.gz"))
    wanted = images.read_volume(folder, choice=Choice("series 2", upright=True))
    assert mask.GetSize() == (32, 24, 7)
    assert np.allclose(mask.GetSpacing(), (1, 1, 2))
    corner = np.array(mask.TransformIndexToPhysicalPoint((0, 0, 0))) * (-1, -1, 1)
    inside = np.linalg.inv(wanted.affine) @ [*corner, 1]
    assert np.abs(inside[:3] - inside[:3].round()).max() < 0.01


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".mha", ".hdr", ".zarr", "dicom"])
def test_window_and_shell_read_the_same(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".zarr":
        write(path)
    elif ending == "dicom":
        scan(path, 1, [2, 2])
    else:
        SimpleITK.WriteImage(itk_image("oblique", STACK[0].astype(np.int16)), str(path))
    ours = images.read_volume(path)
    assert reader.get_reader(str(path)) is reader.read
    layers = reader.read(str(path))
    assert len(layers) == len(ours.data)
    for (_, about, _), channel in zip(layers, ours.data, strict=True):
        shown = about["metadata"][VOLUME_KEY]
        assert np.array_equal(shown.affine, ours.affine)
        assert shown.source == ours.source
        assert any(np.array_equal(channel, one) for one in shown.data)


def test_each_series_of_a_folder_is_a_layer(tmp_path: Path) -> None:
    folder = scan(scan(tmp_path / "scan", 1, [2, 2]), 2, [3, 3])
    names = [about["name"] for _, about, _ in reader.read(str(folder))]
    assert names == ["scan series 1", "scan series 2"]
    (tmp_path / "plain").mkdir()
    assert reader.get_reader(str(tmp_path / "plain")) is None
