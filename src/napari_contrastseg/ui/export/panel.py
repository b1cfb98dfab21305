"""Step Export: masks and model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_contrastseg.ui.widgets.forms import (
    button,
    enable,
    folder_field,
    folder_in,
    row,
)

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = {"NIfTI (.nii.gz)": ".nii.gz", "TIFF (.tif)": ".tif"}


@dataclass(frozen=True)
class ExportSettings:
    """What to write where.

    Attributes
    ----------
    ending : str
    complete : bool
        Fill what nobody labelled with the prediction.
    origin : bool
        Write beside each mask where its labels came from.
    """

    folder: Path | None
    ending: str = ".nii.gz"
    complete: bool = True
    overwrite: bool = False
    origin: bool = False


class ExportPanel(QWidget):
    """Edits `ExportSettings`."""

    masks_requested = Signal()
    model_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder = folder_field("folder to write to")
        self.format = QComboBox()
        self.format.addItems(list(ENDINGS))
        self.format.setToolTip("NIfTI keeps the affine of a NIfTI source")
        self.content = QComboBox()
        self.content.addItems(["labels, rest predicted", "labels only"])
        self.content.setToolTip(
            "Whether voxels nobody labelled hold the current round's prediction"
        )
        self.overwrite = QCheckBox("overwrite")
        self.overwrite.setToolTip("Replace files that are there already")
        self.origin = QCheckBox("with origins")
        self.origin.setToolTip(
            "Beside each mask a file NAME_origin: 1 painted, 2 corrected, 3 accepted, "
            "0 neither"
        )
        self.masks = button(
            "Export masks", "One mask a volume", self.masks_requested.emit
        )
        self.model = button(
            "Export model",
            "A folder that contrastseg predict and this window open",
            self.model_requested.emit,
        )
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("folder", self.folder.native)
        form.addRow("format", row(self.format, self.overwrite, stretch=0))
        form.addRow("content", row(self.content, self.origin, stretch=0))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)
        layout.addWidget(row(self.masks, self.model))
        self.setReady(volumes=False, model=False)

    def value(self) -> ExportSettings:
        """Return what was chosen."""
        return ExportSettings(
            folder_in(self.folder),
            ENDINGS[self.format.currentText()],
            self.content.currentIndex() == 0,
            self.overwrite.isChecked(),
            self.origin.isChecked(),
        )

    def setValue(self, value: ExportSettings) -> None:  # noqa: N802
        """Show a choice."""
        self.folder.value = value.folder
        self.format.setCurrentIndex(list(ENDINGS.values()).index(value.ending))
        self.content.setCurrentIndex(0 if value.complete else 1)
        self.overwrite.setChecked(value.overwrite)
        self.origin.setChecked(value.origin)

    def setReady(self, *, volumes: bool, model: bool) -> None:  # noqa: N802
        """Enable what can be exported."""
        enable(self.masks, None if volumes else "Add a volume first")
        enable(self.model, None if model else "Train a round first")
