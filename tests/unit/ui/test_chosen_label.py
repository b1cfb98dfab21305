"""The layer's number and the class table never say two things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding

from napari_contrastseg.ui.data.chosen_label import ChosenLabel
from tests.kit.rounds import add_round
from tests.kit.window import said

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


@pytest.fixture
def ink(workspace: Workspace, add: Add, sample: Sample) -> Any:
    """The ink layer; classes 1, 2 and 4 are there, 1 is painted with."""
    chosen = ChosenLabel(workspace)
    layer = workspace.registry.layer(add(sample), "ink")
    for _ in range(3):
        workspace.session.add_class()
    workspace.session.delete_class(3)
    assert chosen.parent() is workspace
    return layer


def press(layer: Any, key: str) -> int:
    """Press a key of the layer; gives the label."""
    layer.keymap[coerce_keybinding(key)](layer)
    return int(layer.selected_label)


def test_keys_go_through_the_classes_and_the_table_follows(
    workspace: Workspace, ink: Any
) -> None:
    for key, label in (
        ("=", 2),
        ("=", 4),
        ("=", 4),
        ("-", 2),
        ("X", 255),
        ("X", 2),
        ("-", 1),
        ("-", 255),
        ("-", 255),
        ("X", 2),
        ("-", 1),
        ("-", 255),
        ("=", 1),
    ):
        assert press(ink, key) == label, key
        assert workspace.paint_class == label, key


def test_swapping_passes_over_a_class_that_is_gone(
    workspace: Workspace, ink: Any
) -> None:
    workspace.choose_class(4)
    press(ink, "X")
    workspace.session.delete_class(4)
    assert press(ink, "X") == 1


def test_a_number_that_is_chosen_on_the_layer_is_the_class(
    workspace: Workspace, ink: Any
) -> None:
    """As napari's picker and its spin box do."""
    ink.selected_label = 4
    assert workspace.paint_class == 4
    ink.selected_label = 0
    assert ink.selected_label == workspace.paint_class == 4
    ink.selected_label = 3
    assert ink.selected_label == workspace.paint_class == 4
    assert "There is no class 3" in said()


def test_napari_has_its_keys_again_when_the_dock_closes(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    chosen = ChosenLabel(workspace)
    ink: Any = workspace.registry.layer(add(sample), "ink")
    assert coerce_keybinding("X") in ink.keymap
    chosen.close()
    assert not {coerce_keybinding(key) for key in "X-="} & set(ink.keymap)
    ink.selected_label = 7
    assert (ink.selected_label, workspace.paint_class) == (7, 1)
    workspace.close()
    assert ink.before_erasing is None


def test_the_chosen_class_stays_when_proposals_come(
    workspace: Workspace, ink: Any
) -> None:
    workspace.choose_class(4)
    (record,) = workspace.session.records.values()
    add_round(workspace.session, np.zeros(record.volume.shape, np.uint8))
    assert workspace.shows(record.volume.id, "pseudo")
    assert (ink.selected_label, workspace.paint_class) == (4, 4)
