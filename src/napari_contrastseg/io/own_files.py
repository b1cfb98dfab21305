"""Which files of a data set an earlier export wrote: a later one replaces no others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Name of the record, beside dataset.json.
RECORD: Final = "exported.json"
#: What is read of a data set.
_ABOUT: Final = "dataset.json"
_FOLDERS: Final = ("imagesTr", "labelsTr")


@dataclass(frozen=True)
class _Record:
    """What is kept: each file's name below the folder, and its SHA-256 when whole."""

    files: dict[str, str] = field(default_factory=dict)


class OwnFiles:
    """The files of a data set that exports of ours wrote.

    Parameters
    ----------
    root : Path
        The data set's folder.

    Raises
    ------
    InputError
        The record is damaged.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, str] = {}
        if (root / RECORD).is_file():
            said = parse(_Record, read_json(root / RECORD), str(root / RECORD))
            self._known = {n: d for n, d in said.files.items() if _is_ours(n)}

    def begin(self, names: Iterable[str]) -> None:
        """Take note of files that will be written, before the first one is.

        An old dataset.json goes, so that nobody takes a mixture for a data set.

        Parameters
        ----------
        names : iterable of str
            Below the folder, with ``/`` between.

        Raises
        ------
        InputError
            The folder holds files of a data set that no export of ours wrote, or that
            were changed since. Nothing is changed then.
        """
        names = list(names)
        for name in self._there():
            if name not in self._known:
                raise InputError(
                    f"{self._root / name}: was not written by an export to this "
                    "folder, so nothing is replaced there; choose another folder, or "
                    "move that file elsewhere."
                )
            if self._known[name] not in ("", _digest(self._root / name)):
                raise InputError(
                    f"{self._root / name}: was changed since it was exported, so it is "
                    "not replaced; move it elsewhere, or choose another folder."
                )
        self._write(self._known | dict.fromkeys(names, ""))
        (self._root / _ABOUT).unlink(missing_ok=True)

    def end(self, names: Iterable[str]) -> list[Path]:
        """Delete what earlier exports wrote and this one did not; gives its paths."""
        names = list(names)
        old = [self._root / name for name in self._old(names)]
        for path in old:
            path.unlink()
        self._write({name: _digest(self._root / name) for name in names})
        return old

    def _old(self, names: Iterable[str]) -> list[str]:
        """List the files there that earlier exports wrote and this one does not."""
        new = set(names)
        return [name for name in self._there() if name not in new]

    def _there(self) -> list[str]:
        """List what would be read of the folder as of a data set."""
        found = [f"{f}/{p.name}" for f in _FOLDERS for p in _shown(self._root / f)]
        return found + [p.name for p in _shown(self._root) if p.name == _ABOUT]

    def _write(self, files: dict[str, str]) -> None:
        self._known = files
        write_json(self._root / RECORD, {"files": files})


def _is_ours(name: str) -> bool:
    """Whether a name in a record is that of a data set's file: no path out of it."""
    parts = PurePosixPath(name).parts
    return name == _ABOUT or (len(parts) == 2 and parts[0] in _FOLDERS)  # noqa: PLR2004


def _shown(folder: Path) -> list[Path]:
    """List a folder, without hidden files."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _digest(path: Path) -> str:
    if not path.is_file():
        return "no file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
