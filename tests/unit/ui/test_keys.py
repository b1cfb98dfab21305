"""Keys: they do not take napari's, and come and go with the dock."""

from __future__ import annotations

from typing import Any
from unittest.mock import create_autospec

import pytest
from napari.components import ViewerModel
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.data.empty_slice import MarkDone
from napari_contrastseg.ui.embedding.similar import FindSimilar
from napari_contrastseg.ui.keys import all_keys, help_text
from napari_contrastseg.ui.review.controller import ReviewController
from napari_contrastseg.ui.review.queue_controller import QueueController
from napari_contrastseg.ui.shortcuts import PLUGIN, Key, Shortcuts
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.workspace import Workspace

pytestmark = pytest.mark.usefixtures("qapp")


def test_no_key_is_one_of_naparis_labels_keys() -> None:
    taken = {
        coerce_keybinding(key)
        for action, keys in default_shortcuts.items()
        if "labels" in action or "polygon" in action or "brush" in action
        for key in keys
    }
    data = create_autospec(DataController, instance=True)
    data.done = create_autospec(MarkDone, instance=True)
    keys = all_keys(
        create_autospec(Workspace, instance=True),
        data,
        create_autospec(ReviewController, instance=True),
        create_autospec(QueueController, instance=True),
        create_autospec(FindSimilar, instance=True),
        lambda: None,
    )
    assert {entry.key for entry in keys} >= {f"Alt-{n}" for n in range(10)}
    for entry in keys:
        if not entry.ours_alone:
            assert coerce_keybinding(entry.key) not in taken, entry.key
    assert "mark the shown slice done" in help_text(keys)


def test_undo_is_bound_on_our_layers_alone_and_keys_go_with_the_dock() -> None:
    viewer = ViewerModel()
    workspace = Workspace(viewer)
    data, similar = DataController(workspace), FindSimilar(workspace)
    review, queue = ReviewController(workspace), QueueController(workspace)
    keys = all_keys(workspace, data, review, queue, similar, lambda: None)
    bound = Shortcuts(workspace, keys)
    volume = phantom(0).volume
    image, about, _ = layer_for(volume)
    data.add_layers([viewer.add_image(image, **about)])
    ink: Any = workspace.registry.layer(volume.id, "ink")
    undo, done = coerce_keybinding("Control-Z"), coerce_keybinding("D")
    assert undo in ink.keymap
    assert undo not in viewer.keymap
    for _ in range(2):  # nothing is labelled: pressed again it is meant
        viewer.keymap[done](viewer)
    assert workspace.session.records[volume.id].status.sum() > 0
    ink.keymap[undo](ink)
    assert workspace.session.records[volume.id].status.sum() == 0
    viewer.keymap[coerce_keybinding("Alt-0")](viewer)
    assert workspace.paint_class == 255
    bound.close()
    assert done not in viewer.keymap
    assert undo not in ink.keymap


def test_the_list_names_the_keys_that_a_person_chose() -> None:
    workspace = Workspace(ViewerModel())
    keys = [
        Key("D", "mark the slice done", lambda: None),
        Key("U", "copy the slice before", lambda: None),
    ]
    bound, seen = Shortcuts(workspace, keys), list[str]()
    bound.changed.connect(lambda: seen.append(help_text(keys, bound.now)))
    assert "<b>D</b>" in help_text(keys, bound.now)
    assert "You changed keys" not in help_text(keys, bound.now)
    action = f"{PLUGIN}:mark_the_slice_done"
    action_manager.unbind_shortcut(action)
    assert "mark the slice done" not in seen[-1], "it has no key now"
    action_manager.bind_shortcut(action, "Control-J")
    assert "<b>Ctrl-J</b>" in seen[-1]
    assert "<b>U</b>" in seen[-1]
    assert "the buttons still name the keys that came" in seen[-1]
    action_manager.unbind_shortcut(action)
    action_manager.bind_shortcut(action, "D")
    bound.close()
