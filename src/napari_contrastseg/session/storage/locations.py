"""Default session folders and recent sessions."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from napari_contrastseg.io.files import free_name
from napari_contrastseg.io.images import file_names
from napari_contrastseg.io.json import write_json
from napari_contrastseg.session.storage.snapshot import INDEX

#: Environment variable that names another folder for sessions, as on clusters.
HOME_VARIABLE: Final = "CONTRASTSEG_HOME"
POINTERS: Final = "elsewhere"


def sessions_folder() -> Path:
    """Folder of the sessions that nobody gave a folder."""
    home = os.environ.get(HOME_VARIABLE)
    base = Path(home) if home else user_data_path("napari-contrastseg")
    return base / "sessions"


def is_automatic(folder: Path) -> bool:
    """Whether a folder was made by us and not chosen by the person."""
    return folder.parent == sessions_folder()


def new_folder(name: str) -> Path:
    """Choose a folder that is not there yet for a session; `name` of its volume."""
    (safe,) = file_names([name]).values()
    day = datetime.now().astimezone().strftime("%Y-%m-%d")
    base = sessions_folder()
    return base / free_name(f"{day} {safe[:60]}", lambda name: (base / name).exists())


def point_to(folder: Path) -> Path | None:
    """Remember an open session elsewhere, so that it can be offered after a crash."""
    if is_automatic(folder):
        return None
    pointer = sessions_folder() / POINTERS / f"{uuid.uuid4().hex}.json"
    write_json(pointer, str(folder.absolute()))
    return pointer


def remove_automatic(folder: Path) -> None:
    """Delete a folder of ours whose session lives elsewhere now."""
    if is_automatic(folder):
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Recent:
    """A session in a folder that the person did not choose."""

    folder: Path
    when: float


def recent_sessions(most: int = 10) -> list[Recent]:
    """Sessions that lie in our own folder, latest first."""
    found = []
    for index in sessions_folder().glob(f"*/{INDEX}"):
        with suppress(OSError):
            found.append(Recent(index.parent, index.stat().st_mtime))
    return sorted(found, key=lambda recent: -recent.when)[:most]
