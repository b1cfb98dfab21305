"""Where the mouse is in napari's world, also when the view has moved under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.components import ViewerModel
    from numpy.typing import NDArray

_PLANE = 2


@dataclass(frozen=True, eq=False)
class _Seen:
    """Where the mouse was last seen, and how the camera looked there."""

    position: tuple[float, ...]
    displayed: tuple[int, ...]
    center: NDArray[np.float64]
    zoom: float


class MousePlace:
    """Knows the place under the mouse.

    napari notes it when the mouse moves alone: after a key has changed the slice, or a
    button the zoom, its `cursor.position` is where the mouse was before.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._seen: _Seen | None = None
        viewer.mouse_move_callbacks.append(self._on_mouse)
        viewer.mouse_drag_callbacks.append(self._on_drag)

    def close(self) -> None:
        """Watch the mouse no more; a second time it does nothing."""
        moves = self._viewer.mouse_move_callbacks
        if self._on_mouse in moves:
            moves.remove(self._on_mouse)
            self._viewer.mouse_drag_callbacks.remove(self._on_drag)

    @property
    def world(self) -> tuple[float, ...]:
        """The place under the mouse, on the slice that is shown."""
        dims, found = self._viewer.dims, np.array(self._viewer.cursor.position)
        if len(dims.displayed) != _PLANE:
            return tuple(found.tolist())
        seen, shown = self._seen, dims.displayed
        where = (tuple(self._viewer.cursor.position), tuple(shown))
        if seen is not None and where == (seen.position, seen.displayed):
            now = _camera(self._viewer)
            off = found[list(shown)] - seen.center
            moved = np.asarray(now.center[-_PLANE:]) + off * seen.zoom / now.zoom
            found[list(shown)] = moved
        hidden = list(dims.not_displayed)
        found[hidden] = np.asarray(dims.point)[hidden]
        return tuple(found.tolist())

    def _on_mouse(self, _viewer: object, _event: Any) -> None:
        camera, dims = _camera(self._viewer), self._viewer.dims
        self._seen = _Seen(
            tuple(self._viewer.cursor.position),
            tuple(dims.displayed),
            np.asarray(camera.center[-_PLANE:]),
            float(camera.zoom),
        )

    def _on_drag(self, viewer: object, event: Any) -> Generator[None, None, None]:
        self._on_mouse(viewer, event)
        yield
        while event.type == "mouse_move":
            self._on_mouse(viewer, event)
            yield
        self._on_mouse(viewer, event)


def _camera(viewer: Any) -> Any:
    """Find the camera: napari 0.9 has moved it to the scene."""
    return getattr(viewer, "scene", viewer).camera
