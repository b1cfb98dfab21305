"""napari's own ways: palette, menu, shortcuts, preferences, names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from napari._app_model import get_app_model
from napari._qt.widgets.qt_keyboard_settings import ShortcutEditor
from napari._qt.widgets.qt_viewer_dock_widget import QtViewerDockWidget
from napari.settings import get_plugin_settings
from napari.utils.action_manager import action_manager
from npe2 import PluginManager
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui import preferences
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.shortcuts import PLUGIN
from tests.kit.window import NAME, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer
DONE = f"{PLUGIN}:mark_done"


def commands() -> dict[str, str]:
    """Titles of the manifest's commands that act on a dock, by name."""
    found = PluginManager.instance().get_manifest(PLUGIN).contributions.commands or []
    module = "napari_contrastseg.ui.plugin.commands"
    return {
        command.id.removeprefix(f"{PLUGIN}."): command.title
        for command in found
        if str(command.python_name).startswith(module)
    }


def press(viewer: Any, key: str) -> None:
    """Press a key as napari hands it on."""
    viewer.window._qt_viewer.canvas._key_map_handler.press_key(key)


@pytest.fixture
def keys_as_they_come() -> Iterator[None]:
    """Take back what a test changes in napari's list of actions."""
    before = {name: list(keys) for name, keys in action_manager._shortcuts.items()}
    yield
    for name in [n for n in action_manager._shortcuts if n.startswith(PLUGIN)]:
        action_manager.unbind_shortcut(name)
        for key in before.get(name, []):
            action_manager.bind_shortcut(name, key)


def test_commands_act_on_the_viewers_dock_which_the_menu_opens(
    make_napari_viewer: Callable[..., Any],
) -> None:
    """Where none is open they say so; their titles name the dock's keys."""
    viewer = make_napari_viewer()
    run = get_app_model().commands.execute_command
    run(f"{PLUGIN}.next_slice").result()
    assert "Plugins > Annotate (ContrastSeg)" in said()
    command = get_app_model().commands[f"{PLUGIN}.widget"]
    assert command.title == "Annotate (ContrastSeg)"
    run(command.id).result()
    (dock,) = viewer.window._qt_window.findChildren(QtViewerDockWidget, command.title)
    assert dock.windowTitle() == command.title
    (widget,) = dock.findChildren(ContrastSegWidget)
    check_titles(widget)
    run(f"{PLUGIN}.run_round").result()
    assert "Add a volume in step Data first" in said()
    viewer.add_image(phantom(1).volume.data[0], name=NAME)
    run(f"{PLUGIN}.add_volume").result()
    widget.workspace.go_to(3)
    run(f"{PLUGIN}.next_slice").result()
    assert widget.workspace.current_slice == 4
    widget.shut_down()
    run(f"{PLUGIN}.next_slice").result()
    assert "Plugins > Annotate (ContrastSeg)" in said()


def check_titles(widget: ContrastSegWidget) -> None:
    """Compare the palette and the menu with what the dock does by key."""
    ours = widget._shortcuts._keys
    wanted = commands()
    assert set(wanted) <= set(ours)
    for name, title in wanted.items():
        key = ours[name].key.replace("Control", "Ctrl").replace("-", "+")
        assert title.endswith(f" [{key}]") == bool(key), title
    app = get_app_model()
    in_menu = {
        item.command.id
        for item in app.menus.get_menu(PLUGIN)
        if hasattr(item, "command")
    }
    assert in_menu == {f"{PLUGIN}.{name}" for name in (*wanted, "widget")}


@pytest.mark.parametrize(("key", "goes_on"), [(".", True), ("D", False)])
def test_keys_that_go_through_slices_may_be_held(
    loaded: tuple[Any, Any, Any], key: str, *, goes_on: bool
) -> None:
    """Napari lets only those repeat of which it is said."""
    viewer, widget, _ = loaded
    widget.workspace.go_to(3)
    record = widget.workspace.session.records[NAME]
    before = record.status.copy()
    held = QKeyEvent(
        QKeyEvent.Type.KeyPress,
        Qt.Key.Key_Period if key == "." else Qt.Key.Key_D,
        Qt.KeyboardModifier.NoModifier,
        key,
        True,
    )
    QApplication.sendEvent(viewer.window._qt_viewer.canvas.native, held)
    assert widget.workspace.current_slice == (4 if goes_on else 3)
    assert (record.status == before).all()


@pytest.mark.usefixtures("keys_as_they_come")
def test_a_key_is_changed_in_naparis_preferences(
    loaded: tuple[Any, Any, Any], qtbot: QtBot
) -> None:
    viewer, widget, _ = loaded
    editor = ShortcutEditor()
    qtbot.addWidget(editor)
    table = editor._table
    rows = {
        table.item(row, editor._action_col).text(): row
        for row in range(table.rowCount())
    }
    assert {f"{PLUGIN}:{name}" for name in commands()} <= set(rows)
    record = widget.workspace.session.records[NAME]
    widget.workspace.go_to(6)
    press(viewer, "D")
    assert record.status[6] == Status.SPARSE
    table.item(rows[DONE], editor._shortcut_col).setText("J")
    press(viewer, "D")
    assert record.status[6] == Status.SPARSE, "the old key is free"
    press(viewer, "J")
    assert record.status[6] == Status.DONE
    viewer.layers.selection.active = None
    press(viewer, "J")
    assert record.status[6] == Status.SPARSE, "in the viewer, too"


@pytest.mark.slow
def test_naparis_own_key_of_an_image_stays(loaded: tuple[Any, Any, Any]) -> None:
    viewer, widget, _ = loaded
    image = widget.workspace.registry.layer(NAME, "image")
    viewer.layers.selection.active = image
    image.contrast_limits = (0, 1e-3)
    before = len(widget.workspace.session.history.done)
    press(viewer, "C")
    assert image.contrast_limits[1] > 1, "C sets the contrast of an image"
    assert len(widget.workspace.session.history.done) == before


def test_preferences_hold_where_the_environment_says_nothing(
    make_napari_viewer: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setattr(preferences, "_OURS", set())
    folder = tmp_path_factory.mktemp("scratch")
    for name in ("MEMORY", "SCRATCH"):
        monkeypatch.setenv(f"CONTRASTSEG_{name}", "")  # restored afterwards
        monkeypatch.delenv(f"CONTRASTSEG_{name}")
    viewer = make_napari_viewer()
    stored: Any = get_plugin_settings(PLUGIN)
    stored.computer.memory = "3 GB"
    stored.computer.scratch = str(folder)
    stored.rounds.minutes = 5.0
    stored.rounds.device = "cpu"
    stored.rounds.cluster = "tcp://localhost:8786"
    try:
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Annotate")
        assert os.environ["CONTRASTSEG_MEMORY"] == "3 GB"
        assert os.environ["CONTRASTSEG_SCRATCH"] == str(folder)
        assert os.environ["CONTRASTSEG_ROUNDS"] == "thread", "the environment's"
        chosen = widget.learn.value()
        assert (chosen.minutes, chosen.device) == (5.0, "cpu")
        assert chosen.cluster == "tcp://localhost:8786"
        stored.rounds.cluster = "tcp://lab:8786"
        assert not preferences.take_preferences().cluster
        assert "without TLS" in said()
        stored.rounds.cluster = ""
        stored.computer.memory = "much"
        preferences.take_preferences()
        assert "Memory for large volumes, in napari's Preferences" in said()
        assert "CONTRASTSEG_MEMORY" not in os.environ
        widget.shut_down()
    finally:
        for part in (stored.computer, stored.rounds):
            part.reset()
