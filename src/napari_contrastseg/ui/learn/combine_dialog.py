"""Dialog that names a method with the pretraining of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel

from napari_contrastseg.recipes import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QWidget

    from napari_contrastseg.learning.plan.stage import Recipe

_ABOUT = (
    "The second method's pretraining runs first; the first method's own stages go on "
    "from its weights."
)


class CombineDialog(QDialog):
    """Edits a name like ``mixup@chaitanya2020``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("With another's pretraining")
        recipes = list(catalogue().values())
        self.tuned = _box(recipes, "The method that learns from your labels")
        self.pretrained = _box(
            (recipe for recipe in recipes if recipe.pretrains),
            "The method whose pretraining comes first",
        )
        about = QLabel(_ABOUT)
        about.setWordWrap(True)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QFormLayout(self)
        layout.addRow(about)
        layout.addRow("method", self.tuned)
        layout.addRow("pretrained as", self.pretrained)
        layout.addRow(buttons)
        self.setValue("mixup@chaitanya2020")

    def value(self) -> str:
        """Return the name of both."""
        return f"{self.tuned.currentData()}@{self.pretrained.currentData()}"

    def setValue(self, name: str) -> None:  # noqa: N802
        """Show two methods by the name of both."""
        for box, part in zip(
            (self.tuned, self.pretrained), name.split("@"), strict=True
        ):
            box.setCurrentIndex(box.findData(part))


def ask_for_two(parent: QWidget) -> str | None:
    """Let a person choose two methods; None where they chose none."""
    dialog = CombineDialog(parent)
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    dialog.deleteLater()
    return dialog.value() if accepted else None


def _box(recipes: Iterable[Recipe], tip: str) -> QComboBox:
    box = QComboBox()
    box.setToolTip(tip)
    for recipe in recipes:
        box.addItem(recipe.title, recipe.name)
    return box
