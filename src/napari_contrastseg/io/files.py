"""Safe file writing: replace atomically, sync, refuse what exists."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Seconds between tries to replace a file that another program has open.
PAUSES: Final = (0.02, 0.05, 0.1, 0.2, 0.4) if os.name == "nt" else ()


def need_file(path: Path) -> None:
    """Refuse what is not a plain file: pipes and devices have no end.

    Raises
    ------
    InputError
        It is not there, or something else.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(
                f"{path}: is a link to a file that is not there; fetch that file, or "
                "remove the link."
            ) from None
        raise InputError(f"{path}: there is no such file.") from None
    except PermissionError as error:
        raise unreadable(path) from error
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            raise InputError(
                f"{path}: is a link that leads back to itself; remove it, or link to "
                "the file."
            ) from error
        raise InputError(f"{path}: cannot be read ({error}).") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder, not a file; choose a file in it.")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is not a plain file; choose another.")


def unreadable(path: Path) -> InputError:
    """Say that a file or folder may not be read."""
    return InputError(f"{path}: may not be read by you; change its permissions.")


@contextmanager
def replacing(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Give a temporary path beside `path` and rename it there when all went well.

    Parameters
    ----------
    path : Path
        Where the finished file shall be; its folder is made.
    suffix : str
        Ending the temporary name needs for the library that writes it.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written; `path` is as it was.
    """
    temporary = path.with_name(f".{uuid4().hex[:8]}-part{suffix or path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync_file(temporary)
        _put(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path}: {_write_failure(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _put(temporary: Path, path: Path) -> None:
    """Let a finished file take its name.

    Windows refuses while another program has the old one open, which those that look
    for viruses or read along do for a moment.
    """
    for pause in PAUSES:
        with suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(pause)
    try:
        temporary.replace(path)
    except PermissionError as error:
        raise InputError(
            f"{path}: may not be replaced; close it in other programs, or choose "
            "another name."
        ) from error


def sync_file(path: Path) -> None:
    """Wait until a file is on the disk; Windows wants it open for writing."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until a folder's names are on the disk, where folders can be opened."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network drives cannot
            os.fsync(handle)
    finally:
        os.close(handle)


def _write_failure(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space or choose another folder."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "may not be written here; choose another folder."
    return f"could not be written ({error.strerror or error}); choose another folder."


def need_folder(folder: Path) -> None:
    """See that a folder can be made and written, before hours of work for it.

    Nothing is made, as other processes may be about to.

    Raises
    ------
    InputError
        It is a file, or may not be written.
    """
    near = next(path for path in (folder, *folder.parents) if path.exists())
    if not near.is_dir():
        raise InputError(f"{near}: is a file; choose a folder for the output.")
    probe = near / f".{uuid4().hex[:8]}-part"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{folder}: {_write_failure(error)}") from error


def free_name(wanted: str, is_taken: Callable[[str], bool]) -> str:
    """Return `wanted`, or the first of ``wanted (2)``, ``wanted (3)`` ... not taken."""
    name, number = wanted, 2
    while is_taken(name):
        name, number = f"{wanted} ({number})", number + 1
    return name


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse an output that is there already, unless it may be overwritten."""
    if not overwrite and path.exists() and (path.is_file() or any(path.iterdir())):
        raise InputError(
            f"{path}: exists already; give another name or allow overwriting "
            "(--overwrite)."
        )
