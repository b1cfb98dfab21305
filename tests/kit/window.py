"""The window with a phantom: its name, what was said last, its exports, when idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import notification_manager

from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session

NAME = "phantom_001"


def label_three_slices(session: Session, sample: Sample) -> None:
    """Add a second class, and label three slices of a phantom wholly."""
    session.add_class()
    for index in (6, 8, 10):
        where = np.zeros(sample.truth.shape, bool)
        where[index] = sample.truth[index] > 0
        painting.paint(session, NAME, where, sample.truth[where])
        painting.mark(session, NAME, index, Status.DONE)


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def export(qtbot: QtBot, controller: Any, press: Callable[[], object]) -> None:
    """Press the button that exports, and wait until all is written."""
    with qtbot.waitSignal(controller.runner.ended, timeout=60_000):
        press()


def wait_idle(qtbot: QtBot, widget: Any) -> None:
    qtbot.waitUntil(
        lambda: (
            not widget.learn_controller.runner.running
            and not widget.learn_controller.state.running
        ),
        timeout=120_000,
    )
