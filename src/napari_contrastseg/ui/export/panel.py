"""Step Export: choose what to export, its options, and where to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_contrastseg.tasks.exports import catalogue
from napari_contrastseg.ui.widgets.forms import (
    button,
    enable,
    explain,
    folder_field,
    folder_in,
    in_rows,
    keep_narrow,
    note,
    row,
)
from napari_contrastseg.ui.widgets.settings_form import settings_form

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from magicgui.widgets import Container


@dataclass(frozen=True)
class ExportSettings:
    """What to write where.

    Attributes
    ----------
    folder : Path or None
    export : str
        Name of the export.
    options : its options, or None
        None means the defaults.
    """

    folder: Path | None
    export: str = "masks"
    options: Any = None
    overwrite: bool = False


class ExportPanel(QWidget):
    """Edits `ExportSettings`; lists the exports that are found.

    Signals
    -------
    export_requested, cancel_requested, table_requested : ()
    """

    export_requested = Signal()
    table_requested = Signal()
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._missing: Mapping[str, str | None] = {}
        self._under_way = False
        self.folder = folder_field("folder to write to", "Where the files are written")
        self.overwrite = QCheckBox("overwrite")
        tip = "Replace files that are there already"
        explain(self.overwrite, tip, "overwrite")
        self.kind = QComboBox()
        explain(self.kind, "What to export", "export")
        keep_narrow(self.kind)
        self._forms: dict[str, Container[Any]] = {}
        self.pages: dict[str, QWidget] = {}
        for index, (name, export) in enumerate(catalogue().items()):
            self.kind.addItem(export.title, name)
            self.kind.setItemData(index, export.summary, Qt.ItemDataRole.ToolTipRole)
        self.rest = note()
        self.run = button("Export", "", self.export_requested.emit)
        self.table = button(
            "Table of classes ...",
            "Voxels, volume, slices done and more of each class; to copy or save",
            self.table_requested.emit,
        )
        self._make_progress()
        self.kind.currentIndexChanged.connect(self._show)
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("folder", self.folder.native)
        form.addRow("export", row(self.kind, self.overwrite, stretch=0))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)
        self._place = QVBoxLayout()
        layout.addLayout(self._place)
        layout.addWidget(self.rest)
        layout.addWidget(self.run)
        layout.addWidget(self.progress)
        layout.addWidget(self.table)
        self.choose("masks")
        self._show()

    def _make_progress(self) -> None:
        self.text = note()
        bar = QProgressBar()
        bar.setRange(0, 0)  # how long a file takes is not known before
        tip = "An export is being written; you may go on annotating"
        explain(bar, tip, "progress of the export")
        self.cancel = button(
            "Cancel",
            "End after the file that is being written",
            self.cancel_requested.emit,
            "cancel export",
        )
        self.progress = QWidget()
        lines = QVBoxLayout(self.progress)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.addWidget(self.text)
        lines.addWidget(row(bar, self.cancel, stretch=0))
        self.progress.hide()

    def form(self, name: str) -> Container[Any]:
        """Give the form of an export's options, made when it is first needed."""
        if name not in self._forms:
            fields = settings_form(catalogue()[name].options)
            page = in_rows(fields)
            if hasattr(fields, "complete"):
                fields["complete"].changed.connect(self._show_rest)
            self._place.addWidget(page)
            self._forms[name], self.pages[name] = fields, page
        return self._forms[name]

    def choose(self, name: str) -> None:
        """Show an export and its options."""
        self.kind.setCurrentIndex(self.kind.findData(name))

    def value(self) -> ExportSettings:
        """Return what was chosen."""
        name = str(self.kind.currentData())
        options = replace(catalogue()[name].options, **self.form(name).asdict())
        return ExportSettings(
            folder_in(self.folder), name, options, self.overwrite.isChecked()
        )

    def setValue(self, value: ExportSettings) -> None:  # noqa: N802
        """Show a choice."""
        self.folder.value = value.folder
        self.choose(value.export)
        if value.options is not None:
            for widget in self.form(value.export):
                widget.value = getattr(value.options, widget.name)
        self.overwrite.setChecked(value.overwrite)

    def setMissing(self, missing: Mapping[str, str | None]) -> None:  # noqa: N802
        """Enable what can be exported; say what the others lack."""
        if missing != self._missing:
            self._missing = missing
            self._show()

    def setRest(self, words: str) -> None:  # noqa: N802
        """Say where voxels come from that nobody labelled; "" where it is plain."""
        self.rest.setText(words)
        self._show_rest()

    def setProgress(self, words: str) -> None:  # noqa: N802
        """Say how far an export is; "" when none is being written."""
        self._under_way = bool(words)
        self.text.setText(words)
        self.progress.setVisible(self._under_way)
        self._show()

    def _show_rest(self) -> None:
        options = self.value().options
        complete = getattr(options, "complete", False)
        self.rest.setVisible(bool(self.rest.text() and complete))

    def _show(self) -> None:
        name = str(self.kind.currentData())
        self.form(name)
        for other, page in self.pages.items():
            page.setVisible(other == name)
        self.run.setProperty("tip", catalogue()[name].summary)
        why_not = self._missing.get(name, "Add a volume first")
        busy = "An export is being written" if self._under_way else None
        enable(self.run, busy or why_not)
        self._show_rest()
