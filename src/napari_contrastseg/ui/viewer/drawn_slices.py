"""Know what napari has drawn of label layers, so that no slice is drawn twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

import numpy as np

from napari_contrastseg.io.scratch import copy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from numpy.typing import NDArray

_PLANE = 2
#: Pixels of a slice whose copy shall take no time and memory where it is empty.
_LARGE = 2**24


class DrawnSlices:
    """Copies of the slices of layers as they were last handed to the graphics card.

    Drawing a layer again costs milliseconds of the window's time, and the same again
    where OpenGL is done in software; comparing a slice costs a hundredth of that.
    """

    def __init__(self) -> None:
        self._drawn: WeakKeyDictionary[Labels, NDArray[Any] | _Rows] = (
            WeakKeyDictionary()
        )
        self._rows: WeakKeyDictionary[Labels, Callable[[], slice]] = WeakKeyDictionary()

    def watch(self, layer: Labels, rows: Callable[[], slice] | None = None) -> None:
        """Follow a layer from now on.

        Parameters
        ----------
        layer : Labels
        rows : callable, optional
            Gives the rows of its only slice that may hold something.
        """
        layer.events.set_data.connect(self._on_drawn)
        layer.events.labels_update.connect(self._on_painted)
        if rows is not None:
            self._rows[layer] = rows

    def forget(self, layer: Labels) -> None:
        """Follow a layer no more."""
        layer.events.set_data.disconnect(self._on_drawn)
        layer.events.labels_update.disconnect(self._on_painted)
        self._drawn.pop(layer, None)
        self._rows.pop(layer, None)

    def refresh(self, layer: Labels) -> None:
        """Draw a layer again if it shows something else than what its array holds."""
        drawn, now = self._drawn.get(layer), _slice_of(layer)
        if isinstance(drawn, _Rows):
            same = drawn.are_those_of(now, self._rows[layer]())
        else:
            same = drawn is not None and np.array_equal(drawn, now)
        if not same or not np.may_share_memory(now, np.asarray(layer.data)):
            layer.refresh(extent=False, highlight=False)

    def _on_drawn(self, event: Any) -> None:
        layer = event.source
        now = _slice_of(layer)
        if now.ndim != _PLANE:
            self._drawn.pop(layer, None)
        elif now.size <= _LARGE:
            self._drawn[layer] = now.copy()
        elif layer in self._rows:
            self._drawn[layer] = _Rows.of(now, self._rows[layer]())
        else:
            self._drawn[layer] = copy_of(now)

    def _on_painted(self, event: Any) -> None:
        """Take up what napari painted; it does so without handing on the slice."""
        layer = event.source
        drawn = self._drawn.get(layer)
        if drawn is None:
            return
        window = tuple(
            slice(start, start + n)
            for start, n in zip(event.offset, event.data.shape, strict=True)
        )
        now = _slice_of(layer)
        if isinstance(drawn, _Rows):
            self._drawn[layer] = drawn.painted(now, window)
        else:
            drawn[window] = now[window]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of a large slice as they were drawn; all others are empty."""

    rows: slice
    values: NDArray[Any]

    @classmethod
    def of(cls, plane: NDArray[Any], rows: slice) -> Self:
        return cls(rows, plane[rows].copy())

    def are_those_of(self, plane: NDArray[Any], worked: slice) -> bool:
        """Whether a slice, which may hold something in the worked rows, is the same."""
        mine = self.rows
        before = slice(worked.start, max(worked.start, min(mine.start, worked.stop)))
        behind = slice(min(max(mine.stop, worked.start), worked.stop), worked.stop)
        if mine.stop <= mine.start:
            before, behind = worked, slice(0, 0)
        others = plane[before].any() or plane[behind].any()
        return not others and np.array_equal(plane[mine], self.values)

    def painted(self, plane: NDArray[Any], window: tuple[slice, ...]) -> Self:
        """Give it with a window as it is in a slice now."""
        mine, new = self.rows, window[0]
        if mine.stop <= mine.start:
            mine = slice(new.start, new.start)
        rows = slice(min(mine.start, new.start), max(mine.stop, new.stop))
        values = np.zeros((rows.stop - rows.start, plane.shape[1]), plane.dtype)
        values[mine.start - rows.start : mine.stop - rows.start] = self.values
        inside = slice(new.start - rows.start, new.stop - rows.start)
        values[inside, window[1]] = plane[window]
        return type(self)(rows, values)


def _slice_of(layer: Labels) -> NDArray[Any]:
    """Give what a layer shows as it lies in its array: a view of it, no copy."""
    return np.asarray(layer._slice.image.raw)  # noqa: SLF001  nothing public gives it
