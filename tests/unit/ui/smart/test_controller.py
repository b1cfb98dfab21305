"""The smart tools' intents, on napari's model of a viewer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels
from scipy import ndimage

from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.data.mask_controller import MaskController
from napari_contrastseg.ui.review.controller import ReviewController
from napari_contrastseg.ui.smart import suggestion
from napari_contrastseg.ui.smart.controller import SmartController
from napari_contrastseg.ui.smart.panel import NumberingSettings
from tests.kit.window import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace

    Add = Callable[[Sample], str]


@pytest.fixture
def smart(workspace: Workspace) -> Iterator[SmartController]:
    """The controller of the smart tools."""
    made = SmartController(workspace)
    workspace.changed.connect(made.refresh)
    made.refresh()
    yield made
    made.close()


@pytest.fixture
def name(workspace: Workspace, add: Add, sample: Sample, smart: object) -> str:
    """A volume with two classes, the first chosen, slice 8 shown."""
    del smart
    found = add(sample)
    while len(workspace.session.classes) < 2:
        workspace.session.add_class()
    workspace.choose_class(1)
    workspace.go_to(8)
    return found


def ink_layer(workspace: Workspace, name: str) -> Any:
    return workspace.registry.layer(name, "ink")


def test_without_a_volume_every_control_says_why(smart: SmartController) -> None:
    panel = smart.panel
    for control in (panel.brush, panel.box, panel.number, panel.order):
        assert not control.isEnabled()
        assert control.toolTip() == "Add a volume first"
        assert control.accessibleName()


def test_background_in_hand_is_no_class_for_a_box(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    assert smart.panel.box.isEnabled()
    workspace.choose_class(255)
    assert name in workspace.session.records
    assert not smart.panel.box.isEnabled()
    assert smart.panel.box.toolTip() == "Choose a class first"
    assert smart.panel.brush.isEnabled()
    smart.suggestion.toggle()
    assert "choose one in step Data" in said()
    assert not smart.suggestion.waiting


def test_only_strokes_of_the_brush_are_smart(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    layer = ink_layer(workspace, name)
    record = workspace.session.records[name]
    smart.panel.brush.click()
    assert smart.panel.brush.isChecked()
    layer.mode = "fill"
    layer.data_setitem(tuple(np.array([n]) for n in (8, 3, 3)), 1)
    assert np.argwhere(record.ink).tolist() == [[8, 3, 3]]
    layer.mode, layer.brush_size = "paint", 8
    smart.toggle_brush()
    assert not smart.panel.brush.isChecked()
    layer.paint((8, 20, 20), 1)
    plain = record.ink.copy()
    assert plain[8, 20, 20] == 1
    smart.toggle_brush()
    workspace.undo()
    layer.paint((8, 20, 20), 1)
    assert not np.array_equal(plain, record.ink)


def test_after_the_dock_has_closed_strokes_stay_as_they_are(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    smart.set_brush(True)
    smart.close()
    layer = ink_layer(workspace, name)
    layer.mode, layer.brush_size = "paint", 1
    layer.paint((8, 2, 2), 1)
    assert np.argwhere(layer.data).tolist() == [[8, 2, 2]]


def test_pointing_that_is_left_gives_the_brush_back(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    layer, viewer = ink_layer(workspace, name), workspace.viewer
    before = len(viewer.mouse_drag_callbacks), len(layer.keymap)
    suggestion = smart.suggestion
    for leave in (
        suggestion.toggle,
        suggestion.pointer.cancel,
        lambda: setattr(layer, "mode", "erase"),
    ):
        layer.mode = "paint"
        suggestion.toggle()
        assert smart.panel.box.isChecked()
        assert smart.panel.box.text() == "End  Alt+B"
        assert layer.mode == "pan_zoom"
        assert not layer.mouse_pan
        leave()
        assert not suggestion.waiting
        assert smart.panel.box.text() == "Box, clicks  Alt+B"
        assert layer.mode in ("paint", "erase")
        assert (len(viewer.mouse_drag_callbacks), len(layer.keymap)) == before


def test_nothing_is_pointed_at_on_a_layer_that_was_closed(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    before = len(workspace.viewer.mouse_drag_callbacks)
    smart.suggestion.toggle()
    workspace.viewer.layers.remove(ink_layer(workspace, name))
    assert not smart.suggestion.waiting
    assert len(workspace.viewer.mouse_drag_callbacks) == before
    smart.suggestion.toggle()
    assert "choose the volume in step Data" in said()


def test_switching_the_brush_on_takes_it_up(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    layer, image = ink_layer(workspace, name), workspace.registry.layer(name, "image")
    layer.mode = "pan_zoom"
    workspace.viewer.layers.selection.active = image
    smart.toggle_brush()
    assert workspace.viewer.layers.selection.active is layer
    assert layer.mode == "paint"


def mouse(
    workspace: Workspace,
    name: str,
    *voxels: tuple[int, ...],
    held: tuple[str, ...] = (),
    button: int = 1,
) -> None:
    """Press at the first voxel, move through the others, and release."""
    viewer = workspace.viewer
    event = SimpleNamespace(
        type="mouse_press", button=button, position=None, pos=(1, 1), modifiers=held
    )
    pressed = viewer.mouse_drag_callbacks[-1]
    event.position = workspace.registry.world(name, voxels[0])
    steps = pressed(viewer, event)
    next(steps)
    event.type = "mouse_move"
    for voxel in voxels[1:]:
        event.position = workspace.registry.world(name, voxel)
        next(steps)
    event.type = "mouse_release"
    assert next(steps, None) is None


def shown(workspace: Workspace, name: str) -> np.ndarray:
    """What the layer of the suggestion holds now."""
    layer: Any = workspace.registry.layer(name, "suggestion")
    return np.array(layer.data)


def there(smart: SmartController) -> bool:
    return smart.suggestion.is_there


def waits(smart: SmartController) -> bool:
    return smart.suggestion.waiting


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.fixture
def picture(smart: object, workspace: Workspace, data: DataController) -> str:
    """A bright disc in noise with a class in hand."""
    del smart
    image = (disc() + np.random.default_rng(0).normal(0, 0.1, disc().shape)).astype(
        np.float32
    )
    data.add_layers([workspace.viewer.add_image(image, name="picture")])
    (found,) = workspace.session.records
    workspace.session.add_class()
    workspace.choose_class(1)
    return found


def disc() -> np.ndarray:
    rows, columns = np.indices((80, 90))
    return np.asarray((rows - 40) ** 2 + (columns - 50) ** 2 <= 20**2)


def test_a_box_is_a_suggestion_until_it_is_accepted(
    smart: SmartController, workspace: Workspace, picture: str
) -> None:
    record = workspace.session.records[picture]
    review = ReviewController(workspace)
    smart.suggestion.toggle()
    mouse(workspace, picture, (0, 19, 29), (0, 30, 40), (0, 61, 71))
    assert "found: A accepts, R rejects." in said()
    assert not record.ink.any()
    layer: Any = workspace.registry.layer(picture, "suggestion")
    assert layer.visible
    assert dice(shown(workspace, picture) == 1, disc()) > 0.95
    assert review.state().suggested
    review.accept_slice()
    assert dice(record.ink[0] == 1, disc()) > 0.95
    assert not layer.visible
    assert smart.suggestion.waiting, "for the next structure"
    workspace.undo()
    assert not record.ink.any()


@pytest.mark.parametrize("way", ["R", "Alt+R", "another slice", "Esc"])
def test_a_suggestion_that_is_not_wanted_leaves_no_trace(
    smart: SmartController, workspace: Workspace, name: str, way: str
) -> None:
    record, review = workspace.session.records[name], ReviewController(workspace)
    before = len(workspace.session.history.done)
    smart.suggestion.toggle()
    mouse(workspace, name, (8, 20, 20))
    assert there(smart)
    {
        "R": review.reject_component,
        "Alt+R": review.reject_slice,
        "another slice": workspace.next_slice,
        "Esc": smart.suggestion.pointer.cancel,
    }[way]()
    assert not there(smart)
    assert not record.ink.any()
    assert not record.rejected.any()
    assert len(workspace.session.history.done) == before
    layer = workspace.registry.layer(name, "suggestion")
    assert layer is None or not layer.visible


def test_clicks_add_and_take_away_and_ctrl_z_takes_back_the_last(
    smart: SmartController, workspace: Workspace, picture: str
) -> None:
    smart.suggestion.toggle()
    mouse(workspace, picture, (0, 5, 5), held=("Control",))
    assert said().startswith("Click on the structure first")
    mouse(workspace, picture, (0, 40, 50))
    first = shown(workspace, picture)
    assert dice(first > 0, disc()) > 0.9
    mouse(workspace, picture, (0, 40, 60), held=("Control",))
    less = shown(workspace, picture)
    assert (less == 1).sum() < (first == 1).sum()
    assert less[40, 60] == 3
    workspace.undo()
    back = shown(workspace, picture)
    assert np.array_equal(back, first)
    mouse(workspace, picture, (0, 40, 60), button=2)
    right = shown(workspace, picture)
    assert np.array_equal(right, less), "the right button does the same"
    workspace.undo()
    workspace.undo()
    assert not there(smart)


def test_a_place_that_is_taken_away_adds_nothing(
    smart: SmartController,
    workspace: Workspace,
    picture: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    smart.suggestion.toggle()
    mouse(workspace, picture, (0, 40, 50))
    first = shown(workspace, picture) == 1
    everything = np.ones(first.shape, bool)
    monkeypatch.setattr(suggestion, "suggest", lambda *_: everything)
    mouse(workspace, picture, (0, 75, 5), held=("Control",))
    assert not (shown(workspace, picture) == 1)[~first].any()


def test_a_box_that_finds_nothing_leaves_what_was_suggested(
    smart: SmartController, workspace: Workspace, picture: str
) -> None:
    smart.suggestion.toggle()
    mouse(workspace, picture, (0, 40, 50))
    before = shown(workspace, picture)
    mouse(workspace, picture, (0, 2, 2), (0, 2, 20))
    assert "less than 4 x 4" in said()
    assert there(smart)
    after = shown(workspace, picture)
    assert np.array_equal(before, np.asarray(after))


def test_a_click_beside_the_box_says_so(
    smart: SmartController, workspace: Workspace, picture: str
) -> None:
    smart.suggestion.toggle()
    mouse(workspace, picture, (0, 19, 29), (0, 61, 71))
    before = shown(workspace, picture)
    mouse(workspace, picture, (0, 5, 5))
    assert said().startswith("That is beside the box")
    after = shown(workspace, picture)
    assert np.array_equal(before, np.asarray(after))


def test_a_drag_whose_session_has_gone_is_no_box(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    smart.suggestion.toggle()
    pressed = workspace.viewer.mouse_drag_callbacks[-1]
    place = workspace.registry.world(name, (8, 5, 5))
    event = SimpleNamespace(
        type="mouse_press", button=1, position=place, pos=(1, 1), modifiers=()
    )
    steps = pressed(workspace.viewer, event)
    next(steps)
    workspace.replace(Session())
    event.type = "mouse_release"
    assert next(steps, None) is None
    assert not smart.suggestion.waiting


def test_a_box_over_other_ink_finds_nothing_and_says_so(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    record = workspace.session.records[name]
    painting.paint(workspace.session, name, np.ones(record.volume.shape, bool), 2)
    smart.suggestion.toggle()
    mouse(workspace, name, (8, 5, 5), (8, 20, 20))
    assert (record.ink == 2).all()
    assert said().startswith("Nothing is found there")
    assert not there(smart)
    assert workspace.session.history.last == "stroke"


def test_pointing_needs_the_slice_on_the_screen(
    smart: SmartController, workspace: Workspace, name: str
) -> None:
    assert name == workspace.active
    workspace.viewer.dims.ndisplay = 3
    smart.suggestion.toggle()
    assert "turn off 3-D" in said()
    assert not waits(smart)
    workspace.viewer.dims.ndisplay = 2
    smart.suggestion.toggle()
    assert waits(smart)
    workspace.viewer.dims.ndisplay = 3
    assert not waits(smart)


def painted(workspace: Workspace, name: str, seed: int = 0) -> np.ndarray:
    """Paint pieces of the first class, and some voxels of the second."""
    record = workspace.session.records[name]
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=record.volume.shape), 1.2)
    where: np.ndarray = smooth > np.quantile(smooth, 0.9)
    painting.paint(workspace.session, name, where, 1)
    painting.paint(workspace.session, name, smooth < np.quantile(smooth, 0.02), 2)
    return where


def number(qtbot: QtBot, smart: SmartController) -> None:
    with qtbot.waitSignal(smart.runner.ended, timeout=20_000):
        smart.panel.number.click()


def test_pieces_are_numbered_and_said(
    smart: SmartController, workspace: Workspace, name: str, qtbot: QtBot
) -> None:
    where = painted(workspace, name)
    number(qtbot, smart)
    whole, count = ndimage.label(where, np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(whole.ravel())[1:])[::-1]
    layer: Any = workspace.registry.layer(name, "instances")
    assert np.array_equal(np.bincount(layer.data.ravel())[1:], sizes)
    assert layer.name == f"{name} class 1: numbered pieces, not learned from"
    assert not layer.editable
    assert said().startswith(f"{count} pieces of class 1: {sizes[0]:,}, {sizes[1]:,}")
    assert smart.panel.words.text() == said()
    assert workspace.viewer.layers.selection.active is ink_layer(workspace, name)


def test_numbered_pieces_are_no_mask_and_change_nothing(
    smart: SmartController,
    workspace: Workspace,
    data: DataController,
    name: str,
    qtbot: QtBot,
) -> None:
    painted(workspace, name)
    record = workspace.session.records[name]
    before, actions = record.ink.copy(), len(workspace.session.history.done)
    number(qtbot, smart)
    layer: Any = workspace.registry.layer(name, "instances")
    assert isinstance(layer, Labels)
    assert layer not in MaskController(workspace).free()
    assert layer.name not in str(data.state())
    assert np.array_equal(record.ink, before)
    assert len(workspace.session.history.done) == actions
    workspace.undo()
    assert smart.panel.words.text().endswith("Labels have changed since.")
    workspace.registry.drop_work(name)
    assert workspace.registry.layer(name, "instances") is None
    assert layer not in workspace.viewer.layers


def test_pieces_of_one_slice_by_position(
    smart: SmartController, workspace: Workspace, name: str, qtbot: QtBot
) -> None:
    where = painted(workspace, name)
    chosen = NumberingSettings(in_slice=True, order="position", touching="face")
    smart.panel.setValue(chosen)
    assert smart.panel.value() == chosen
    number(qtbot, smart)
    plane, count = ndimage.label(where[8])  # 4 neighbours, row by row
    layer: Any = workspace.registry.layer(name, "instances")
    assert np.array_equal(layer.data[8], plane)
    assert not layer.data[:8].any()
    assert not layer.data[9:].any()
    assert said().startswith(f"{count} pieces of class 1 on slice 8: ")


def test_a_class_without_voxels_has_no_pieces(
    smart: SmartController, workspace: Workspace, name: str, qtbot: QtBot
) -> None:
    number(qtbot, smart)
    assert said() == "0 pieces of class 1."
    assert workspace.registry.layer(name, "instances") is None
