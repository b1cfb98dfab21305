"""Proposals in the dock: corrected in either layer, accepted, freed of specks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.kit.rounds import add_round
from tests.kit.window import NAME, add_phantom

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample


def test_an_edit_of_either_layer_becomes_ink(
    loaded: tuple[Any, Any, Sample], qtbot: QtBot
) -> None:
    _, widget, sample = loaded
    add_round(widget.workspace.session, sample.truth)
    record = widget.workspace.session.records[NAME]
    widget.workspace.go_to(7)
    for column, kind in ((0, "pseudo"), (1, "prediction")):
        layer = widget.workspace.registry.layer(NAME, kind)
        layer.data_setitem(tuple(np.array([i]) for i in (7, 0, column)), 2)
        qtbot.wait(20)
        assert record.ink[7, 0, column] == 2


def test_specks_leave_the_screen_once_the_labels_are_one_piece(
    docked: tuple[Any, Any], qtbot: QtBot
) -> None:
    viewer, widget = docked
    sample = add_phantom(viewer, widget)
    session = widget.workspace.session
    labels = (sample.truth > 0).astype(np.uint8)
    labels[4, 0, 0] = 1
    # it knows the slices that are accepted below: nothing is interpolated
    add_round(session, labels, settled=(7, 9))
    record = session.records[NAME]
    assert record.prediction[4, 0, 0] == 1
    for index in (7, 9):
        widget.workspace.go_to(index)
        widget.review_controller.accept_slice()
    qtbot.waitUntil(lambda: record.prediction[4, 0, 0] == 0, timeout=20_000)
    assert widget.review.no_specks.isChecked()
    assert "1 voxel of specks left out" in widget.review.sure_text.text()
    widget.review.no_specks.click()
    assert record.prediction[4, 0, 0] == 1
    widget.review_bar.undo.click()
    assert record.prediction[4, 0, 0] == 0
