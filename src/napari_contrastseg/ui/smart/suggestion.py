"""A suggestion: what a box and clicks mean on the shown slice, accepted or rejected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.tasks.slice_window import holds
from napari_contrastseg.tasks.suggestions import Pointed, accept_suggestion, suggest
from napari_contrastseg.ui.notify import busy_cursor, notify_errors, notify_info
from napari_contrastseg.ui.smart.pointer import Pointer
from napari_contrastseg.ui.viewer.overlays import show_suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.tasks.slice_window import Place, Sides
    from napari_contrastseg.ui.workspace import Workspace

_HOW = (
    "Drag a box around one structure, or click on it; Ctrl and a click, or the right "
    "button, take a place away. Esc ends it."
)
_ASKS = "A accepts, R rejects."


@dataclass(frozen=True, eq=False)
class _Step:
    """What was pointed at by one box or click more, and what was found."""

    pointed: Pointed
    found: NDArray[np.bool_]


class SuggestionController(QObject):
    """Boxes and clicks become a suggestion, which A makes ink and R takes away.

    Signals
    -------
    changed : ()
        It waits for boxes and clicks, or no more; there is a suggestion, or none.
    """

    changed = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._steps: list[_Step] = []
        self.pointer = Pointer(workspace)
        self.pointer.boxed.connect(self._on_box)
        self.pointer.clicked.connect(self._on_click)
        self.pointer.ended.connect(self._on_ended)
        workspace.slice_changed.connect(self.drop)
        workspace.viewer.dims.events.ndisplay.connect(self._leave)
        workspace.viewer.dims.events.order.connect(self._leave)
        workspace.pending = self

    @property
    def waiting(self) -> bool:
        """Whether boxes and clicks are waited for."""
        return self.pointer.waiting

    @property
    def is_there(self) -> bool:
        """Whether there is a suggestion to accept or to reject."""
        return bool(self._steps)

    def close(self) -> None:
        """Wait for nothing any more."""
        self.pointer.cancel()
        self._workspace.viewer.dims.events.ndisplay.disconnect(self._leave)
        self._workspace.viewer.dims.events.order.disconnect(self._leave)
        self._workspace.pending = None

    def toggle(self) -> None:
        """Wait for boxes and clicks on the shown slice, or no more."""
        if self.pointer.waiting:
            self.pointer.cancel()
            return
        with notify_errors():
            volume_id, _ = self._workspace.need_shown_slice()
            layer = self._workspace.registry.layer(volume_id, "ink")
            if not isinstance(layer, Labels):
                raise InputError(
                    f"The ink layer of {volume_id} is closed; choose the volume in "
                    "step Data to show it again."
                )
            if self._workspace.paint_class == BACKGROUND:
                raise InputError(
                    "A box or a click is for a class; choose one in step Data first."
                )
            self.pointer.begin(volume_id, layer)
            notify_info(_HOW)
        self.changed.emit()

    def accept(self) -> None:
        """Make the suggestion ink, and wait for the next structure."""
        if not self._steps:
            return
        with notify_errors():
            last, session = self._steps[-1], self._workspace.session
            count = accept_suggestion(session, last.pointed, last.found)
            self.drop()
            name = session.class_name(last.pointed.class_id)
            painted = plural(count, "voxel")
            notify_info(f"{painted} of {name} painted; Ctrl+Z takes them back.")

    def reject(self) -> None:
        """Take the suggestion away; labels stay as they are."""
        if self.is_there:
            self.drop()
            notify_info("The suggestion is gone; labels are as they were.")

    def step_back(self) -> None:
        """Take back the last box or click."""
        del self._steps[-1:]
        self._show()

    def drop(self) -> None:
        """Forget what was pointed at."""
        if self._steps:
            self._steps.clear()
            self._show()

    def _on_box(self, rows: Sides, columns: Sides) -> None:
        with notify_errors():
            volume_id, index = self._workspace.need_shown_slice()
            class_id = self._workspace.paint_class
            self._point(Pointed(volume_id, index, class_id, (rows, columns)))

    def _on_click(self, place: Place, inside: bool) -> None:
        with notify_errors():
            last = self._last()
            if last.box is not None and not holds(last.box, place):
                notify_info(f"That is beside the box. {_ASKS} Then point at the next.")
            elif inside:
                self._point(replace(last, inside=(*last.inside, place)))
            elif last.inside or last.box:
                before = None if last.box else self._steps[-1].found
                self._point(replace(last, outside=(*last.outside, place)), before)
            else:
                notify_info("Click on the structure first, or drag a box around it.")

    def _last(self) -> Pointed:
        """Give what was pointed at so far, for the chosen class."""
        class_id = self._workspace.paint_class
        if self._steps and self._steps[-1].pointed.class_id == class_id:
            return self._steps[-1].pointed
        return Pointed(*self._workspace.need_shown_slice(), class_id)

    def _point(self, pointed: Pointed, within: NDArray[np.bool_] | None = None) -> None:
        """Work out what is meant; where that is nothing, all stays as it was.

        `within` is what was found before a place was taken away: nothing comes with it.
        """
        with busy_cursor():
            found = suggest(self._workspace.session, pointed)
        if within is not None:
            found &= within
        if not found.any():
            notify_info(
                "Nothing is found there that is not painted already; click elsewhere, "
                "or drag the box closer around the structure."
            )
            return
        self._steps.append(_Step(pointed, found))
        self._show()
        notify_info(f"{plural(int(found.sum()), 'voxel')} found: {_ASKS}")

    def _show(self) -> None:
        """Show it, or hide its layer: to remove one, napari collects garbage."""
        registry = self._workspace.registry
        if self._steps:
            last = self._steps[-1]
            clicks = {True: last.pointed.inside, False: last.pointed.outside}
            show_suggestion(
                registry,
                last.pointed.volume_id,
                last.found,
                clicks,
            )
        else:
            layer = registry.layer(self._workspace.active or "", "suggestion")
            if layer is not None:
                layer.visible = False
        self.changed.emit()

    def _leave(self, _event: object = None) -> None:
        """Wait no more: the view shows no slice along the slice axis any more."""
        self.pointer.cancel()

    def _on_ended(self) -> None:
        self.drop()
        self.changed.emit()
