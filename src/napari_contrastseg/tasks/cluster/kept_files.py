"""Files of a folder that changes, mirrored in another by what has changed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.cluster.parcel import write_content

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Changes:
    """What has changed in a folder.

    Attributes
    ----------
    marks : dict of str to str
        Of all its files by name: size and time of the last change.
    content : dict of str to bytes
        Of those whose mark is another than before.
    """

    marks: dict[str, str]
    content: dict[str, bytes]


def changes(folder: Path, since: Mapping[str, str]) -> Changes | None:
    """Read what has changed since; None while something is changing.

    Parameters
    ----------
    folder : Path
    since : mapping of str to str
        The marks of before.
    """
    try:
        marks = _marks(folder)
        content = {
            name: (folder / name).read_bytes()
            for name, mark in marks.items()
            if since.get(name) != mark
        }
        return Changes(marks, content) if _marks(folder) == marks else None
    except OSError:
        return None


def _marks(folder: Path) -> dict[str, str]:
    """List files, without those that are just being written."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            about = path.stat()
            name = path.relative_to(folder).as_posix()
            found[name] = f"{about.st_size} {about.st_mtime_ns}"
    return found


def take_over(folder: Path, changed: Changes) -> None:
    """Make a folder hold the same files; descriptions come after what they describe.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written.
    """
    names = sorted(changed.content, key=lambda name: (name.endswith(".json"), name))
    write_content(folder, {name: changed.content[name] for name in names})
    for name in _marks(folder).keys() - changed.marks.keys():
        (folder / name).unlink(missing_ok=True)
