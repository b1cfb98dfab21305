"""A run's progress in napari's activity dock."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from napari.utils import progress
from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from napari_contrastseg.ui.learn.panel_state import LearnState

#: Parts of a whole run that the bar shows.
PARTS: Final = 1000


class RunActivity(QObject):
    """Shows a `LearnState` as one of napari's progress bars while something runs."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bar: progress | None = None
        self._words = ""

    def setState(self, state: LearnState) -> None:  # noqa: N802
        """Show how far a run is, or nothing."""
        if not state.running:
            self.close()
            return
        words = f"ContrastSeg: {state.message or state.stage or 'preparing'}"
        if self._bar is None:
            # without a window tqdm would print to the terminal
            self._bar = progress(total=PARTS, desc=words, file=io.StringIO())
        elif words != self._words:
            self._bar.set_description(words)
        self._words = words
        moved = round(PARTS * state.fraction) - self._bar.n
        if moved > 0:
            self._bar.update(moved)

    def close(self) -> None:
        """Take the bar away."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()
