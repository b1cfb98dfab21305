"""Strokes in layers that are not the session's are said, once a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.ui.data.other_labels import OtherLabels
from tests.kit.window import said

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


def stroke(layer: Labels) -> None:
    with layer.block_history():
        layer.paint((1, 2, 3), 1)


@pytest.mark.parametrize("before", [True, False])
def test_a_layer_of_naparis_own_is_named_once(
    workspace: Workspace, before: bool
) -> None:
    def new_labels() -> Labels:
        return workspace.viewer.add_labels(np.zeros((4, 5, 6), np.uint8))

    layer = new_labels() if before else None
    other = OtherLabels(workspace)
    layer = layer or new_labels()
    heard = len(notification_manager.records)
    stroke(layer)
    assert said().startswith("Labels: this layer is not part of the session")
    assert "add the image in step Data" in said()
    stroke(layer)
    assert len(notification_manager.records) == heard + 1
    other.close()
    stroke(new_labels())
    assert len(notification_manager.records) == heard + 1


def test_a_session_s_own_layer_is_painted_in_silence(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    other = OtherLabels(workspace)
    name = add(sample)
    ink = workspace.registry.layer(name, "ink")
    heard = len(notification_manager.records)
    stroke(ink)
    assert len(notification_manager.records) == heard
    stroke(workspace.viewer.add_labels(np.zeros((4, 5, 6), np.uint8)))
    assert f"{name}'s layer of ink" in said()
    other.close()
