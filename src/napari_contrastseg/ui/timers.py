"""Debouncing: several changes are answered once, a moment after the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable


def single_shot(
    slot: Callable[[], object], milliseconds: int = 0, parent: QObject | None = None
) -> QTimer:
    """Make a timer that calls `slot` once, `milliseconds` after its last `start`."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(slot)
    return timer
