"""Crash recovery: find sessions that were not closed, to offer them again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json
from napari_contrastseg.session.storage.load import summary
from napari_contrastseg.session.storage.locations import POINTERS, sessions_folder
from napari_contrastseg.session.storage.ownership import OWNER, owner_of
from napari_contrastseg.session.storage.snapshot import is_session


@dataclass(frozen=True)
class Lost:
    """A session that was not closed properly.

    Attributes
    ----------
    folder : Path
    holds : str
        What is in it, in a few words.
    when : float
        Of its last change, seconds since 1970.
    """

    folder: Path
    holds: str
    when: float


def lost_sessions() -> list[Lost]:
    """Sessions whose process is gone without having closed them, latest first."""
    base = sessions_folder()
    folders = {p.parent for p in base.glob(f"*/{OWNER}")}
    for pointer in (base / POINTERS).glob("*.json"):
        with suppress(InputError, OSError):
            folders |= _pointed(pointer)
    found = [lost for folder in folders if (lost := _lost(folder)) is not None]
    return sorted(found, key=lambda lost: -lost.when)


def _pointed(pointer: Path) -> set[Path]:
    """Follow a pointer; one to a session that was closed is not needed any more."""
    target = Path(str(read_json(pointer)))
    if target.is_dir() and owner_of(target) is None:
        pointer.unlink(missing_ok=True)
        return set()
    return {target}


def _lost(folder: Path) -> Lost | None:
    try:
        owner = owner_of(folder)
        if owner is None or owner.alive or not is_session(folder):
            return None
        changed = (p for p in folder.iterdir() if p.name != OWNER)
        when = max(p.stat().st_mtime for p in changed)
        return Lost(folder, summary(folder), when)
    except (InputError, OSError):
        return None
