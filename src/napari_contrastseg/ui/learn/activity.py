"""A run's progress in napari's activity dock."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from napari.utils import progress
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QLabel, QMainWindow, QWidget

from napari_contrastseg.ui.learn.panel_state import LearnState
from napari_contrastseg.ui.software_opengl import draws_with_llvm
from napari_contrastseg.ui.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Parts of a whole run that the bar shows.
PARTS: Final = 1000
#: Milliseconds between two changes of the bar.
SHOW_MS: Final = 200


class RunActivity(QObject):
    """Shows a `LearnState` as one of napari's progress bars while something runs.

    A bar that changes lets napari handle other events at once, from wherever it is
    changed: so it is changed by a timer alone, and never while it is being changed.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = LearnState()
        self._bar: progress | None = None
        self._showing = self._closed = False
        self._soon = single_shot(self.show, SHOW_MS, self)

    @property
    def is_closed(self) -> bool:
        """Whether it shows nothing any more."""
        return self._closed

    def setState(self, state: LearnState) -> None:  # noqa: N802
        """Show how far a run is, or nothing, in a moment."""
        self._state = state
        wanted = state.running or self._bar is not None or self._showing
        if wanted and not self._closed and not self._soon.isActive():
            self._soon.start()

    def show(self) -> None:
        """Bring the bar in step with the state."""
        if self._closed:
            return
        if self._showing:
            self._soon.start()
            return
        self._showing = True
        try:
            for _ in self._changes():
                if self.is_closed:
                    break
        finally:
            self._showing = False
            if self.is_closed or not self._state.running:
                self._take_away()

    def _changes(self) -> Iterator[None]:
        """Make the changes one by one: after each the state may be another."""
        state = self._state
        if not state.running:
            return
        words = f"ContrastSeg: {state.message or state.stage or 'preparing'}"
        if self._bar is None:
            # without a window tqdm would print to the terminal
            self._bar = progress(total=PARTS, desc=words, file=io.StringIO())
            self._hold_wheel()
            yield
        bar = self._bar
        if bar.desc.rstrip(": ") != words:
            bar.set_description(words)
            yield
        moved = round(PARTS * state.fraction) - bar.n
        if moved > 0:
            bar.update(moved)

    def _hold_wheel(self) -> None:
        """Hold napari's turning wheel still where the window is drawn by software.

        For each of its frames the whole window is put together again, which takes a
        good part of a core from the training.
        """
        parent = self.parent()
        window = parent.window() if isinstance(parent, QWidget) else None
        bar = window.statusBar() if isinstance(window, QMainWindow) else None
        if bar is None or not draws_with_llvm():
            return
        for label in bar.findChildren(QLabel):
            movie = label.movie()
            if movie is not None:
                movie.setPaused(True)

    def _take_away(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def close(self) -> None:
        """Take the bar away, and show no more."""
        self._closed = True
        self._soon.stop()
        if not self._showing:
            self._take_away()
