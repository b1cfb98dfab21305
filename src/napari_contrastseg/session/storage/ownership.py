"""Lock a session folder: one process at a time writes, known by owner.json.

::

    free --claim--> ours --release--> free
      ^               |
      |               +-- the process dies --> left behind --claim--> ours
      |               +-- another takes over --> theirs (we see it before we write)
      |               +-- put_back --> left behind, as it was found

The file lies in the session's folder, so this works on network drives too; a process
on another machine counts as alive while its mark is fresh.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import psutil

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse, read_json, to_plain, write_json

OWNER: Final = "owner.json"
#: Seconds between two marks of a living owner.
BEAT_SECONDS: Final = 15.0
#: Age of a mark, seconds, from which an owner on another machine counts as gone.
STALE_SECONDS: Final = 300.0
#: Seconds that clocks of two machines may differ, or that one may have been set by.
CLOCKS_DIFFER, CLOCK_SET = 3600.0, 60.0


@dataclass(frozen=True)
class Owner:
    """A process that writes a session.

    Attributes
    ----------
    token : str
        Different for every claim.
    started : float
        When the process was started, seconds since 1970.
    beat : float
        When it last marked itself alive.
    """

    token: str
    pid: int
    host: str
    started: float
    beat: float

    @property
    def alive(self) -> bool:
        """Whether it may still write."""
        if not self.token or self.pid <= 0:
            return False  # cut off, or none of ours
        age = time.time() - self.beat
        if self.host != this_host():
            return -CLOCKS_DIFFER < age < STALE_SECONDS
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_SET
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.AccessDenied:
            return True  # somebody else's
        except psutil.Error:
            return False


@cache
def this_host() -> str:
    """Name of this machine, or of this container on it."""
    space = Path("/proc/self/ns/pid")
    inside = str(space.readlink()) if space.is_symlink() else ""
    return f"{socket.gethostname()} {uuid.getnode():x} {inside}".strip()


class InUseError(InputError):
    """The session is open elsewhere."""


def owner_of(folder: Path) -> Owner | None:
    """Who writes a session, or did when it ended badly; None: it was closed."""
    path = folder / OWNER
    if not path.is_file():
        return None
    try:
        return parse(Owner, read_json(path), str(path))
    except InputError:
        return Owner("", 0, this_host(), 0.0, 0.0)  # cut off: nobody alive


def refuse_owned(folder: Path) -> None:
    """Refuse a session that a living process writes.

    Raises
    ------
    InUseError
        Saying who.
    """
    owner = owner_of(folder)
    if owner is not None and owner.alive:
        name, *_ = owner.host.split() or ["another machine"]
        where = "here" if owner.host == this_host() else f"on {name}"
        raise InUseError(
            f"{folder}: is open in another window (process {owner.pid} {where}); open "
            "a copy, or take it over."
        )


def claim(folder: Path, *, take_over: bool = False) -> Owner:
    """Become the one who writes a session.

    Raises
    ------
    InUseError
        Another process does, and it is not to be taken over.
    """
    if not take_over:
        refuse_owned(folder)
    now = time.time()
    started = psutil.Process().create_time()
    mine = Owner(uuid.uuid4().hex, os.getpid(), this_host(), started, now)
    write_json(folder / OWNER, to_plain(mine))
    if not owns(folder, mine):
        raise InUseError(f"{folder}: was opened elsewhere at the same moment.")
    return mine


def owns(folder: Path, owner: Owner) -> bool:
    """Whether the session is still ours."""
    found = owner_of(folder)
    return found is not None and found.token == owner.token


def lost_to_another(folder: Path, owner: Owner) -> bool:
    """Whether another process took the session over."""
    found = owner_of(folder)
    return found is not None and found.token not in ("", owner.token)


def mark_alive(folder: Path, owner: Owner) -> Owner:
    """Leave a fresh mark."""
    fresh = replace(owner, beat=time.time())
    write_json(folder / OWNER, to_plain(fresh))
    return fresh


def release(folder: Path, owner: Owner) -> None:
    """Let go of a session, if it is still ours."""
    if owns(folder, owner):
        (folder / OWNER).unlink(missing_ok=True)


def put_back(folder: Path, before: Owner | None) -> None:
    """Leave a session as it was found: one that was left behind is offered again.

    Parameters
    ----------
    before : Owner or None
        Who had it before it was claimed, and let go of since.
    """
    if before is not None and not before.alive and owner_of(folder) is None:
        write_json(folder / OWNER, to_plain(before))
