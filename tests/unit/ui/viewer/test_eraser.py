"""The eraser on the ink layer: ink goes, and a proposal under it is corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QCoreApplication

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Origin
from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.viewer.eraser import under_brush
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.workspace import Workspace
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.samples.samples import Sample

NAME = "phantom_000"
INDEX = 8


@pytest.fixture
def workspace(qapp: object, sample: Sample) -> Iterator[Workspace]:
    """A round that proposes what the phantom is, and ink over a part of it."""
    del qapp
    viewer = ViewerModel()
    made = Workspace(viewer)
    image, about, _ = layer_for(sample.volume)
    DataController(made).add_layers([viewer.add_image(image, **about)])
    made.session.add_class()
    add_round(made.session, sample.truth)
    made.go_to(INDEX)
    yield made
    made.close()


def erase(workspace: Workspace, *places: tuple[int, int]) -> None:
    """Dab with the eraser, and let go of the mouse."""
    ink: Any = workspace.registry.layer(NAME, "ink")
    ink.brush_size = 9
    with ink.block_history():
        for place in places:
            ink.paint((INDEX, *place), 0)
    QCoreApplication.processEvents()


@pytest.mark.parametrize("size", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("scale", [(1, 1, 1), (3, 0.5, 1.5)])
@pytest.mark.parametrize("place", [(1, 8, 9), (1, 0.4, 18.7)])
def test_what_lies_under_the_brush_is_what_napari_paints(
    size: int, scale: tuple[float, ...], place: tuple[float, ...]
) -> None:
    layer = Labels(np.zeros((3, 17, 20), np.uint8), scale=scale)
    layer.brush_size = size
    layer.paint(place, 1)
    found = np.zeros(layer.data.shape, np.uint8)
    found[under_brush(layer, place, (1, 2))] = 1
    assert np.array_equal(found, layer.data)


def test_the_eraser_makes_a_proposal_background(
    workspace: Workspace, sample: Sample
) -> None:
    record = workspace.session.records[NAME]
    row, column = (int(i) for i in np.argwhere(sample.truth[INDEX] > 0)[0])
    proposed = record.prediction[INDEX].copy()
    erase(workspace, (row, column), (row, column + 3))
    corrected = record.ink[INDEX] == 255
    assert corrected.sum() > 20
    assert (proposed[corrected] > 0).all(), "only where something was proposed"
    assert not record.prediction[INDEX][corrected].any()
    assert set(np.unique(record.origin[INDEX])) == {0, Origin.CORRECTED}
    assert not record.ink[INDEX - 1].any()
    workspace.undo()
    assert not record.ink.any()
    assert np.array_equal(record.prediction[INDEX], proposed)


def test_ink_over_a_proposal_goes_first_and_hidden_proposals_stay(
    workspace: Workspace, sample: Sample
) -> None:
    record = workspace.session.records[NAME]
    place = tuple(int(i) for i in np.argwhere(sample.truth[INDEX] == 1)[0])
    where = np.zeros(sample.truth.shape, bool)
    where[(INDEX, *place)] = True
    painting.paint(workspace.session, NAME, where, 2)
    erase(workspace, (place[0], place[1]))
    assert record.ink[(INDEX, *place)] == 0
    assert record.prediction[(INDEX, *place)] == 1, "what was under it is back"
    assert (record.ink[INDEX] == 255).any()
    for _ in range(2):
        workspace.undo()
    workspace.registry.show_of_proposal(NAME, None)
    erase(workspace, (place[0], place[1]))
    assert not (record.ink == 255).any()


def test_a_picture_is_erased_too(qapp: object) -> None:
    del qapp
    viewer = ViewerModel()
    workspace = Workspace(viewer)
    pixels = np.asarray(phantom(0).volume.data[0])[INDEX]
    layer = viewer.add_image(pixels, name=NAME)
    DataController(workspace).add_layers([layer])
    record = workspace.session.records[NAME]
    add_round(workspace.session, np.ones(record.volume.shape, np.uint8))
    ink: Any = workspace.registry.layer(NAME, "ink")
    ink.brush_size = 5
    ink.paint((10, 12), 0)
    QCoreApplication.processEvents()
    assert (record.ink == 255).sum() == 21
    workspace.close()
