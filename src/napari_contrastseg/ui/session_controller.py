"""Opens, autosaves and recovers the session shown in the window."""

from __future__ import annotations

import shutil
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
from napari_contrastseg.session.storage.large_files import PREDICTED
from napari_contrastseg.session.storage.load import (
    Opened,
    copy_damaged_journal,
    open_folder,
)
from napari_contrastseg.session.storage.locations import (
    is_automatic,
    new_folder,
    recent_sessions,
    remove_automatic,
)
from napari_contrastseg.session.storage.recovery import Lost, lost_sessions
from napari_contrastseg.session.storage.snapshot import is_session
from napari_contrastseg.tasks.resumable import RUN
from napari_contrastseg.ui.notify import (
    busy_cursor,
    notify_error,
    notify_errors,
    notify_info,
)
from napari_contrastseg.ui.timers import single_shot
from napari_contrastseg.ui.widgets.notice import Notice

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.storage.save_status import SaveProblem
    from napari_contrastseg.ui.workspace import Workspace

#: Milliseconds until a folder that could not be made is tried again.
RETRY_MS = 5000
#: Milliseconds between two looks at whether a snapshot is due.
LOOK_MS = 1000


class ReadOnlyError(InputError):
    """A session lies where we may not write."""


class SessionController(QObject):
    """Makes the autosave of the workspace's session; opens, saves, recovers."""

    _problem_reported = Signal(int, object)  # from an autosave's thread, numbered

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace = workspace
        self._session: Session | None = None
        self._made = self._adopted = 0  # numbers of autosaves
        self._numbers: WeakKeyDictionary[Autosave, int] = WeakKeyDictionary()
        self._complained = False
        self._recent = [str(recent.folder) for recent in recent_sessions()]
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
        if self._workspace.autosave is not None:
            self._workspace.autosave.look()

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

    def save(self, folder: Path | None) -> bool:
        """Keep the session in another folder, or write a snapshot where it is."""
        saved = False
        with notify_errors(), busy_cursor():
            session = self._workspace.session
            here = self.folder
            if here is not None and (folder is None or _same(folder, here)):
                if not self.flush():
                    raise InputError(
                        f"{here}: is where the session is kept: {self.words}."
                    )
                notify_info(f"Everything is written to {here}.")
                return True
            if folder is None:
                raise InputError("Name a folder for the session first.")
            self._workspace.need_rest()
            if is_session(folder):
                raise InputError(
                    f"{folder}: holds another session; choose an empty folder, or open "
                    "that one."
                )
            autosave = self._make(session, folder)
            if not autosave.flush():
                autosave.close(abandon=True)
                raise InputError(f"{folder}: cannot be written ({autosave.failing}).")
            self._let_go()
            self._adopt(autosave)
            saved = True
            if here is not None:
                for name in (RUN, PREDICTED):
                    if (here / name).is_dir():
                        shutil.copytree(here / name, folder / name, dirs_exist_ok=True)
                remove_automatic(here)
            notify_info(f"The session lives in {folder} now.")
        self._workspace.saving_changed.emit()
        return saved

    def open(
        self, folder: Path | None, *, take_over: bool = False, copy: bool = False
    ) -> None:
        """Open a session in place of this one; asks where another window has it."""
        with notify_errors(), busy_cursor():
            if folder is None:
                raise InputError("Name the folder of a session first.")
            self._need_leave()
            if self.folder is not None and _same(folder, self.folder) and not copy:
                self._let_go()
            try:
                self._open(folder, take_over=take_over, copy=copy)
            except ownership.InUseError as error:
                self._offer_choice(folder, str(error))
            except ReadOnlyError as error:
                self._offer_copy(folder, str(error))
            except InputError:
                self._begin()
                raise
        self._workspace.saving_changed.emit()

    def begin_new(self) -> None:
        """Begin an empty session; this one stays in its folder."""
        with notify_errors(), busy_cursor():
            self._need_leave()
            left = self.folder
            self._let_go()
            self._folder = None
            self._workspace.replace(Session())
            if left is not None:
                notify_info(f"A new session; the one before is in {left}.")
        self._workspace.saving_changed.emit()

    def _need_leave(self) -> None:
        """Refuse to leave a session that is at work, or not on the disk."""
        self._workspace.need_rest()
        if self.at_risk:
            raise InputError("This session cannot be written; save it elsewhere first.")

    def _open(self, folder: Path, *, take_over: bool, copy: bool) -> None:
        if copy:
            opened, autosave = open_folder(folder), None
        else:
            opened, autosave = self._claimed(folder, take_over=take_over)
        self._let_go()
        self._folder = None
        if autosave is not None:
            self._adopt(autosave)
        self._workspace.replace(opened.session)
        self._begin()  # a copy has a folder of its own at once
        for note in opened.notes:
            notify_info(note)

    def _claimed(self, folder: Path, *, take_over: bool) -> tuple[Opened, Autosave]:
        """Claim a session, then read it: nobody writes it in between."""
        if not is_session(folder):
            raise InputError(f"{folder}: is not a session; choose a session's folder.")
        try:
            owner = ownership.claim(folder, take_over=take_over)
        except ownership.InUseError:
            raise
        except InputError as error:
            raise ReadOnlyError(str(error)) from error
        try:
            opened = open_folder(folder)
            copy_damaged_journal(opened)
            autosave = self._make(opened.session, folder, opened=opened, owner=owner)
        except BaseException:
            ownership.release(folder, owner)
            raise
        return opened, autosave

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


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _count_as_closed(folder: Path) -> None:
    with suppress(OSError):
        (folder / ownership.OWNER).unlink(missing_ok=True)
