"""The steps as tabs; one that has something new may be marked with an asterisk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_contrastseg.ui.widgets.column import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK: Final = " *"
#: Narrower than napari's: all steps are seen side by side on a small screen.
_STYLE: Final = "QTabBar::tab { padding: 4px 5px; margin: 0px 1px 0px 0px; }"


class StepTabs(QTabWidget):
    """Shows one step at a time.

    Parameters
    ----------
    steps : mapping of str to QWidget
        Panels by the steps' titles, in order.
    """

    def __init__(
        self, steps: Mapping[str, QWidget], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._titles = list(steps)
        self._pages = {title: _page(panel) for title, panel in steps.items()}
        self.setDocumentMode(True)
        self.setUsesScrollButtons(False)
        self.setElideMode(Qt.TextElideMode.ElideNone)
        for title, page in self._pages.items():
            index = self.addTab(page, title)
            self.setTabToolTip(index, f"Step {title}")
        bar = self.tabBar()
        if bar is not None:
            bar.setStyleSheet(_STYLE)  # of the whole takes much longer
            bar.setDrawBase(False)
            bar.setAccessibleName("Steps")
        self.currentChanged.connect(self._unmark)

    @property
    def shown(self) -> str:
        """Title of the step that is shown."""
        return self._titles[self.currentIndex()]

    def page(self, title: str) -> Column:
        """Return what scrolls a step's panel."""
        return self._pages[title]

    def show_step(self, title: str) -> None:
        """Show a step."""
        self.setCurrentIndex(self._titles.index(title))

    def mark(self, title: str, why: str) -> None:
        """Say at a tab that is not shown that there is something new."""
        if title != self.shown:
            index = self._titles.index(title)
            self.setTabText(index, title + _MARK)
            self.setTabToolTip(index, f"Step {title}: {why}")

    def marked(self, title: str) -> bool:
        """Whether a step has something new."""
        return self.tabText(self._titles.index(title)).endswith(_MARK)

    def unmark(self) -> None:
        """Forget what was new in all steps."""
        for index in range(self.count()):
            self._unmark(index)

    def _unmark(self, index: int) -> None:
        self.setTabText(index, self._titles[index])
        self.setTabToolTip(index, f"Step {self._titles[index]}")


def _page(panel: QWidget) -> Column:
    """Put a panel at the top of a page."""
    inner = QWidget()
    lines = QVBoxLayout(inner)
    lines.setContentsMargins(0, 0, 0, 0)
    lines.addWidget(panel)
    lines.addStretch(1)
    return Column(inner)
