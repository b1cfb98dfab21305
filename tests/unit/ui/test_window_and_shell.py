"""A model trained in the window predicts the same file from the shell alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
import torch
from napari.layers import Image
from PIL import Image as Picture

from napari_contrastseg.io.images import read_volume
from napari_contrastseg.learning.models.model import save_model
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.dataset import FilePrediction, predict_files
from napari_contrastseg.ui.learn.requests import freeze
from napari_contrastseg.ui.plugin.reader import read
from tests.kit.training import SMALL, run, whole_prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's

Made = tuple["Path", "list[NDArray[Any]]"]
TURN = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
RNG = np.random.default_rng(0)
GREY = (RNG.random((6, 20, 24)) * 40 + 50).astype(np.uint8)
GREY[:, 5:12, 6:15] += 90


def nifti(folder: Path, matrix: NDArray[np.float64]) -> Made:
    affine = np.eye(4)
    affine[:3, :3] = matrix
    values = GREY.transpose(2, 1, 0)
    nib.Nifti1Image(values, affine).to_filename(folder / "a.nii.gz")
    return folder / "a.nii.gz", [values, GREY]


def tiff(folder: Path, **how: Any) -> Made:
    tifffile.imwrite(folder / "a.tif", GREY, **how)
    return folder / "a.tif", [GREY]


def fiji(folder: Path) -> Made:
    about = {"spacing": 0.3, "unit": "um", "axes": "ZYX"}
    return tiff(folder, imagej=True, resolution=(10, 10), metadata=about)


def fiji_channels(folder: Path) -> Made:
    both = np.stack([GREY, GREY[::-1]], axis=1)
    about = {"spacing": 2.0, "unit": "mm", "axes": "ZCYX"}
    path = folder / "a.tif"
    tifffile.imwrite(path, both, imagej=True, resolution=(1, 1), metadata=about)
    return path, [both]


def picture(folder: Path, planes: NDArray[Any]) -> Made:
    Picture.fromarray(planes).save(folder / "a.png")
    return folder / "a.png", [planes]


MAKE: dict[str, Callable[[Path], Made]] = {
    "NIfTI, LPS, thick": lambda f: nifti(f, np.diag([-1.0, -1, 4])),
    "NIfTI, oblique, thick": lambda f: nifti(f, TURN @ np.diag([1.0, 1.3, 4])),
    "NIfTI, thick along its second axis": lambda f: nifti(f, np.diag([1.0, 3, 1])),
    "NIfTI, sagittal": lambda f: nifti(f, np.diag([1.0, 1, 3])[:, [1, 2, 0]]),
    "TIFF, no unit": lambda f: tiff(f, photometric="minisblack"),
    "TIFF of Fiji, micrometres": fiji,
    "TIFF of Fiji, channels": fiji_channels,
    "PNG, grey": lambda f: picture(f, GREY[0]),
    "PNG, colours": lambda f: picture(f, np.stack([GREY[0], GREY[1], GREY[2]], -1)),
}


def opened(path: Path, values: NDArray[Any] | None) -> Sequence[Image]:
    """Layers of our reader, or one as another reader makes it."""
    if values is None:
        return [Image(data, **about) for data, about, _ in read(str(path))]
    colours = values.ndim == 3 and values.shape[-1] == 3
    layer = Image(values, name="a", rgb=colours)
    layer._source = layer.source.model_copy(update={"path": str(path)})
    return [layer]


def label(workspace: Workspace) -> None:
    """Mark two slices done, with a box in each."""
    session = workspace.session
    (record,) = session.records.values()
    for index in {0, len(record.status) - 1}:
        where = np.zeros(record.volume.shape, bool)
        plane = np.moveaxis(where, record.axis, 0)[index]
        plane[2 : len(plane) // 2, 2 : plane.shape[1] // 2] = True
        painting.paint(session, record.volume.id, where, 1)
        painting.mark(session, record.volume.id, index, Status.DONE)


def balance(model: Model, volume: Volume) -> None:
    """Let a network that has hardly learned find both classes."""
    found = whole_prediction(model, volume, torch.device("cpu"))
    sure = found.confidence.astype(np.float64)
    half = float(np.median(np.where(found.labels > 0, sure, 1 - sure)))
    bias = model.network.state_dict()["classifier.bias"]
    bias[1] += np.log((1 - half) / half)


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("reader", ["ours", "as stored", "turned round"])
def test_window_and_shell_say_the_same_of_a_file(
    workspace: Workspace, data: DataController, tmp_path: Path, kind: str, reader: str
) -> None:
    path, shown = MAKE[kind](tmp_path)
    ways = dict(zip(("as stored", "turned round"), shown, strict=False))
    if reader != "ours" and reader not in ways:
        pytest.skip("other readers show it in one order")
    layers = opened(path, ways.get(reader))
    for layer in layers:
        workspace.viewer.add_layer(layer)
    data.add_layers(layers)
    label(workspace)
    (record,) = workspace.session.records.values()
    theirs = read_volume(path)
    assert record.axis == theirs.axis
    assert record.volume.spacing == pytest.approx(theirs.spacing)
    asked = freeze(workspace.session, "fine-tune", None)
    settings = replace(recipe_named("supervised").presets["sound"], network=SMALL)
    asked = replace(asked, settings=settings, budget=Budget(steps=4), device="cpu")
    model, _ = run(asked)
    balance(model, record.volume)
    here = whole_prediction(model, record.volume, torch.device("cpu"))
    save_model(tmp_path / "model", model)
    *_, report = predict_files(
        FilePrediction(tmp_path / "model", path, tmp_path / "out", device="cpu")
    )
    assert isinstance(report, dict)
    (written,) = report["files"]
    assert 0.3 < (here.labels > 0).mean() < 0.7
    there = read_volume(tmp_path / "out" / written)
    assert np.array_equal(there.data[0], here.labels)
