"""Voxel size: three sides and a unit, of a volume whose file knows no place."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QWidget

from napari_contrastseg.ui.widgets.forms import button, choice, explain

#: Length of each unit in mm.
UNITS: Final = {"mm": 1.0, "µm": 1e-3, "nm": 1e-6}
_LONGEST: Final = 1e6
_AXES: Final = ("z", "y", "x")
#: In mm; what is smaller is shown in the next smaller unit.
_SMALL: Final = 0.01
#: Else napari's style makes the row too wide for the dock on a small screen.
_NARROW: Final = "QDoubleSpinBox { min-width: 36px; padding: 0px 2px; }"
_LEAST: Final = 48

VoxelSize = tuple[float, float, float]


class VoxelSizeForm(QWidget):
    """Edits the size of a voxel along each array axis, in mm.

    Signals
    -------
    chosen : VoxelSize
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sides = [self._side(axis) for axis in _AXES]
        self.unit = choice(UNITS, "Unit of these lengths", "unit")
        self.unit.setMinimumContentsLength(2)
        self.set = button(
            "set", "Take this as the size of a voxel", self._choose, "set voxel size"
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (*self.sides, self.unit, self.set):
            layout.addWidget(widget)

    def _side(self, axis: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setDecimals(4)
        box.setRange(1e-4, _LONGEST)
        box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        box.setStyleSheet(_NARROW)
        box.setMinimumWidth(_LEAST)
        explain(box, f"Length of a voxel along {axis}", f"voxel size along {axis}")
        return box

    def _choose(self) -> None:
        self.chosen.emit(self.value())

    def value(self) -> VoxelSize:
        """Return the sides in mm."""
        unit = UNITS[self.unit.currentText()]
        z, y, x = (box.value() * unit for box in self.sides)
        return (z, y, x)

    def setValue(self, size: VoxelSize) -> None:  # noqa: N802
        """Show a size in the unit that it is best read in."""
        fits = [name for name, mm in UNITS.items() if min(size) >= _SMALL * mm]
        name = fits[0] if fits else "nm"
        self.unit.setCurrentText(name)
        for box, length in zip(self.sides, size, strict=True):
            box.setValue(length / UNITS[name])
