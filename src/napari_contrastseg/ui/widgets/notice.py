"""Questions at the top of the dock, one after the other: nothing modal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.ui.in_window import in_window
from napari_contrastseg.ui.widgets.forms import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

#: Items of a list that are seen at once, and pixels around each.
_SEEN: Final = 6
_AROUND: Final = 2


@dataclass(frozen=True)
class Notice:
    """What is asked.

    Attributes
    ----------
    text : str
    answers : tuple of str
        Words on the buttons.
    tooltips : tuple of str
    items : tuple of str
        Further answers, in a list, one of which a click takes; they are numbered after
        the buttons.
    """

    text: str
    answers: tuple[str, ...]
    tooltips: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


def cpu_notice(message: str) -> Notice:
    """Ask whether a run whose GPU's memory ended goes on on the CPU."""
    return Notice(
        message,
        ("Go on on the CPU", "Leave it"),
        ("From where it stopped; slower", "The run is kept: see Resume"),
    )


def lost_notice(message: str, where: str) -> Notice:
    """Ask where a run goes on that was cut off from its cluster."""
    return Notice(
        f"{message} The run {where}.",
        ("Go on there", "Go on here", "Leave it"),
        (
            "From its last checkpoint, once the cluster answers again",
            "From its last checkpoint, on this computer",
            "The run is kept: see Resume",
        ),
    )


def unfinished_notice(where: str) -> Notice:
    """Ask whether a run that was cut off goes on."""
    return Notice(
        f"This session holds a run that {where}.",
        ("Resume", "Later"),
        ("Go on with it", "Resume, beside Run round, goes on with it"),
    )


def missing_notice(notes: Sequence[str], folder: Path) -> Notice:
    """Say what of a session could not be read, until someone has seen it.

    Its files are named by their place in the session's folder.
    """
    words = "\n".join(note.replace(f"{folder}{os.sep}", "") for note in notes)
    return Notice(words, ("Close",), ("You have read this",))


@dataclass(frozen=True)
class Question:
    """A notice, what each answer does, and the layers without which it is void."""

    notice: Notice
    answers: tuple[Callable[[], None], ...]
    layers: tuple[object, ...] = ()


class Questions(QObject):
    """Questions that wait for an answer, one after the other.

    Signals
    -------
    asked : Notice or None
        The question that waits now.
    """

    asked = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[Question] = []

    @property
    def waiting(self) -> Notice | None:
        """The question that waits for an answer now."""
        return self._waiting[0].notice if self._waiting else None

    def ask(
        self,
        notice: Notice,
        *answers: Callable[[], None],
        layers: Sequence[object] = (),
    ) -> None:
        """Ask something once the questions before it have been answered.

        It is asked no longer once one of `layers` was removed: see `forget_layer`.
        """
        self._waiting.append(Question(notice, answers, tuple(layers)))
        self._show_first()

    def drop(self) -> None:
        """Forget all questions."""
        self._waiting.clear()
        self._show_first()

    def forget_layer(self, layer: object) -> None:
        """Ask nothing more about a layer that was removed."""
        left = [q for q in self._waiting if layer not in q.layers]
        if len(left) < len(self._waiting):
            self._waiting = left
            self._show_first()

    def withdraw(self, notice: Notice) -> None:
        """Ask this no longer, if it was not answered yet."""
        self._waiting = [q for q in self._waiting if q.notice is not notice]
        self._show_first()

    def answer(self, index: int) -> None:
        """Do what the answer to the question that waits means."""
        if self._waiting:
            question = self._waiting.pop(0)
            self._show_first()
            question.answers[index]()

    def _show_first(self) -> None:
        self.asked.emit(self.waiting)


class NoticeBar(QFrame):
    """Shows a `Notice`; hidden while there is none.

    Signals
    -------
    answered : number of the button, or after these of the item
    """

    answered = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: Notice | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.buttons: list[QPushButton] = []
        self._row = QHBoxLayout()
        layout = QVBoxLayout(self)
        self.items = QListWidget()
        explain(self.items, "Click what you mean", "answers")
        self.items.setSpacing(_AROUND)
        self.items.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.items.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.items.itemClicked.connect(self._take)
        layout.addWidget(self.text)
        layout.addWidget(self.items)
        layout.addLayout(self._row)
        self.setValue(None)

    def value(self) -> Notice | None:
        """Return what is asked."""
        return self._value

    def setValue(self, notice: Notice | None) -> None:  # noqa: N802
        """Ask something, or nothing."""
        self._value = notice
        for old in self.buttons:
            self._row.removeWidget(old)
            old.deleteLater()
        self.buttons = []
        self.items.clear()
        self.setVisible(notice is not None)
        if notice is None:
            return
        self.text.setText(in_window(notice.text))
        self._fill(notice.items)
        for number, words in enumerate(notice.answers):
            made = QPushButton(words)
            tip = notice.tooltips[number] if number < len(notice.tooltips) else words
            explain(made, tip, words)
            made.clicked.connect(partial(self._answer, number))
            self._row.addWidget(made)
            self.buttons.append(made)

    def _fill(self, items: tuple[str, ...]) -> None:
        """List the items; no more of them are seen at once than fit a small screen."""
        self.items.setVisible(bool(items))
        for words in items:
            item = QListWidgetItem(words)
            item.setToolTip(words)
            self.items.addItem(item)
        if items:
            height = self.items.sizeHintForRow(0) + 2 * _AROUND
            seen = min(len(items), _SEEN)
            self.items.setFixedHeight(height * seen + 2 * self.items.frameWidth() + 2)

    def _take(self, item: QListWidgetItem) -> None:
        assert self._value is not None
        self.answered.emit(len(self._value.answers) + self.items.row(item))

    def _answer(self, number: int, _checked: bool = False) -> None:
        self.answered.emit(number)
