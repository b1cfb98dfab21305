"""Step Export: writes the session in the background, in any way that is found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.derived import words_of_sources
from napari_contrastseg.session.frozen_session import frozen_session
from napari_contrastseg.tasks.drive import Cancelled, Failed
from napari_contrastseg.tasks.exports import Output, catalogue, export_named
from napari_contrastseg.ui.export.class_table_controller import ClassTableController
from napari_contrastseg.ui.export.panel import ExportPanel
from napari_contrastseg.ui.notify import (
    busy_cursor,
    notify_error,
    notify_errors,
    notify_info,
    words_of_disk,
)
from napari_contrastseg.ui.worker import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.drive import Outcome
    from napari_contrastseg.tasks.exports import Export
    from napari_contrastseg.ui.export.panel import ExportSettings
    from napari_contrastseg.ui.workspace import Workspace


class ExportController(QObject):
    """The intents of step Export; one export is written at a time."""

    title = "Export"

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._title = self._note = ""
        self._folder = Path()
        self._written: list[Path] = []
        self.runner = TaskRunner(self)
        self.runner.happened.connect(self._on_file)
        self.runner.ended.connect(self._on_ended)
        self.panel = ExportPanel()
        self.panel.export_requested.connect(self.export)
        self.panel.cancel_requested.connect(self.cancel)
        self.classes = ClassTableController(workspace)
        self.panel.table_requested.connect(self._show_classes)

    def refresh(self) -> None:
        """Show what can be exported."""
        self.panel.setMissing(missing(self._workspace.session))
        self.panel.setRest(words_of_rest(self._workspace.session))

    @property
    def under_way(self) -> str:
        """What closing the window now would cut short."""
        if not self.runner.running:
            return ""
        return (
            f"An export is being written to {self._folder}; the files that are still "
            "to come would be missing."
        )

    def close(self) -> None:
        """End the export after the file that is being written."""
        self.runner.close()
        self.classes.close()

    def _show_classes(self) -> None:
        self.classes.open(self.panel)

    def export(self) -> None:
        """Write what was chosen, as the session is now; annotating goes on."""
        settings, session = self.panel.value(), self._workspace.session
        with notify_errors():
            if settings.folder is None:
                raise InputError("Name a folder to export to first.")
            if self.runner.running:
                raise InputError("An export is being written; cancel it or wait.")
            session.need_free()  # a thread may be writing a mask into it
            export = export_named(settings.export)
            with busy_cursor():
                frozen = frozen_session(session, labels=not export.of_model)
            self._title, self._folder = export.title, settings.folder
            self._note = export.note(frozen, _options(export, settings))
            self._written = []
            self._say()
            self.runner.start(_write(export, frozen, settings, settings.folder))

    def cancel(self) -> None:
        """End after the file that is being written."""
        self.runner.cancel()
        self.panel.setProgress("Ends after the file that is being written")

    def _on_file(self, path: Path) -> None:
        self._written.append(path)
        if not self.runner.cancelled:
            self._say()

    def _say(self) -> None:
        done = f", {plural(len(self._written), 'file')} done" if self._written else ""
        self.panel.setProgress(f"Writing {self._title}{done}")

    def _on_ended(self, outcome: Outcome) -> None:
        self.runner.wait()
        self.panel.setProgress("")
        files = plural(len(self._written), "file")
        match outcome:
            case Failed():
                notify_error(outcome.message)
            case Cancelled():
                notify_info(
                    f"{self._title}: cancelled; {files} had been written to "
                    f"{self._folder}."
                )
            case _:
                folders = [path.parent for path in self._written] or [self._folder]
                folder = os.path.commonpath(folders)
                said = f"{self._title}: {files} written to {folder}."
                notify_info(f"{said} {self._note}".strip())


def missing(session: Session) -> dict[str, str | None]:
    """Say of each export what the session lacks for it, if anything."""
    return {name: export.missing(session) for name, export in catalogue().items()}


def words_of_rest(session: Session) -> str:
    """Say what stands where nobody labelled, if it is not a round's network alone."""
    words = [words_of_sources(session)]
    if session.closed:
        words.append(
            "Closed cases hold their labels alone; Predict all into a folder, in step "
            "Data, fills in the rest."
        )
    return " ".join(filter(None, words))


def _write(
    export: Export, session: Session, settings: ExportSettings, folder: Path
) -> Generator[Any, None, None]:
    """Write an export; gives each file as it is written."""
    output = Output(folder, settings.overwrite)
    try:
        yield from export.write(session, _options(export, settings), output)
    except OSError as error:
        raise InputError(words_of_disk(error)) from error


def _options(export: Export, settings: ExportSettings) -> Any:
    return settings.options if settings.options is not None else export.options
