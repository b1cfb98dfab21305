"""napari's ways to choose a label, in step with the class that is painted with."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QObject

from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.ui.notify import notify_info
from napari_contrastseg.ui.viewer.session_labels import SessionLabels

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from napari_contrastseg.ui.workspace import Workspace


class ChosenLabel(QObject):
    """Keys X, - and = on the session's layers, their picker and their number.

    They mean in napari: swap with background, the label before, the next one. Here
    labels are the session's classes, and background has a number of its own.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._before: int | None = None
        self._keys: dict[str, Callable[[], object]] = {
            "X": self.swap,
            "-": partial(self.step, -1),
            "=": partial(self.step, 1),
        }
        workspace.registry.layer_made.connect(self._on_layer)

    def close(self) -> None:
        """Give the keys back to napari."""
        self._workspace.registry.layer_made.disconnect(self._on_layer)
        for layer in self._workspace.viewer.layers:
            if isinstance(layer, SessionLabels) and self._owns(layer):
                layer.events.selected_label.disconnect(self._on_label)
                for key in self._keys:
                    layer.keymap.pop(coerce_keybinding(key), None)

    def swap(self) -> None:
        """Paint background in place of the class, or the class of before again."""
        workspace = self._workspace
        now, ids = workspace.paint_class, self._ids
        if now != BACKGROUND:
            self._before = now
            workspace.choose_class(BACKGROUND)
        elif ids:
            before = self._before
            workspace.choose_class(
                before if before is not None and before in ids else ids[0]
            )

    def step(self, by: int) -> None:
        """Paint the class `by` places further on; background comes before the first."""
        order = [BACKGROUND, *self._ids]
        place = order.index(self._workspace.paint_class) + by
        if 0 <= place < len(order):
            self._workspace.choose_class(order[place])

    @property
    def _ids(self) -> list[int]:
        return [c.id for c in self._workspace.session.classes]

    def _on_layer(self, layer: Layer) -> None:
        if isinstance(layer, SessionLabels):
            layer.events.selected_label.connect(self._on_label)
            for key, action in self._keys.items():
                layer.bind_key(key, _slot(action), overwrite=True)

    def _owns(self, layer: Layer) -> bool:
        return self._workspace.registry.owner(layer) is not None

    def _on_label(self, event: Any) -> None:
        """Follow the layer's number, or put it back where it is not a class."""
        layer, workspace = event.source, self._workspace
        label = layer.selected_label
        if label == workspace.paint_class or not self._owns(layer):
            return
        if label in (BACKGROUND, *self._ids):
            workspace.choose_class(label)
            return
        layer.selected_label = workspace.paint_class
        if label != NOTHING:
            notify_info(f"There is no class {label}; add it in step Data first.")


def _slot(action: Callable[[], object]) -> Callable[[Any], None]:
    def pressed(_layer: Any) -> None:
        action()

    return pressed
