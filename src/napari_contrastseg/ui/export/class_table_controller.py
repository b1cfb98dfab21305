"""Counts the session's classes in a thread, and shows the table of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.class_counts import (
    Counted,
    count_classes,
    count_request,
    table_of,
    write_csv,
)
from napari_contrastseg.tasks.drive import Failed
from napari_contrastseg.ui.export.class_table import ClassTable
from napari_contrastseg.ui.notify import notify_error, notify_errors, notify_info
from napari_contrastseg.ui.worker import LatestTask

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_contrastseg.ui.workspace import Workspace


class ClassTableController(QObject):
    """Opens the table; counts when it is asked to, and when a round has ended."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.table: ClassTable | None = None
        self.runner = LatestTask(self)
        self.runner.happened.connect(self._on_event)
        self.runner.ended.connect(self._on_ended)
        workspace.proposals_shown.connect(self._on_round)
        workspace.session_replaced.connect(self._on_round)

    def open(self, parent: QWidget) -> None:
        """Show the table above the window that `parent` is in, and count."""
        with notify_errors():
            if not self._workspace.session.all_records:
                raise InputError("Add a volume first.")
            if self.table is None:
                self.table = ClassTable(parent.window())
                self.table.refresh_requested.connect(self.count)
                self.table.save_requested.connect(self._ask_file)
            self.table.show()
            self.table.raise_()
            self.count()

    def close(self) -> None:
        """Stop counting and take the table away."""
        self.runner.close()
        if self.table is not None:
            self.table.close()
            self.table.deleteLater()
            self.table = None

    def count(self) -> None:
        """Count the session as it is now."""
        if self.table is not None:
            self.table.setProgress("Counting")
            self.runner.start(count_classes(count_request(self._workspace.session)))

    def save(self, path: Path) -> None:
        """Write the table that is shown."""
        if self.table is not None:
            with notify_errors():
                write_csv(path, *self.table.value())
                notify_info(f"Table of classes: written to {path}.")

    def _ask_file(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self.table, "Save the table of classes", "classes.csv", "CSV (*.csv)"
        )
        if chosen:
            path = Path(chosen)
            self.save(path if path.suffix else path.with_suffix(".csv"))

    def _on_round(self) -> None:
        if self.table is not None and self.table.isVisible():
            self.count()

    def _on_event(self, event: Any) -> None:
        if self.table is None:
            return
        if isinstance(event, Counted):
            self.table.setValue(*table_of(event.rows))
        else:
            self.table.setProgress(f"Counting: {event.fraction:.0%}")

    def _on_ended(self, outcome: Any) -> None:
        self.runner.wait()
        if self.table is not None and not self.runner.replaced:
            self.table.setProgress("")
        if isinstance(outcome, Failed):
            notify_error(outcome.message)
