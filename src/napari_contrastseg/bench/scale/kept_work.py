"""What the steps have made so far, in a folder, for a later process that goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.files import replacing
from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.session import Session

_SESSION: Final = "so-far"
_MODEL: Final = "trained"
_SO_FAR: Final = "so-far.json"


def save_work(folder: Path, session: Session, model: Model | None) -> None:
    """Write the session, and the model that it may not hold yet."""
    save_session(session, folder / _SESSION)
    if model is not None and not (folder / _MODEL).is_dir():
        save_model(folder / _MODEL, model)


def is_kept(folder: Path) -> bool:
    """Say whether there is something to go on from."""
    return (folder / _SESSION).is_dir()


def saved_session(folder: Path) -> Session:
    """Open the session."""
    return load_session(folder / _SESSION)


def saved_model(folder: Path) -> Model | None:
    """Read the model, once there is one."""
    place = folder / _MODEL
    return load_model(place) if place.is_dir() else None


def save_part(folder: Path, number: int, arrays: dict[str, Any]) -> None:
    """Write what a part of a prediction has found."""
    with replacing(_part(folder, number)) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def saved_part(folder: Path, number: int) -> dict[str, NDArray[Any]] | None:
    """Read what a part of a prediction has found, if it was written."""
    if not _part(folder, number).is_file():
        return None
    with np.load(_part(folder, number)) as arrays:
        return dict(arrays)


def keep_so_far(folder: Path, seconds: float, most: int) -> None:
    """Write what the step under way has taken so far: seconds, bytes of memory."""
    with replacing(folder / _SO_FAR) as temporary:
        temporary.write_text(json.dumps([seconds, most]))


def kept_so_far(folder: Path) -> tuple[float, int]:
    """Give what earlier processes have taken for the step under way."""
    place = folder / _SO_FAR
    seconds, most = json.loads(place.read_text()) if place.is_file() else (0.0, 0)
    return seconds, most


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number}.npz"
