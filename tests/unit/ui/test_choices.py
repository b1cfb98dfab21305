"""What step Data asks or says of images before it adds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from PIL import Image as Picture

from tests.kit.every_format import CASES, GREY
from tests.kit.window import said

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace


def answer(workspace: Workspace, words: str) -> str:
    """Click what begins with these words; gives the question."""
    notice = workspace.questions.waiting
    assert notice is not None
    every = (*notice.answers, *notice.items)
    (number,) = (i for i, text in enumerate(every) if text.startswith(words))
    workspace.questions.answer(number)
    return notice.text


@pytest.mark.parametrize("words", ["Neighbouring", "Unrelated"])
def test_pictures_that_napari_stacked_are_not_taken_for_neighbours_in_silence(
    workspace: Workspace, data: DataController, tmp_path: Path, words: str
) -> None:
    first = tmp_path / "1.png"
    Picture.fromarray(np.arange(99, dtype=np.uint8).reshape(9, 11)).save(first)
    stack = np.arange(297, dtype=np.int16).reshape(3, 9, 11)
    layer = workspace.viewer.add_image(stack, name="all")
    layer._source = layer.source.model_copy(update={"path": str(first)})
    data.add_layers([layer])
    assert not workspace.session.records
    assert "pictures from several files" in answer(workspace, words)
    (record,) = workspace.session.records.values()
    assert record.volume.kind == ("stack" if words == "Unrelated" else "volume")
    assert data.state().unrelated == (words == "Unrelated")


def test_axes_of_length_one_are_dropped_and_their_place_kept(
    workspace: Workspace, data: DataController
) -> None:
    stack = np.random.default_rng(0).random((4, 9, 11)).astype(np.float32)
    units = ("s", "um", "pixel", "um", "um")
    layer = workspace.viewer.add_image(
        stack[None, :, None],
        name="a",
        scale=(9, 4, 7, 0.5, 0.5),
        translate=(5, 40, 3, 20, 10),
        units=units,
    )
    data.add_layers([layer])
    (record,) = workspace.session.records.values()
    volume = record.volume
    assert np.array_equal(volume.data[0], stack)
    assert volume.spacing == pytest.approx((4e-3, 0.5e-3, 0.5e-3))
    assert volume.source.unit == "mm"
    assert volume.affine[:3, 3] == pytest.approx((-10e-3, -20e-3, 40e-3))
    ink = workspace.registry.layer("a", "ink")
    assert ink is not None
    assert ink.data.shape == stack.shape
    assert not layer.visible


@pytest.mark.parametrize(
    ("scale", "words"),
    [((1, 1, 1), "no voxel size is known"), ((4, 1, 1), "no unit of its voxel size 4")],
)
def test_lengths_in_pixels_are_not_said_to_be_mm(
    workspace: Workspace, data: DataController, scale: tuple[float, ...], words: str
) -> None:
    stack = np.random.default_rng(0).random((4, 9, 11))
    data.add_layers([workspace.viewer.add_image(stack, name="a", scale=scale)])
    assert words in said()
    (record,) = workspace.session.records.values()
    assert record.volume.source.unit == "pixel"
    assert record.volume.spacing == pytest.approx(scale)
    count = len(notification_manager.records)
    millimetres = ("mm",) * 3
    data.add_layers([workspace.viewer.add_image(stack, name="b", units=millimetres)])
    assert len(notification_manager.records) == count
    assert workspace.session.records["b"].volume.source.unit == "mm"


def test_what_is_declined_is_not_opened(
    workspace: Workspace, data: DataController, tmp_path: Path
) -> None:
    path = CASES["TIFF of two images"].make(tmp_path)
    layer = workspace.viewer.add_image(GREY[:4], name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    for words in ("Leave it", "image 1"):
        data.add_layers([layer])
        assert not workspace.session.records
        assert answer(workspace, words).startswith("a.tif: holds more than one image")
    (record,) = workspace.session.records.values()
    assert record.volume.id == "a image 1"
    assert np.array_equal(record.volume.data[0], GREY)


def test_a_file_that_has_gone_since_it_was_asked_about_is_said_to_have(
    workspace: Workspace, data: DataController, tmp_path: Path
) -> None:
    path = CASES["TIFF of two images"].make(tmp_path)
    layer = workspace.viewer.add_image(GREY[:4], name="a")
    layer._source = layer.source.model_copy(update={"path": str(path)})
    data.add_layers([layer])
    path.unlink()
    answer(workspace, "image 1")
    assert "a.tif: there is no such file" in said()
    assert not workspace.session.records


@pytest.mark.parametrize(
    ("words", "channels", "kept"),
    [("all 2", 2, [0, 1]), ("position 1", 1, [1]), ("Leave", 0, [])],
)
def test_an_array_of_four_axes_is_split_as_a_person_says(
    workspace: Workspace, data: DataController, words: str, channels: int, kept: Any
) -> None:
    both = np.random.default_rng(0).random((2, 5, 12, 14))
    layer = workspace.viewer.add_image(
        both, name="a", scale=(1, 3, 0.5, 0.5), translate=(0, 7, 8, 9), units="mm"
    )
    data.add_layers([layer])
    text = answer(workspace, words)
    assert text.startswith("a: has 4 dimensions")
    volumes = [record.volume for record in workspace.session.records.values()]
    assert sum(len(volume.data) for volume in volumes) == channels
    for volume in volumes:
        assert volume.shape == (5, 12, 14)
        assert np.array_equal(np.stack(volume.data), both[kept])
        assert np.allclose(volume.spacing, (3, 0.5, 0.5))
        assert np.allclose(volume.affine[:3, 3], (-9, -8, 7))
