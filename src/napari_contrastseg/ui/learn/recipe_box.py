"""A list of methods: the default first, the others behind "more methods"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.recipes import DEFAULT, catalogue, recipe_named
from napari_contrastseg.ui.learn.combine_dialog import ask_for_two
from napari_contrastseg.ui.widgets.forms import NARROW, explain, keep_narrow

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_contrastseg.learning.plan.stage import Recipe

TOOLTIP: Final = Qt.ItemDataRole.ToolTipRole
GROUPS: Final = {"paper": "from papers", "baseline": "to compare with"}
MORE: Final = "more methods ..."
#: Opens a dialog of two methods.
TWO: Final = "with another's pretraining ..."


class RecipeBox(QComboBox):
    """Edits the name of a recipe."""

    valueChanged = Signal(str)  # noqa: N815

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "The method; the one recommended, and those of papers"
        explain(self, tip, "method")
        keep_narrow(self)
        self.setStyleSheet(NARROW)
        self._fill(every=False)
        self._last = self.value()
        self.currentIndexChanged.connect(self._changed)

    def value(self) -> str:
        """Return the name of what is chosen."""
        return str(self.currentData())

    def setValue(self, name: str) -> None:  # noqa: N802
        """Choose by name; an unknown name changes nothing."""
        if name in catalogue() and self.findData(name) < 0:
            self._fill(every=True)
        if "@" in name and self.findData(name) < 0:
            self._add(name)
        found = self.findData(name)
        if found >= 0:
            self.setCurrentIndex(found)

    def recipe(self) -> Recipe:
        """Return what is chosen."""
        return recipe_named(self.value())

    def _add(self, name: str) -> None:
        """Add a method with the pretraining of another, where there are both."""
        try:
            recipe = recipe_named(name)
        except InputError:
            return
        self.addItem(recipe.title, name)
        self.setItemData(self.count() - 1, recipe.summary, TOOLTIP)

    def _fill(self, *, every: bool) -> None:
        blocked = self.blockSignals(True)
        self.clear()
        self.addItem(catalogue()[DEFAULT].title, DEFAULT)
        if not every:
            self.addItem(MORE)
        for group, heading in GROUPS.items() if every else ():
            self.insertSeparator(self.count())
            self.addItem(heading)
            model = self.model()
            assert isinstance(model, QStandardItemModel)
            title = model.item(self.count() - 1)
            assert title is not None
            title.setEnabled(False)
            for recipe in catalogue().values():
                if recipe.group == group and recipe.name != DEFAULT:
                    self.addItem(recipe.title, recipe.name)
                    about = recipe.paper or recipe.summary
                    self.setItemData(self.count() - 1, about, TOOLTIP)
        if every:
            self.insertSeparator(self.count())
            self.addItem(TWO)
        self.blockSignals(blocked)

    def _changed(self) -> None:
        if self.currentText() == MORE:
            self._fill(every=True)
            self.showPopup()
        if self.currentText() == TWO:
            self.setValue(self._last)
            self.setValue(ask_for_two(self) or self._last)
            return
        self._last = self.value()
        self.valueChanged.emit(self.value())
