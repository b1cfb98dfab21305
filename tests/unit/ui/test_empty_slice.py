"""Key D on a slice without labels: asked about each time, D again is yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from tests.kit.window import said

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.volume_record import VolumeRecord
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


@pytest.fixture
def record(workspace: Workspace, add: Add, sample: Sample) -> VolumeRecord:
    """A volume of which slice 6 is shown."""
    name = add(sample)
    workspace.go_to(6)
    return workspace.session.records[name]


def asked(workspace: Workspace) -> str:
    """Return the question that waits."""
    waiting = workspace.questions.waiting
    return "" if waiting is None else waiting.text


def test_a_slice_with_labels_is_done_at_once(
    workspace: Workspace, data: DataController, record: VolumeRecord
) -> None:
    where = np.zeros(record.volume.shape, bool)
    where[6, 3, 4] = True
    painting.paint(workspace.session, record.volume.id, where, 1)
    data.done.press()
    assert record.status[6] == Status.DONE
    data.done.press()
    assert record.status[6] == Status.SPARSE
    assert not asked(workspace)


@pytest.mark.parametrize("by_key", [False, True])
def test_an_empty_slice_is_asked_about_each_time(
    workspace: Workspace, data: DataController, record: VolumeRecord, by_key: bool
) -> None:
    data.done.press()
    assert "Nothing is labelled on slice 6" in asked(workspace)
    assert record.status[6] == Status.UNTOUCHED
    if by_key:
        data.done.press()
    else:
        workspace.questions.answer(0)
    assert record.status[6] == Status.DONE
    assert not asked(workspace)
    workspace.next_slice()
    data.done.press()
    assert record.status[7] == Status.UNTOUCHED, "as the one before"
    assert "Nothing is labelled on slice 7" in asked(workspace)
    assert "press A" not in asked(workspace), "nothing is proposed"
    workspace.replace(Session())
    assert not asked(workspace)
    data.done.press()


def test_what_was_left_is_asked_again(
    workspace: Workspace, data: DataController, record: VolumeRecord
) -> None:
    data.done.press()
    workspace.questions.answer(1)
    assert not record.status.any()
    data.done.press()
    assert asked(workspace)
    workspace.go_to(5)
    assert not asked(workspace), "it was about another slice"
    data.done.press()
    assert "slice 5" in asked(workspace)
    assert not record.status.any()


def test_nothing_is_marked_that_is_not_on_the_screen(
    workspace: Workspace, data: DataController, record: VolumeRecord
) -> None:
    """Neither the slice nearest to the slider, nor one of a volume without layers."""
    layers = workspace.viewer.layers
    larger = workspace.viewer.add_image(np.zeros((200, 4, 4)))
    workspace.viewer.dims.set_point(0, 150)
    data.done.press()
    data.lock_slice(locked=True)
    assert "the view shows no slice" in said()
    assert not asked(workspace)
    layers.remove(larger)
    for layer in [one for one in layers if workspace.registry.owner(one)]:
        layers.remove(layer)
    data.done.press()
    assert "choose it at the top of the dock" in said()
    assert not asked(workspace)
    assert not record.status.any()
    assert not record.locked.any()
