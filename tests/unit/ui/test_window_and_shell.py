"""A model trained in the window predicts the same file from the shell alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
import torch
from napari.layers import Image, Layer
from PIL import Image as Picture

from napari_contrastseg.io.choice import EVERYTHING, Choice
from napari_contrastseg.io.formats import catalogue, format_of
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.learning.models.model import save_model
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.events import Note
from napari_contrastseg.tasks.file_prediction import FilePrediction, predict_files
from napari_contrastseg.ui.learn.requests import freeze
from napari_contrastseg.ui.plugin.reader import read
from napari_contrastseg.ui.viewer.unopened import WAITING
from tests.kit.every_format import CASES
from tests.kit.training import SMALL, run, whole_prediction
from tests.kit.window import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


def same_pictures(masks: Path, folder: Path, labels: NDArray[np.uint8]) -> None:
    """Each picture has a mask of its own name and size."""
    names = sorted(file.name for file in folder.iterdir())
    assert sorted(file.name for file in masks.iterdir()) == names
    for plane, name in zip(
        labels, sorted(names, key=lambda n: int(n[:-4])), strict=True
    ):
        mask = np.asarray(Picture.open(masks / name))
        assert mask.shape == np.asarray(Picture.open(folder / name)).shape
        assert np.array_equal(mask, plane[: len(mask), : mask.shape[1]])


def train_and_compare(workspace: Workspace, path: Path, choice: Choice) -> list[str]:
    """Train in the window's session; predict there, and the file from the shell.

    Returns
    -------
    What the shell said.
    """
    label(workspace)
    (record,) = workspace.session.records.values()
    asked = freeze(workspace.session, "fine-tune", None)
    sound = recipe_named("supervised").presets["sound"]
    settings = replace(sound, network=SMALL, batch=2)
    asked = replace(asked, settings=settings, budget=Budget(steps=2), device="cpu")
    model, _ = run(asked)
    balance(model, record.volume)
    here = whole_prediction(model, record.volume, torch.device("cpu"))
    folder = path.parent
    save_model(folder / "model", model)
    asked_for = FilePrediction(
        folder / "model", path, folder / "out", device="cpu", choice=choice
    )
    events = list(predict_files(asked_for))
    report = events[-1]
    assert isinstance(report, dict)
    (written,) = report["files"]
    assert 0.3 < (here.labels > 0).mean() < 0.7
    if Path(written).is_dir():
        same_pictures(Path(written), path, here.labels)
        return [event.text for event in events if isinstance(event, Note)]
    there = read_volume(Path(written))
    assert np.array_equal(there.data[0], here.labels)
    if there.source.file_format != "png":  # which holds none
        assert there.spacing == pytest.approx(record.volume.spacing)
    return [event.text for event in events if isinstance(event, Note)]


#: What other readers make of these is of all kinds: turned, with channels, of colours.
THEIRS = ("NIfTI, oblique, thick", "TIFF of Fiji, channels", "PNG, colours")


@pytest.mark.parametrize(
    ("kind", "reader"),
    [
        pytest.param(
            kind,
            reader,
            marks=() if reader == "ours" or kind in THEIRS else pytest.mark.slow,
        )
        for kind in MAKE
        for reader in ("ours", "as stored", "turned round")
        if reader != "turned round" or kind.startswith("NIfTI")
    ],
)
def test_window_and_shell_say_the_same_of_a_file(
    workspace: Workspace, data: DataController, tmp_path: Path, kind: str, reader: str
) -> None:
    path, shown = MAKE[kind](tmp_path)
    ways = dict(zip(("as stored", "turned round"), shown, strict=False))
    layers = opened(path, ways.get(reader))
    for layer in layers:
        workspace.viewer.add_layer(layer)
    data.add_layers(layers)
    (record,) = workspace.session.records.values()
    theirs = read_volume(path)
    assert record.axis == theirs.axis
    assert record.volume.spacing == pytest.approx(theirs.spacing)
    train_and_compare(workspace, path, EVERYTHING)


@pytest.fixture
def dock(workspace: Workspace, data: DataController) -> Iterator[DataController]:
    """Step Data, which asks about what is dropped."""
    WAITING.join(workspace.viewer, data.ask_and_open)
    yield data
    WAITING.leave(workspace.viewer)


def answer(workspace: Workspace, words: str) -> None:
    """Click what begins with these words."""
    notice = workspace.questions.waiting
    assert notice is not None
    every = (*notice.answers, *notice.items)
    (number,) = (i for i, text in enumerate(every) if text.startswith(words))
    workspace.questions.answer(number)
    workspace.work.finish()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if number % 3 else ())
        for number, kind in enumerate(CASES)
    ],
)
def test_every_format_is_the_same_in_window_and_shell(
    workspace: Workspace, dock: DataController, tmp_path: Path, kind: str
) -> None:
    case = CASES[kind]
    path = case.make(tmp_path)
    for made in read(str(path)):
        if made[0] is not None:
            workspace.viewer.add_layer(Layer.create(*made))
    for words in case.answers:
        answer(workspace, words)
    dock.add_layers(list(workspace.viewer.layers))
    (record,) = workspace.session.records.values()
    volume = record.volume
    assert volume.shape == case.shape
    assert len(volume.data) == case.channels
    assert volume.spacing == pytest.approx(case.spacing)
    upright = "Resample" in case.answers
    part = "".join(word for word in case.answers if word != "Resample")
    unrelated = path.is_dir() and volume.kind == "stack" and not part
    choice = Choice(part, upright=upright, unrelated=unrelated)
    said = train_and_compare(workspace, path, choice)
    assert not said


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "OME-TIFF without a size"])
def test_a_voxel_size_that_was_set_in_the_window_holds_in_the_shell(
    workspace: Workspace, data: DataController, tmp_path: Path, kind: str
) -> None:
    """Of 0.1 micrometre: at 1 mm the network's pixels would be 10,000 times smaller."""
    path = tmp_path / "a.ome.tif"
    if kind in CASES:
        path = CASES[kind].make(tmp_path)
    else:
        tifffile.imwrite(path, GREY, metadata={"axes": "ZYX"})
    data.add_layers(opened(path, None))
    data.set_voxel_size((0.3e-3, 0.1e-3, 0.1e-3))
    (said,) = train_and_compare(workspace, path, EVERYTHING)
    assert "0.3 x 0.1 x 0.1 µm is assumed, as a person said" in said
    assert "a person" in said


def test_the_voxel_size_can_be_given_in_the_shell(
    workspace: Workspace, data: DataController, tmp_path: Path
) -> None:
    path = CASES["TIFF of Fiji"].make(tmp_path)
    data.add_layers(opened(path, None))
    data.set_voxel_size((2.0, 1.0, 1.0))
    assert "its file says 0.4 x 0.1 x 0.1 µm" in said()
    choice = Choice(voxel_size=(2.0, 1.0, 1.0))
    assert not train_and_compare(workspace, path, choice)


def test_the_table_has_every_format(
    tmp_path: Path,
) -> None:
    found = set()
    for number, case in enumerate(CASES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        found.add(format_of(case.make(folder), as_one=True).name)
    assert found == set(catalogue()) - {"bioio"}, "it has a stand-in only"
