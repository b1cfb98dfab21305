"""What takes long about sessions: reading, leaving, moving; done in a thread.

The session that is open is held meanwhile, or nothing here changes or reads it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.session.storage import ownership
from napari_contrastseg.session.storage.large_files import PREDICTED
from napari_contrastseg.session.storage.load import (
    Opened,
    copy_damaged_journal,
    open_folder,
)
from napari_contrastseg.session.storage.locations import (
    is_automatic,
    remove_automatic,
)
from napari_contrastseg.session.storage.snapshot import is_session
from napari_contrastseg.tasks.resumable import RUN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.storage.autosave import Autosave
    from napari_contrastseg.session.storage.ownership import Owner

#: Seconds between two looks at whether a folder is written, and for a session's last
#: changes to reach the disk before it is left.
WAIT_SECONDS: Final = 0.1
LEAVE_SECONDS: Final = 5.0


class ReadOnlyError(InputError):
    """A session lies where we may not write."""


@dataclass(frozen=True)
class Opening:
    """Which session is to be opened, and how where another window has it."""

    folder: Path
    take_over: bool = False
    copy: bool = False


@dataclass(frozen=True, eq=False)
class Leaving:
    """The session that is open, and what saves it."""

    session: Session
    autosave: Autosave | None


@dataclass(frozen=True, eq=False)
class Arrived:
    """A session that was read from a folder, and what saves it; a copy has none yet.

    Attributes
    ----------
    before : Owner or None
        Who had the folder before; one that is gone did not close the session.
    """

    folder: Path
    opened: Opened
    autosave: Autosave | None
    before: Owner | None = None


def read(how: Opening, leaving: Leaving, make: Callable[..., Autosave]) -> Arrived:
    """Read a session, then let go of the one before.

    Parameters
    ----------
    how : Opening
    leaving : Leaving
    make : callable
        Makes what saves a session.

    Raises
    ------
    InputError
        The one before is not on the disk, or the other cannot be read; it stays then.
    """
    _need_leave(leaving)
    left = leaving.autosave
    if left is not None and same(how.folder, left.folder) and not how.copy:
        left.close()
    if how.copy:
        arrived = Arrived(how.folder, open_folder(how.folder), None)
    else:
        arrived = _claimed(how, make)
    if left is not None and not left.stopped:
        left.close()
    return arrived


def _claimed(how: Opening, make: Callable[..., Autosave]) -> Arrived:
    """Claim a session, then read it: nobody writes it in between."""
    folder = how.folder
    if not is_session(folder):
        raise InputError(f"{folder}: is not a session; choose a session's folder.")
    before = ownership.owner_of(folder)
    try:
        owner = ownership.claim(folder, take_over=how.take_over)
    except ownership.InUseError:
        raise
    except InputError as error:
        raise ReadOnlyError(str(error)) from error
    try:
        opened = open_folder(folder)
        copy_damaged_journal(opened)
        autosave = make(opened.session, folder, opened=opened, owner=owner)
    except BaseException:
        ownership.release(folder, owner)
        ownership.put_back(folder, before)
        raise
    return Arrived(folder, opened, autosave, before)


def close_again(arrived: Arrived) -> None:
    """Let go of a session that nobody will see; if it was left behind, it is again."""
    if arrived.autosave is not None:
        arrived.autosave.close()
        ownership.put_back(arrived.folder, arrived.before)


def leave(leaving: Leaving) -> None:
    """Let go of the session that is open; as `read`."""
    _need_leave(leaving)
    if leaving.autosave is not None:
        leaving.autosave.close()


def _need_leave(leaving: Leaving) -> None:
    """Refuse to leave a session that is not on the disk."""
    if not leaving.session.has_work:
        return
    left = leaving.autosave
    if left is None or not left.flush(LEAVE_SECONDS) or left.stopped:
        raise InputError("This session cannot be written; save it elsewhere first.")


def until_written(autosave: Autosave) -> None:
    """Wait until everything is on the disk."""
    while not autosave.wait(WAIT_SECONDS):
        went_on()


def until_kept(coming: Autosave, here: Path | None) -> None:
    """Wait until all of a session is in a folder, with what lies beside it."""
    until_written(coming)
    for name in (RUN, PREDICTED):
        if here is not None and (here / name).is_dir():
            there = coming.folder / name
            shutil.copytree(here / name, there, copy_function=_copy, dirs_exist_ok=True)
    until_written(coming)


def _copy(source: str, target: str) -> str:
    went_on()
    return str(shutil.copy2(source, target))


def leave_for_good(left: Autosave) -> None:
    """Let go of a folder whose session lives elsewhere now; ours are deleted."""
    left.close(abandon=is_automatic(left.folder))
    remove_automatic(left.folder)


def same(one: Path, other: Path) -> bool:
    """Whether two paths are one folder."""
    return one.resolve() == other.resolve()
