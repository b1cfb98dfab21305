"""Opens, autosaves and recovers the session shown in the window."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, Qt, QTimer, Signal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import went_on
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
#: Seconds between two looks at whether a folder is written.
WAIT_SECONDS = 0.1


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
        self._coming: Autosave | None = None  # writes where the session will live
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
            if kept is not None and (folder is None or _same(folder, kept.folder)):
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
                partial(_until_kept, self._coming, here),
                lambda _: self._move(),
                otherwise=self._stay,
                discard=lambda _: self._abandon(),
            )

    def save_now(self, folder: Path) -> bool:
        """Keep the session in another folder, and wait for that; whether it is."""
        self.save(folder)
        self._workspace.work.finish()
        return self.folder is not None and _same(folder, self.folder)

    def _write_all(self, autosave: Autosave) -> None:
        """Wait until all is written where it is kept."""
        folder = autosave.folder
        self._workspace.work.begin(
            f"Writing to {folder.name}",
            partial(_until_written, autosave),
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
                partial(_leave, left),
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
            read = partial(self._read, self._workspace.autosave, folder, take_over)
            self._workspace.work.begin(
                f"Opening {folder.name}",
                partial(read, copy=copy),
                self._show_opened,
                otherwise=partial(self._say_unopened, folder),
                discard=_close_again,
                holding=self._workspace.session,
            )

    def begin_new(self) -> None:
        """Begin an empty session; this one stays in its folder."""
        with notify_errors():
            self._workspace.need_rest()
            self._workspace.work.begin(
                "Leaving this session",
                partial(self._leave_first, self._workspace.autosave),
                lambda _: self._show_new(),
                holding=self._workspace.session,
            )

    # -- in a thread: nothing is changed in the session that is open -------------

    def _read(
        self, left: Autosave | None, folder: Path, take_over: bool, *, copy: bool
    ) -> _Arrived:
        """Read a session, then let go of the one before."""
        self._need_leave(left)
        if left is not None and _same(folder, left.folder) and not copy:
            left.close()
        if copy:
            arrived = _Arrived(open_folder(folder), None)
        else:
            arrived = self._claimed(folder, take_over=take_over)
        if left is not None and not left.stopped:
            left.close()
        return arrived

    def _leave_first(self, left: Autosave | None) -> None:
        self._need_leave(left)
        if left is not None:
            left.close()

    def _need_leave(self, left: Autosave | None) -> None:
        """Refuse to leave a session that is not on the disk."""
        if not self._workspace.session.has_work:
            return
        if left is None or not left.flush(5.0) or left.stopped:
            raise InputError("This session cannot be written; save it elsewhere first.")

    def _claimed(self, folder: Path, *, take_over: bool) -> _Arrived:
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
        return _Arrived(opened, autosave)

    # -- when it has been read -------------------------------------------------

    def _show_opened(self, arrived: _Arrived) -> None:
        self._let_go()
        self._folder = None
        if arrived.autosave is not None:
            self._adopt(arrived.autosave)
        self._workspace.replace(arrived.opened.session)
        self._begin()  # a copy has a folder of its own at once
        for note in arrived.opened.notes:
            notify_info(note)
        self._workspace.saving_changed.emit()

    def _show_new(self) -> None:
        left = self.folder
        self._let_go()
        self._folder = None
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


@dataclass(frozen=True, eq=False)
class _Arrived:
    """A session that was read, and what saves it; a copy has no folder yet."""

    opened: Opened
    autosave: Autosave | None


def _close_again(arrived: _Arrived) -> None:
    if arrived.autosave is not None:
        arrived.autosave.close()


def _until_written(autosave: Autosave) -> None:
    """Wait until everything is on the disk."""
    while not autosave.wait(WAIT_SECONDS):
        went_on()


def _until_kept(coming: Autosave, here: Path | None) -> None:
    """Wait until all of a session is in a folder, with what lies beside it."""
    _until_written(coming)
    for name in (RUN, PREDICTED):
        if here is not None and (here / name).is_dir():
            shutil.copytree(
                here / name,
                coming.folder / name,
                copy_function=_copy,
                dirs_exist_ok=True,
            )
    _until_written(coming)


def _copy(source: str, target: str) -> str:
    went_on()
    return str(shutil.copy2(source, target))


def _leave(left: Autosave) -> None:
    """Let go of a folder whose session lives elsewhere now; ours are deleted."""
    left.close(abandon=is_automatic(left.folder))
    remove_automatic(left.folder)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _count_as_closed(folder: Path) -> None:
    with suppress(OSError):
        (folder / ownership.OWNER).unlink(missing_ok=True)
