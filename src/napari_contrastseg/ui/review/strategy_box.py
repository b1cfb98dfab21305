"""A list of query strategies: by which the next slice is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox

from napari_contrastseg.query import DEFAULT, catalogue
from napari_contrastseg.ui.widgets.forms import keep_narrow

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

TOOLTIP: Final = Qt.ItemDataRole.ToolTipRole


class StrategyBox(QComboBox):
    """Edits the name of a query strategy; its tooltip says what the strategy does."""

    valueChanged = Signal(str)  # noqa: N815  by the person alone

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        keep_narrow(self)
        self.setAccessibleName("how the next slice is chosen")
        for number, strategy in enumerate(catalogue().values()):
            self.addItem(strategy.title, strategy.name)
            self.setItemData(number, strategy.summary, TOOLTIP)
        self.currentIndexChanged.connect(self._explain)
        self.activated.connect(self._choose)
        self.setValue(DEFAULT)
        self._explain()

    def value(self) -> str:
        """Return the name of what is chosen."""
        return str(self.currentData())

    def setValue(self, name: str) -> None:  # noqa: N802
        """Choose by name; an unknown name changes nothing."""
        found = self.findData(name)
        if found >= 0:
            self.setCurrentIndex(found)

    def _choose(self) -> None:
        self.valueChanged.emit(self.value())

    def _explain(self) -> None:
        self.setToolTip(str(self.currentData(TOOLTIP)))
