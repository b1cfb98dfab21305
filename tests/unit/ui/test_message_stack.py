"""napari's messages do not lie over each other, and none stays for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.utils.notifications import Notification, notification_manager
from qtpy.QtCore import QAbstractAnimation
from qtpy.QtWidgets import QWidget

from napari_contrastseg.ui.widgets.message_stack import MessageStack

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def window(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> QWidget:
    """A window in front, in which messages stay for a moment."""
    made = QWidget()
    qtbot.addWidget(made)
    made.resize(700, 500)
    made.show()
    monkeypatch.setattr(made, "isActiveWindow", lambda: True)
    monkeypatch.setattr(NapariQtNotification, "DISMISS_AFTER", 1500)
    return made


def tell() -> None:
    """Say to who hears of messages that there is one."""
    notification_manager.notification_ready(Notification("a message"))


def test_messages_stand_above_each_other_and_all_of_them_go(
    window: QWidget, qtbot: QtBot
) -> None:
    stack = MessageStack(lambda: window)
    shown = [
        NapariQtNotification(f"message {n}", "info", parent=window) for n in range(3)
    ]
    gone: list[int] = []
    for number, message in enumerate(shown):
        message.destroyed.connect(lambda _=None, number=number: gone.append(number))
        message.show()
    stack.tidy()  # as on a computer that is slow: they slide still

    def slid() -> bool:
        running = QAbstractAnimation.State.Running
        return all(message.geom_anim.state() != running for message in shown)

    def apart() -> bool:
        tops = [message.geometry().top() for message in shown]
        ends = [message.geometry().bottom() for message in shown]
        return bool(ends[0] < tops[1] and ends[1] < tops[2])

    qtbot.waitUntil(slid)
    assert apart()
    tell()
    qtbot.waitUntil(lambda: sorted(gone) == [0, 1, 2], timeout=20_000)
    stack.close()
    tell()
