"""A heading that folds away what is under it: what is set once, or seldom needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

_OPEN, _SHUT = (
    "\N{BLACK DOWN-POINTING SMALL TRIANGLE}",
    "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}",
)
_STYLE = "QPushButton { text-align: left; background: transparent; padding: 2px; }"


class Fold(QWidget):
    """Shows a title; a click on it shows or hides the content.

    Parameters
    ----------
    title : str
    tip : str
        What is in it.
    """

    def __init__(self, title: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._content = QWidget()
        self._make: Callable[[], QWidget] | None = None
        self.heading = QPushButton()
        self.heading.setStyleSheet(_STYLE)
        self.heading.setCheckable(True)
        self.heading.setToolTip(tip)
        self.heading.setAccessibleName(title)
        policy = QSizePolicy.Policy
        self.heading.setSizePolicy(policy.Minimum, policy.Fixed)
        self.heading.toggled.connect(self._show)
        self._lines = QVBoxLayout(self)
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(2)
        self._lines.addWidget(self.heading)
        self._lines.addWidget(self._content)
        self._show(False)

    def content(self) -> QWidget:
        """Return what is under the title."""
        self._make_content()
        return self._content

    def setMaker(self, make: Callable[[], QWidget]) -> None:  # noqa: N802
        """Put something else under the title, made when it is first opened."""
        self._make = make
        self._show(self.is_open)

    def _make_content(self) -> None:
        if self._make is not None:
            self.setContent(self._make())

    def setContent(self, content: QWidget) -> None:  # noqa: N802
        """Put something else under the title."""
        self._lines.replaceWidget(self._content, content)
        self._content.hide()
        self._content.deleteLater()
        self._content, self._make = content, None
        self._show(self.is_open)

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.heading.isChecked()

    def unfold(self, on: bool = True) -> None:
        """Show the content, or hide it."""
        self.heading.setChecked(on)

    def _show(self, on: bool) -> None:
        if on:
            self._make_content()
        self.heading.setText(f"{_OPEN if on else _SHUT} {self._title}")
        self._content.setVisible(on)
