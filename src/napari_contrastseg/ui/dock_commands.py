"""Commands of the whole dock, for napari's palette and menu: those that have no key."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_contrastseg.ui.notify import notify_info
from napari_contrastseg.ui.shortcuts import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QAbstractButton

    from napari_contrastseg.ui.dock_parts import DockParts


def dock_commands(
    dock: DockParts,
    export: QAbstractButton,
    *,
    show_map: Callable[[], object],
    show_help: Callable[[], object],
    take_tour: Callable[[], object],
) -> tuple[Key, ...]:
    """List them; what a button does is done as if it were pressed."""
    bar = dock.run_bar
    return (
        Key("", "run a round", partial(press, bar.run), name="run_round"),
        Key("", "pause the round, or go on", partial(press, bar.pause), name="pause"),
        Key("", "cancel the round", partial(press, bar.cancel), name="cancel"),
        Key("", "go on with a round", partial(press, bar.resume), name="resume"),
        Key("", "add the image", partial(press, dock.data.add), name="add_volume"),
        Key("", "export", partial(press, export), name="export"),
        Key("", "show the map", show_map, name="show_map"),
        Key("", "open the tutorial", show_help, name="help"),
        Key("", "take the tour", take_tour, name="tour"),
    )


def press(button: QAbstractButton) -> None:
    """Press a button, or say why it cannot be pressed."""
    if button.isEnabled():
        button.click()
    else:
        notify_info(f"{button.toolTip().rstrip('.')}.")
