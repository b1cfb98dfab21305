"""napari's reader: all channels of a file come as layers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Layer
from napari.layers._source import Source
from napari.utils.notifications import notification_manager

from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.plugin.reader import get_reader, read
from napari_contrastseg.ui.viewer.image_layers import volume_from
from napari_contrastseg.ui.viewer.unopened import WAITING
from napari_contrastseg.ui.widgets.work_bar import WorkState
from tests.kit import nifti

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.ui.workspace import Workspace


def test_each_channel_of_a_file_is_a_layer(tmp_path: Path) -> None:
    channels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    path = tmp_path / "two.tif"
    stored = channels.swapaxes(0, 1)  # ImageJ's order is z, c, y, x
    tifffile.imwrite(path, stored, imagej=True, metadata={"axes": "ZCYX"})
    reader = get_reader(str(path))
    assert reader is not None
    made = reader([str(path)])
    assert len(made) == 2
    layers = []
    for channel, (data, about, kind) in zip(channels, made, strict=True):
        assert kind == "image"
        assert np.array_equal(data, channel)
        layers.append(Image(data, **about))
    volume = volume_from(layers, "two")
    assert np.array_equal(np.stack(volume.data), channels)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([0, 1, 2]), "labels"),
        (np.array([0.0, 1.0]), "labels"),
        (np.array([0, 255]), "labels"),
        (np.array([0, 0.5, 1.0]), "image"),
        (np.array([3, 4, 5]), "image"),
        (np.arange(40), "image"),
        (np.array([0, 0, 0]), "image"),
        (np.array([0.0, np.nan, 1.0]), "image"),
    ],
)
def test_a_mask_opens_as_labels_and_an_image_as_an_image(
    values: np.ndarray, kind: str, tmp_path: Path
) -> None:
    stored = np.resize(values, (6, 7, 8)).astype(np.float32)
    path = tmp_path / "a.nii.gz"
    nib.Nifti1Image(stored, np.eye(4)).to_filename(path)
    ((data, _, found),) = read(str(path))
    assert found == kind
    assert np.array_equal(np.unique(data), np.unique(stored), equal_nan=True)


def test_a_mask_stands_behind_the_image_and_is_taken_in_its_place(
    workspace: Workspace, data: DataController, tmp_path: Path
) -> None:
    """The mask's file is opened first, and by another reader once more."""
    sample = phantom(0)
    image = np.asarray(sample.volume.data[0]).T
    for name, values in (("truth", sample.truth.T.astype(np.float64)), ("t1", image)):
        path = tmp_path / f"{name}.nii.gz"
        nib.Nifti1Image(values, np.diag([1.0, 1, 3, 1])).to_filename(path)
        for made in read(str(path)):
            workspace.viewer.add_layer(Layer.create(*made))
    workspace.viewer.add_image(sample.truth, name="case_seg")
    workspace.viewer.layers.move(2, 0)
    assert data.state().images == ("t1", "case_seg")
    assert data.state().masks[:2] == ("case_seg", "truth")
    data.add_image(0)
    (record,) = workspace.session.records.values()
    data.masks.take_free(data.state().masks.index("truth"), True)
    workspace.work.finish()
    want = np.sort(np.unique(sample.truth, return_counts=True)[1])
    assert np.array_equal(np.sort(np.unique(record.ink, return_counts=True)[1]), want)
    turns = [np.flip(sample.truth, axis) for axis in ((), 1, 2, (1, 2))]
    assert any(np.array_equal(record.ink, turned) for turned in turns)


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two packed files beyond what memory may hold."""
    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    rng = np.random.default_rng(0)
    return [
        nifti.save(
            tmp_path / f"{name}.nii.gz",
            rng.integers(0, 99, (64, 64, 40)).astype(np.int16),
            np.eye(4),
        )
        for name in ("one", "two")
    ]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Unpacking goes on until this is set."""
    go = threading.Event()

    def wait_first(part: float | None = None) -> None:
        went_on(part)
        while not go.wait(0.01):
            went_on(part)

    monkeypatch.setattr("napari_contrastseg.io.lazy_image.went_on", wait_first)
    yield go
    go.set()


@pytest.fixture
def dock(workspace: Workspace) -> Iterator[DataController]:
    """Step Data, which opens what takes long."""
    made = DataController(workspace)
    WAITING.join(workspace.viewer, made.ask_and_open)
    yield made
    WAITING.leave(workspace.viewer)


def said() -> list[str]:
    """Return the notifications."""
    return [str(one.message) for one in notification_manager.records]


def test_what_is_unpacked_is_said_before_and_the_window_answers(
    workspace: Workspace,
    dock: DataController,
    packed: list[Path],
    slow: threading.Event,
    qtbot: QtBot,
) -> None:
    before = len(said())
    assert read([str(path) for path in packed]) == [(None,)], "nothing yet"
    assert not dock.free_images()
    (words,) = said()[before:]
    assert words.startswith("one.nii.gz is packed as a whole: its 0 MB are unpacked")
    now: list[Any] = []
    workspace.work.shown.connect(lambda state: now.append(state and state.words))
    qtbot.waitUntil(lambda: "Unpacking one.nii.gz" in now, timeout=60_000)
    assert not workspace.viewer.layers
    slow.set()
    qtbot.waitUntil(lambda: len(dock.free_images()) == 2, timeout=60_000)
    for path, layer in zip(packed, dock.free_images(), strict=True):
        assert layer.name == path.name.removesuffix(".nii.gz")
        theirs = np.asarray(nifti.load(path).dataobj).T
        assert np.array_equal(np.sort(np.ravel(layer.data)), np.sort(theirs.ravel()))


def test_unpacking_is_cancelled_and_nothing_is_opened(
    workspace: Workspace,
    dock: DataController,
    packed: list[Path],
    slow: threading.Event,
) -> None:
    read(str(packed[0]))
    workspace.work.cancel()
    workspace.work.finish()
    assert said()[-1] == "one.nii.gz was not opened."
    assert not dock.free_images()
    assert not slow.is_set()


def test_without_a_dock_it_is_said_and_done(packed: list[Path]) -> None:
    (made,) = read(str(packed[0]))
    assert "is packed as a whole" in said()[-1]
    assert made[0].shape == (40, 64, 64)


def test_what_memory_holds_is_read_without_a_word(
    dock: DataController, packed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MEMORY_VARIABLE)
    before = len(said())
    (made,) = read(str(packed[0]))
    assert made[0].shape == (40, 64, 64)
    assert len(said()) == before
    assert not dock.free_images()


def test_a_packed_file_of_another_reader_is_unpacked_while_the_window_answers(
    workspace: Workspace,
    dock: DataController,
    packed: list[Path],
    slow: threading.Event,
    qtbot: QtBot,
) -> None:
    image = np.asarray(nifti.load(packed[0]).dataobj)
    layer = workspace.viewer.add_image(image, name="theirs")
    layer._source = Source(path=str(packed[0]), reader_plugin="another")
    dock.add_layers([layer])
    assert said()[-1].startswith("one.nii.gz is packed as a whole")
    qtbot.waitUntil(lambda: workspace.work.now == WorkState("Unpacking theirs", 0.0))
    assert not workspace.session.records
    slow.set()
    qtbot.waitUntil(lambda: "theirs" in workspace.session.records, timeout=60_000)
    (record,) = workspace.session.records.values()
    assert record.volume.anatomical, "it knows what its file says"
