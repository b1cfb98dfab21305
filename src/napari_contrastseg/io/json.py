"""JSON in and out: bounded on the way in, write-then-rename on the way out."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")

#: Largest JSON file that is read, bytes.
MAX_JSON_BYTES = 8 * 2**20
#: Brackets within brackets that are read.
MAX_JSON_DEPTH = 64
#: A string, or a bracket outside of strings.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file of at most `limit` bytes, or say in one sentence why not."""
    try:
        need_file(path)
        with path.open("rb") as file:
            found = file.read(limit + 1)
        if len(found) > limit:
            raise InputError(f"{path}: is larger than any file of this kind can be.")
        return loads(found.decode())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as JSON ({error}).") from error


def need_file(path: Path) -> None:
    """Refuse what is no plain file: pipes and devices have no end.

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
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is no plain file.")


def loads(text: str) -> Any:
    """Read JSON of a bounded depth; numbers are finite.

    Raises
    ------
    ValueError
        It is no JSON, too deep, or holds a number that is none.
    """
    if _depth(text) > MAX_JSON_DEPTH:
        raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}")
    return json.loads(text, parse_constant=_refuse_constant)


def _depth(text: str) -> int:
    """How deep brackets are nested, at most."""
    deepest = depth = 0
    for found in _TOKEN.finditer(text):
        if found[0][0] != '"':
            depth += 1 if found[0] in "[{" else -1
            deepest = max(deepest, depth)
    return deepest


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parse(kind: type[T], value: Any, where: str) -> T:
    """Check plain JSON values against a dataclass and build it.

    Raises
    ------
    InputError
        Naming `where` and the first field that does not fit.
    """
    try:
        found: T = _adapter(cast("Any", kind)).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{where}: {field}: {first['msg']}.") from None
    return found


def plain(value: Any) -> Any:
    """Turn (nested) dataclasses into values that JSON can hold."""
    return _adapter(cast("Any", type(value))).dump_python(value, mode="json")


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


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
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path}: {_write_failure(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


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
    probe = near / f".{uuid4().hex[:8]}-part"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{folder}: {_write_failure(error)}") from error


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse an output that is there already, unless it may be overwritten."""
    if not overwrite and path.exists() and (path.is_file() or any(path.iterdir())):
        raise InputError(
            f"{path}: exists already; give another name or allow overwriting "
            "(--overwrite)."
        )
