"""The window with a phantom: its name, what was said last, its exports, when idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import notification_manager

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

NAME = "phantom_001"


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
