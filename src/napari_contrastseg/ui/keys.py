"""Keys: on the viewer and on our layers; none that napari's Labels layer uses."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from napari_contrastseg.session.classes import BACKGROUND, MAX_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_contrastseg.ui.data.controller import Controller

#: Key, what it does, the controller's method.
KEYS: tuple[tuple[str, str, str], ...] = (
    ("D", "mark the shown slice done, or not done", "toggle_done"),
    (",", "previous slice", "previous_slice"),
    (".", "next slice", "next_slice"),
    ("N", "go to the slice worth a look next", "review.go_to_next"),
    ("Shift-N", "go back to the slice before", "review.go_back"),
    ("S", "find voxels like the one under the cursor", "similar.under_cursor"),
    ("A", "accept the shown slice", "review.accept_slice"),
    ("C", "accept the component under the cursor", "review.accept_component"),
    ("R", "reject the component under the cursor", "review.reject_component"),
    ("Shift-R", "reject the shown slice", "review.reject_slice"),
    ("Control-Z", "undo, on our layers", "undo"),
    ("Control-Shift-Z", "redo, on our layers", "redo"),
)
#: Keys that belong to our layers alone: elsewhere napari's own meaning stays.
ON_LAYERS_ONLY = ("Control-Z", "Control-Shift-Z")


def help_text() -> str:
    """List the keys, as rich text."""
    rows = [("Alt-1 .. Alt-9", "paint this class"), ("Alt-0", "paint background")]
    rows += [(key, words) for key, words, _ in KEYS]
    cells = "".join(
        f"<tr><td><b>{key.replace('Control', 'Ctrl')}</b>&nbsp;&nbsp;</td>"
        f"<td>{words}</td></tr>"
        for key, words in rows
    )
    return (
        f"<table>{cells}</table><p>napari's own keys go on working: 1 or E erase, "
        "2 or P paint, 4 or F fill, 6 or Z move, [ and ] brush size.</p>"
    )


def bind_keys(viewer: ViewerModel, controller: Controller) -> None:
    """Bind all keys to the viewer, and to our layers as they are made."""
    for key, slot in _bindings(controller).items():
        if key not in ON_LAYERS_ONLY:
            viewer.bind_key(key, slot, overwrite=True)
    controller.book.layer_made.connect(
        partial(_bind_layer, controller), check_nargs=False
    )


def unbind_keys(viewer: ViewerModel, controller: Controller) -> None:
    """Give the viewer's keys back."""
    for key in _bindings(controller):
        if key not in ON_LAYERS_ONLY:
            viewer.bind_key(key, None, overwrite=True)


def _bind_layer(controller: Controller, layer: Layer) -> None:
    for key, slot in _bindings(controller).items():
        layer.bind_key(key, slot, overwrite=True)


def _bindings(controller: Controller) -> dict[str, Callable[[Any], None]]:
    found: dict[str, Callable[[Any], None]] = {
        key: _slot(attrgetter(name)(controller)) for key, _, name in KEYS
    }
    for number in range(1, MAX_KEY + 1):
        found[f"Alt-{number}"] = _slot(partial(controller.choose_class, number))
    found["Alt-0"] = _slot(partial(controller.choose_class, BACKGROUND))
    return found


def _slot(action: Callable[[], Any]) -> Callable[[Any], None]:
    """Napari hands the viewer or layer to a key's function; ours need none."""

    def pressed(_source: Any) -> None:
        action()

    return pressed
