"""Keys of the views: none that napari's viewer or Labels layer uses."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import pytest
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.notifications import notification_manager
from napari.utils.shortcuts import default_shortcuts

from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.data.empty_slice import MarkDone
from napari_contrastseg.ui.embedding.similar import FindSimilar
from napari_contrastseg.ui.keys import all_keys, help_text, view_keys
from napari_contrastseg.ui.review.controller import ReviewController
from napari_contrastseg.ui.review.queue_controller import QueueController
from napari_contrastseg.ui.views.views import Views
from napari_contrastseg.ui.workspace import Workspace

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from tests.unit.ui.conftest import Add

_OTHERS = ("points", "shapes", "vectors", "tracks", "surface", "plane", "image")


def test_no_key_of_a_view_is_napari_s_or_another_of_ours(workspace: Workspace) -> None:
    views = Views(workspace)
    mine = view_keys(views)
    data = create_autospec(DataController, instance=True)
    data.done = create_autospec(MarkDone, instance=True)
    others = all_keys(
        create_autospec(Workspace, instance=True),
        data,
        create_autospec(ReviewController, instance=True),
        create_autospec(QueueController, instance=True),
        create_autospec(FindSimilar, instance=True),
        lambda: None,
    )
    taken = {coerce_keybinding(entry.key) for entry in others}
    for action, keys in default_shortcuts.items():
        if not any(word in action for word in _OTHERS):
            taken |= {coerce_keybinding(key) for key in keys}
    assert not taken & {coerce_keybinding(entry.key) for entry in mine}
    for entry in mine:
        assert entry.words in help_text(mine)
    views.close()


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_volume_whose_layers_are_closed_is_not_shown_in_3d(
    workspace: Workspace, add: Add, sample: Sample, qtbot: QtBot, *, meanwhile: bool
) -> None:
    views = Views(workspace)
    notification_manager.records.clear()
    add(sample)
    if meanwhile:
        views.solid.toggle()
    workspace.viewer.layers.clear()
    if not meanwhile:
        views.solid.toggle()
    words = "none of its layers is open"
    said = notification_manager.records
    qtbot.waitUntil(lambda: any(words in note.message for note in said))
    assert not views.solid.is_shown
    views.close()
