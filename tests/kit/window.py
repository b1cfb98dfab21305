"""The window with a phantom: how it comes, what was said last, exports, when idle."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.dock import ContrastSegWidget
from napari_contrastseg.ui.viewer.image_layers import layer_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.session.session import Session

NAME = "phantom_001"


def add_phantom(viewer: Any, widget: Any, number: int = 1) -> Sample:
    """Add a phantom to the viewer and, with the dock's button, to the session."""
    sample = phantom(number)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    return sample


@contextmanager
def dock_without_window() -> Iterator[tuple[Any, Any]]:
    """Make the dock on napari's model of a viewer: all that needs no canvas."""
    viewer = ViewerModel()
    widget = ContrastSegWidget(viewer)
    try:
        yield viewer, widget
    finally:
        widget.shut_down()
        for part in (widget, widget.embedding):  # before the collector takes them apart
            part.hide()
            part.deleteLater()


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
