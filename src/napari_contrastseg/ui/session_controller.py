"""Opens, autosaves and recovers the session shown in the window."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.locations import (
    is_automatic,
    new_folder,
    recent_sessions,
)
from napari_contrastseg.session.storage.recovery import Lost, lost_sessions
from napari_contrastseg.session.storage.snapshot import is_session
from napari_contrastseg.ui.notify import (
    busy_cursor,
    notify_error,
    notify_errors,
    notify_info,
)
from napari_contrastseg.ui.session_reading import (
    Arrived,
    Leaving,
    Opening,
    ReadOnlyError,
    close_again,
    leave,
    leave_for_good,
    read,
    same,
    until_kept,
    until_written,
)
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.widgets.notice import Notice, missing_notice

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.storage.save_status import SaveProblem
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds until a folder that could not be made is tried again.
RETRY_MS = 5000
#: Milliseconds between two looks at whether a snapshot is due.
LOOK_MS = 1000


class SessionController(QObject):
    """Makes the autosave of the workspace's session; opens, saves, recovers."""

    _problem_reported = Signal(int, object)  # from an autosave's thread, numbered

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._session: Session | None = None
        self._made = self._adopted = 0  # numbers of autosaves
        self._numbers: WeakKeyDictionary[Autosave, int] = WeakKeyDictionary()
        self._coming: Autosave | None = None  # writes where the session will live
        self._complained = False
        self._recent = _recent()
        self._folder: Path | None = None  # where an autosave is tried again
        self._look = QTimer(self)
        self._look.setInterval(LOOK_MS)
        self._look.timeout.connect(self._on_look)
        self._look.start()
        self._retry = single_shot(self._begin, RETRY_MS, self)
        self._problem_reported.connect(
            self._on_problem, Qt.ConnectionType.QueuedConnection
        )
        workspace.session_replaced.connect(self._watch)
        self._watch()

    # -- state -----------------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """Where the session is kept."""
        return self._workspace.folder

    @property
    def words(self) -> str:
        """How the session is kept, for the panel."""
        autosave = self._workspace.autosave
        if autosave is None:
            if self._folder is not None:
                return "NOT kept on disk"
            return "will be kept from your first stroke on"
        if autosave.failing:
            return f"NOT kept: {autosave.failing}"
        return "every change is kept"

    @property
    def at_risk(self) -> bool:
        """Whether leaving now would lose something."""
        session, autosave = self._session, self._workspace.autosave
        if session is None or not session.has_work:
            return False
        if autosave is None:
            return True
        autosave.flush(5.0)
        return bool(autosave.failing) or autosave.stopped

    @property
    def under_way(self) -> str:
        """What closing the window now would cut short."""
        if self._coming is None:
            return ""
        return (
            f"The session is being saved to {self._coming.folder.name}; it would stay "
            "where it was."
        )

    @property
    def recent(self) -> tuple[str, ...]:
        """Folders of the sessions worked on lately, this one left out."""
        return tuple(f for f in self._recent if f != str(self.folder))

    def flush(self) -> bool:
        """Wait until everything is on the disk."""
        autosave = self._workspace.autosave
        return autosave is not None and autosave.flush(60.0)

    def close(self) -> None:
        """Write what is left and let go of the folder."""
        self._retry.stop()
        self._look.stop()
        self._unwatch()
        self._workspace.work.close()
        self._abandon()
        self._let_go()

    # -- from the first stroke on ----------------------------------------------

    def _watch(self) -> None:
        """Keep the workspace's session from its next change on."""
        self._unwatch()
        self._session = self._workspace.session
        self._session.entry_added.connect(self._on_entry)

    def _unwatch(self) -> None:
        if self._session is not None:
            self._session.entry_added.disconnect(self._on_entry)
            self._session = None

    def _on_entry(self, _entry: Any) -> None:
        if self._workspace.autosave is None and not self._retry.isActive():
            self._begin()

    def _begin(self) -> None:
        session, autosave = self._session, self._workspace.autosave
        if autosave is not None or session is None or not session.has_work:
            return
        if self._folder is None:
            self._folder = new_folder(next(iter(session.records), "session"))
        try:
            self._adopt(self._make(session, self._folder))
            self._complained = False
        except (InputError, OSError) as error:
            if not self._complained:
                notify_error(f"{error} Your work is NOT kept on disk meanwhile.")
            self._complained = True
            self._retry.start()
        self._workspace.saving_changed.emit()

    def _make(self, session: Session, folder: Path, **opened: Any) -> Autosave:
        """Make an autosave whose problems come back on this thread, numbered."""
        self._made += 1
        report = partial(self._problem_reported.emit, self._made)
        autosave = Autosave(session, folder, report, **opened)
        self._numbers[autosave] = self._made
        return autosave

    def _adopt(self, autosave: Autosave) -> None:
        """Save with this autosave, and hear of its problems alone."""
        self._workspace.autosave, self._adopted = autosave, self._numbers[autosave]
        self._folder = None

    def _on_look(self) -> None:
        if self._workspace.session.held:
            return  # a thread lets go of it
        for autosave in (self._workspace.autosave, self._coming):
            if autosave is not None:
                autosave.look()

    def _on_problem(self, number: int, problem: SaveProblem) -> None:
        if number != self._adopted:
            return  # of a folder that was let go
        if problem.taken_over:
            notify_error(problem.message)
            self._let_go()
            self._begin()
        elif problem.over:
            notify_info(problem.message)
        else:
            notify_error(problem.message)
        self._workspace.saving_changed.emit()

    def _let_go(self) -> bool:
        autosave, self._workspace.autosave = self._workspace.autosave, None
        self._adopted = 0
        if autosave is None:
            return True
        with busy_cursor():
            return autosave.close()

    # -- what the person asks for ----------------------------------------------

    def save(self, folder: Path | None) -> None:
        """Keep the session in another folder, or write a snapshot where it is.

        Annotating goes on meanwhile: what changes goes to both folders.
        """
        with notify_errors():
            workspace, here = self._workspace, self.folder
            if folder is None and here is None:
                raise InputError("Name a folder for the session first.")
            kept = workspace.autosave
            if kept is not None and (folder is None or same(folder, kept.folder)):
                self._write_all(kept)
                return
            assert folder is not None
            workspace.need_rest()
            if is_session(folder):
                raise InputError(
                    f"{folder}: holds another session; choose an empty folder, or open "
                    "that one."
                )
            self._coming = self._make(workspace.session, folder)
            workspace.work.begin(
                f"Saving to {folder.name}",
                partial(until_kept, self._coming, here),
                lambda _: self._move(),
                otherwise=self._stay,
                discard=lambda _: self._abandon(),
            )

    def save_now(self, folder: Path) -> bool:
        """Keep the session in another folder, and wait for that; whether it is."""
        self.save(folder)
        self._workspace.work.finish()
        return self.folder is not None and same(folder, self.folder)

    def _write_all(self, autosave: Autosave) -> None:
        """Wait until all is written where it is kept."""
        folder = autosave.folder
        self._workspace.work.begin(
            f"Writing to {folder.name}",
            partial(until_written, autosave),
            lambda _: notify_info(f"Everything is written to {folder}."),
        )

    def _move(self) -> None:
        """Live in the folder to which all has been written."""
        coming, self._coming = self._coming, None
        assert coming is not None
        left, self._workspace.autosave = self._workspace.autosave, None
        self._adopt(coming)
        notify_info(f"The session lives in {coming.folder} now.")
        self._workspace.saving_changed.emit()
        if left is not None:
            self._workspace.work.begin(
                f"Leaving {left.folder.name}",
                partial(leave_for_good, left),
                lambda _: None,
                holding=self._workspace.session,
            )

    def _stay(self, error: BaseException | None) -> None:
        """Stay where the session is: the other folder cannot be written, or no more."""
        coming = self._abandon()
        if error is not None:
            notify_error(str(error))
        elif coming is not None:
            notify_info(
                "Cancelled; the session stays where it was, and what has been written "
                f"to {coming} may be deleted."
            )
        self._workspace.saving_changed.emit()

    def _abandon(self) -> Path | None:
        """Let go of a folder in which the session will not live."""
        coming, self._coming = self._coming, None
        if coming is None:
            return None
        coming.close(abandon=True)
        return coming.folder

    def open(
        self, folder: Path | None, *, take_over: bool = False, copy: bool = False
    ) -> None:
        """Open a session in place of this one; asks where another window has it.

        It is read in a thread, and this one stays until that is done.
        """
        with notify_errors():
            if folder is None:
                raise InputError("Name the folder of a session first.")
            self._workspace.need_rest()
            how = Opening(folder, take_over, copy)
            self._workspace.work.begin(
                f"Opening {folder.name}",
                partial(read, how, self._leaving(), self._make),
                self._show_opened,
                otherwise=partial(self._say_unopened, folder),
                discard=close_again,
                holding=self._workspace.session,
            )

    def begin_new(self) -> None:
        """Begin an empty session; this one stays in its folder."""
        with notify_errors():
            self._workspace.need_rest()
            self._workspace.work.begin(
                "Leaving this session",
                partial(leave, self._leaving()),
                lambda _: self._show_new(),
                holding=self._workspace.session,
            )

    def _leaving(self) -> Leaving:
        return Leaving(self._workspace.session, self._workspace.autosave)

    # -- when it has been read -------------------------------------------------

    def _show_opened(self, arrived: Arrived) -> None:
        self._let_go()
        self._folder, self._recent = None, _recent()
        if arrived.autosave is not None:
            self._adopt(arrived.autosave)
        self._workspace.replace(arrived.opened.session)
        self._begin()  # a copy has a folder of its own at once
        if arrived.opened.notes:
            missing = missing_notice(arrived.opened.notes, arrived.folder)
            self._workspace.questions.ask(missing, lambda: None)
        self._workspace.saving_changed.emit()

    def _show_new(self) -> None:
        left = self.folder
        self._let_go()
        self._folder, self._recent = None, _recent()
        self._workspace.replace(Session())
        if left is not None:
            notify_info(f"A new session; the one before is in {left}.")
        self._workspace.saving_changed.emit()

    def _say_unopened(self, folder: Path, error: BaseException | None) -> None:
        """Go on in the session that was open; say or ask why it is not the other."""
        kept = self._workspace.autosave
        if kept is not None and kept.stopped:
            self._let_go()
            self._begin()
        if isinstance(error, ownership.InUseError):
            self._offer_choice(folder, str(error))
        elif isinstance(error, ReadOnlyError):
            self._offer_copy(folder, str(error))
        elif error is not None:
            notify_error(str(error))
        else:
            notify_info(f"{folder.name} was not opened; this session is as it was.")
        self._workspace.saving_changed.emit()

    def _offer_choice(self, folder: Path, why: str) -> None:
        self._workspace.questions.ask(
            Notice(
                why,
                ("Open a copy", "Take over", "Leave it"),
                (
                    "What you do then goes to a folder of its own",
                    "The other window goes on in a folder of its own",
                    "Stay in this session",
                ),
            ),
            lambda: self.open(folder, copy=True),
            lambda: self.open(folder, take_over=True),
            lambda: None,
        )

    def _offer_copy(self, folder: Path, why: str) -> None:
        self._workspace.questions.ask(
            Notice(
                why,
                ("Open a copy", "Leave it"),
                ("What you do then goes to a folder of its own", "Stay here"),
            ),
            lambda: self.open(folder, copy=True),
            lambda: None,
        )

    # -- what was not closed ---------------------------------------------------

    def offer_lost(self) -> None:
        """Offer sessions that a crash or a kill left behind."""
        for lost in lost_sessions():
            self._offer_lost(lost)

    def _offer_lost(self, lost: Lost) -> None:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(lost.when))
        where = lost.folder.name if is_automatic(lost.folder) else str(lost.folder)
        text = (
            f"The session “{where}” was not closed properly. It holds {lost.holds}; "
            f"last change {when}."
        )
        self._workspace.questions.ask(
            Notice(
                text,
                ("Recover", "Later", "Do not ask again"),
                (
                    "Open it as it was",
                    "Ask again at the next start",
                    f"It stays in {lost.folder}, to be opened in step Data",
                ),
            ),
            lambda: self.open(lost.folder),
            lambda: None,
            lambda: _count_as_closed(lost.folder),
        )


def _recent() -> list[str]:
    return [str(recent.folder) for recent in recent_sessions()]


def _count_as_closed(folder: Path) -> None:
    with suppress(OSError):
        (folder / ownership.OWNER).unlink(missing_ok=True)
