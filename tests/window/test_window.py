"""Smaller stories that need the real window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox

from napari_contrastseg.io.images import read_labels
from napari_contrastseg.session import painting
from napari_contrastseg.ui.session_controller import SessionController
from tests.kit.window import NAME

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample


pytestmark = pytest.mark.viewer


def test_the_docks_own_x_loses_nothing(
    loaded: tuple[Any, Any, Sample], monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    answers = [QMessageBox.StandardButton.Cancel]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers[-1])
    monkeypatch.setattr(SessionController, "at_risk", True)
    dock = widget.parentWidget()
    monkeypatch.setattr(widget, "_title", dock.windowTitle())  # set once it is shown
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: widget.parentWidget() is not None, timeout=60_000)
    assert widget.parentWidget() is not dock
    widget.class_controller.add_class()
    assert len(widget.workspace.session.classes) == 3
    answers.append(QMessageBox.StandardButton.Discard)
    widget.parentWidget().destroyOnClose()
    qtbot.waitUntil(lambda: widget._closed, timeout=60_000)
    del viewer


@pytest.mark.slow
def test_both_themes(window: tuple[Any, Any]) -> None:
    viewer, widget = window
    for theme in ("light", "dark"):
        viewer.theme = theme
    assert widget.isEnabled()


def test_napari_writes_our_layers_with_their_geometry_and_opens_our_samples(
    loaded: tuple[Any, Any, Sample], tmp_path: Path
) -> None:
    viewer, widget, sample = loaded
    registry, session = widget.workspace.registry, widget.workspace.session
    where = np.zeros(sample.truth.shape, bool)
    where[3, 3, :4] = True
    painting.paint(session, NAME, where, 255)
    path = tmp_path / "ink.nii.gz"
    registry.layer(NAME, "ink").save(str(path), plugin="napari-contrastseg")
    back = read_labels(path)
    assert back.same_place(session.records[NAME].volume)
    assert np.allclose(back.spacing, sample.volume.spacing)
    assert set(np.unique(back.data[0])) == {0, 1, 2}, "255 is background"
    viewer.layers.clear()
    viewer.open_sample("napari-contrastseg", "phantoms")
    assert len(viewer.layers) == 6
