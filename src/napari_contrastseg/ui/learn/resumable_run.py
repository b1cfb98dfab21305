"""The run that a session's folder keeps: begun, found again, deleted when over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_contrastseg.tasks.resumable import RUN, forget_run, is_kept, unfinished

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds between two looks at whether the round is on the disk.
LOOK_MS = 1000


class ResumableRun(QObject):
    """Knows where a run is kept, so that it can go on after a crash or a cancel.

    Attributes
    ----------
    is_ours : bool
        Whether the folder of the run that has begun is still this window's.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._begun_in: Path | None = None
        self._over: Path | None = None
        self.is_ours = True
        self._closed = False
        workspace.saving_changed.connect(self._on_kept)

    @property
    def folder(self) -> Path | None:
        """Where the session's run is, or would be; None while nothing is kept."""
        folder = self._workspace.folder
        return folder / RUN if folder is not None else None

    @property
    def words(self) -> str:
        """Where a run stopped that can go on; ``""`` where there is none."""
        folder = self.folder
        return unfinished(folder) if folder and folder != self._over else ""

    @property
    def is_kept(self) -> bool:
        """Whether what is under way can go on after the window is closed."""
        return self._begun_in is not None and is_kept(self._begun_in)

    def begin(self) -> None:
        """Keep a run here, as long as no other window takes the folder over."""
        self._begun_in, self._over, self.is_ours = self.folder, None, True

    def leave(self) -> None:
        """Let the folder be: a task begins that is not kept."""
        self._begun_in = None

    def forget(self) -> None:
        """Delete a run that has become a round, as soon as the round is on the disk.

        Not where another run has begun there, or another window has the folder.
        """
        self._over = self._begun_in
        if self._over is not None:
            self._forget(self._over)

    def close(self) -> None:
        """Touch nothing any more."""
        self._closed = True

    def _forget(self, folder: Path) -> None:
        ours = folder == self._begun_in == self.folder
        if self._closed or self._workspace.busy or not ours:
            return
        if self._workspace.is_written:
            forget_run(folder)
        else:
            QTimer.singleShot(LOOK_MS, partial(self._forget, folder))

    def _on_kept(self) -> None:
        """Notice when another window has taken the session's folder over."""
        if self._begun_in is not None and self.folder != self._begun_in:
            self.is_ours = False
