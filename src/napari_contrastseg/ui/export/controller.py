"""Step Export: writes the session, in any of the ways that are found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.derived import words_of_sources
from napari_contrastseg.tasks.exports import Output, catalogue, export_named
from napari_contrastseg.ui.export.panel import ExportPanel
from napari_contrastseg.ui.notify import busy_cursor, notify_errors, notify_info

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.ui.export.panel import ExportSettings
    from napari_contrastseg.ui.workspace import Workspace


class ExportController(QObject):
    """The intents of step Export."""

    title = "Export"

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self.panel = ExportPanel()
        self.panel.export_requested.connect(self.export)

    def refresh(self) -> None:
        """Show what can be exported."""
        self.panel.setMissing(missing(self._workspace.session))
        self.panel.setRest(words_of_sources(self._workspace.session))

    def close(self) -> None:
        """Nothing runs on in this step."""

    def export(self) -> None:
        """Write what was chosen."""
        export_session(self._workspace.session, self.panel.value())


def missing(session: Session) -> dict[str, str | None]:
    """Say of each export what the session lacks for it, if anything."""
    return {name: export.missing(session) for name, export in catalogue().items()}


def export_session(session: Session, settings: ExportSettings) -> None:
    """Write what was chosen, and say where it is."""
    with notify_errors():
        if settings.folder is None:
            raise InputError("Name a folder to export to first.")
        export = export_named(settings.export)
        options = settings.options if settings.options is not None else export.options
        output = Output(settings.folder, settings.overwrite)
        with busy_cursor():
            written = list(export.write(session, options, output))
        folder = Path(os.path.commonpath([path.parent for path in written]))
        files = plural(len(written), "file")
        notify_info(f"{export.title}: {files} written to {folder}.")
