"""Marking a slice done on which nothing is labelled: asked about, each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.notify import notify_errors
from napari_contrastseg.ui.widgets.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.ui.workspace import Workspace


class MarkDone(QObject):
    """Key D: asks before a whole slice becomes background; D again is yes.

    Parameters
    ----------
    workspace : Workspace
    toggle : callable
        Marks the shown slice done, or not done.
    """

    def __init__(self, workspace: Workspace, toggle: Callable[[], None]) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._toggle = toggle
        self._notice: Notice | None = None
        workspace.session_closing.connect(self._withdraw)
        workspace.slice_changed.connect(self._withdraw)

    def press(self) -> None:
        """Mark the shown slice done, or not; ask where nothing is labelled on it.

        Pressed again while the question stands, the answer is yes.
        """
        workspace = self._workspace
        if workspace.active is None:
            return
        with notify_errors():
            self._press(*workspace.need_shown_slice())

    def _press(self, volume_id: str, index: int) -> None:
        record = self._workspace.session.records[volume_id]
        untouched = record.status[index] == Status.UNTOUCHED
        if not untouched or record.locked[index]:
            self._toggle()
        elif self._notice is None:
            self._ask(index, proposed=record.proposal is not None)
        elif self._workspace.questions.waiting is self._notice:
            self._agree()

    def _ask(self, index: int, *, proposed: bool) -> None:
        instead = (
            " To take what is proposed there, press A instead." if proposed else ""
        )
        self._notice = Notice(
            f"Nothing is labelled on slice {index}. Done means that all of it is "
            f"background. Mark it done?{instead}",
            ("All background  D", "Leave it"),
            ("There is nothing of any class on this slice", "Nothing changes"),
        )
        self._workspace.questions.ask(self._notice, self._agree, self._withdraw)

    def _agree(self) -> None:
        self._withdraw()
        self._toggle()

    def _withdraw(self) -> None:
        """Ask no longer: the answer was given, or another slice is shown."""
        notice, self._notice = self._notice, None
        if notice is not None:
            self._workspace.questions.withdraw(notice)
