"""Sessions on disk: a folder of JSON, zarr and model folders.

::

    SESSION/session.json           what there is, and which state is current
    SESSION/images/<fingerprint>   image data, one array a channel
    SESSION/rounds/<key>/...       model and proposals of a round, written once
    SESSION/states/<k>/<n>/...     ink, origin, status, rejections
    SESSION/states/<k>/start       weights newer than the current round's, if any

A save writes a new state folder, then replaces session.json, then deletes the old
state: whenever it is cut off, the folder opens as it was before or after.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path  # noqa: TC003  pydantic reads the annotation
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import zarr

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json_file import parse, plain, read_json, write_json
from napari_contrastseg.io.volume import Kind, Source, Volume
from napari_contrastseg.session.classes import (  # for pydantic
    AnnotationClass,  # noqa: TC001
)
from napari_contrastseg.session.record import Proposal
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FORMAT: Final = 1
INDEX: Final = "session.json"
_WORK: Final = ("ink", "origin", "status", "rejected")
_PROPOSAL: Final = ("prediction", "confidence")


@dataclass(frozen=True)
class _StoredVolume:
    id: str
    channels: tuple[str, ...]
    images: tuple[str, ...]
    affine: tuple[tuple[float, ...], ...]
    kind: Kind
    source: Source
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class _StoredSession:
    format: int
    state: str
    axis: int | None
    classes: tuple[AnnotationClass, ...]
    thresholds: dict[int, float]
    volumes: tuple[_StoredVolume, ...]
    rounds: tuple[RoundInfo, ...] = ()
    current: int | None = None
    start: bool = False


def is_session(folder: Path) -> bool:
    """Whether a folder holds a session."""
    try:
        return (folder / INDEX).is_file()
    except OSError:
        return False


def save_session(session: Session, folder: Path) -> None:
    """Write the session with everything in it.

    Raises
    ------
    InputError
        The folder is another thing than a session, or cannot be written.
    """
    try:
        _refuse_strange(folder)
        state = f"state-{_latest_state(folder) + 1:05d}"
        try:
            _write_all(session, folder, folder / "states" / state)
            write_json(folder / INDEX, plain(_index_of(session, state)))
        except BaseException:
            shutil.rmtree(folder / "states" / state, ignore_errors=True)
            raise
    except InputError:
        raise
    except Exception as error:
        cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError(
            f"{folder}: the session could not be saved ({cause}); free some space or "
            "choose another folder. Nothing in the window is lost."
        ) from error
    _tidy(session, folder, state)
    session.unsaved = False


def _refuse_strange(folder: Path) -> None:
    """Write into new and empty folders and into sessions alone."""
    if folder.is_file():
        raise InputError(f"{folder}: is a file; choose an empty folder or a session's.")
    if folder.exists() and not is_session(folder) and any(folder.iterdir()):
        raise InputError(
            f"{folder}: holds other files; choose an empty folder or a session's."
        )


def _index_of(session: Session, state: str) -> _StoredSession:
    return _StoredSession(
        FORMAT,
        state,
        session.axis,
        session.classes,
        session.thresholds,
        tuple(_describe(r.volume) for r in session.records.values()),
        tuple(r.info for r in session.rounds),
        session.current.info.number if session.current else None,
        session.start is not None,
    )


def _tidy(session: Session, folder: Path, state: str) -> None:
    """Delete what the current state does not need."""
    images = {f for r in session.records.values() for f in r.volume.fingerprints}
    rounds = {r.info.key for r in session.rounds}
    kept = {"states": {state}, "images": images, "rounds": rounds}
    for name, wanted in kept.items():
        for old in (folder / name).glob("*"):
            if old.name not in wanted:
                shutil.rmtree(old, ignore_errors=True)


def load_session(folder: Path) -> Session:
    """Open a session folder.

    Raises
    ------
    InputError
        It is no session, of another version, or damaged.
    """
    index = folder / INDEX
    if not index.is_file():
        raise InputError(f"{folder}: is no session; a session folder holds {INDEX}.")
    value = read_json(index)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else None
        raise InputError(
            f"{index}: is of format {found!r}, this version reads {FORMAT}; update "
            "napari-contrastseg."
        )
    stored = parse(_StoredSession, value, str(index))
    state = _inside(folder / "states", stored.state)
    session = Session(stored.axis)
    session.classes = stored.classes
    session.thresholds = dict(stored.thresholds)
    for number, entry in enumerate(stored.volumes):
        record = session.add_volume(_read_volume(folder, entry))
        for name in _WORK:
            array = getattr(record, name)
            array[...] = _read(state / str(number) / name, array.shape)
    for info in stored.rounds:
        session.rounds.append(_read_round(folder, stored, info))
    if stored.current is not None:
        session.bring_back(stored.current)
    if stored.start:
        from napari_contrastseg.learning.model import load_model  # noqa: PLC0415

        session.start = load_model(state / "start")
    session.history.clear()
    session.unsaved = False
    return session


def _latest_state(folder: Path) -> int:
    states = [
        p.name.removeprefix("state-") for p in (folder / "states").glob("state-*")
    ]
    return max((int(s) for s in states if s.isdigit()), default=0)


def _describe(volume: Volume) -> _StoredVolume:
    rows = tuple(tuple(float(x) for x in row) for row in volume.affine)
    return _StoredVolume(
        volume.id,
        volume.channels,
        volume.fingerprints,
        rows,
        volume.kind,
        volume.source,
        volume.shape,
    )


def _write_all(session: Session, folder: Path, state: Path) -> None:
    for number, record in enumerate(session.records.values()):
        for name in _WORK:
            _write(state / str(number) / name, getattr(record, name))
        for name, data in zip(
            record.volume.fingerprints, record.volume.data, strict=True
        ):
            _once(folder / "images" / name, partial(_write, array=np.asarray(data)))
    for finished in session.rounds:
        _once(folder / "rounds" / finished.info.key, partial(_write_round, finished))
    if session.start is not None:
        from napari_contrastseg.learning.model import save_model  # noqa: PLC0415

        save_model(state / "start", session.start)


def _once(place: Path, write: Callable[[Path], None]) -> None:
    """Write what never changes, if it is not there; whole or not at all."""
    if place.exists():
        return
    temporary = place.with_name(f"{place.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    write(temporary)
    temporary.rename(place)


def _write_round(finished: Round, place: Path) -> None:
    from napari_contrastseg.learning.model import save_model  # noqa: PLC0415

    save_model(place / "model", finished.model)
    for volume_id, proposal in finished.proposals.items():
        for name in _PROPOSAL:
            _write(place / _folder_name(volume_id) / name, getattr(proposal, name))


def _folder_name(volume_id: str) -> str:
    """Make a folder name that no two ids share, whatever they hold."""
    return "volume-" + hashlib.blake2b(volume_id.encode(), digest_size=12).hexdigest()


def _write(place: Path, array: NDArray[Any]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    contiguous: Any = np.ascontiguousarray(array)
    zarr.save_array(place, contiguous)


def _read(place: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        found = np.asarray(zarr.open_array(place, mode="r")[...])
    except Exception as error:
        raise InputError(
            f"{place}: cannot be read ({type(error).__name__}); the session is damaged."
        ) from error
    if found.shape != shape:
        raise InputError(
            f"{place}: has shape {found.shape}, not {shape}; the session is damaged."
        )
    return found


def _inside(folder: Path, name: str) -> Path:
    """Make a path inside a folder, whatever a stranger wrote into the session file."""
    place = (folder / name).resolve()
    if place.parent != folder.resolve():
        raise InputError(f"{folder}: the session names a place outside its folder.")
    return place


def _read_volume(folder: Path, entry: _StoredVolume) -> Volume:
    data = tuple(
        _read(_inside(folder / "images", name), entry.shape) for name in entry.images
    )
    affine = np.asarray(entry.affine, dtype=np.float64)
    return Volume(entry.id, data, affine, entry.channels, entry.source, entry.kind)


def _read_round(folder: Path, stored: _StoredSession, info: RoundInfo) -> Round:
    from napari_contrastseg.learning.model import load_model  # noqa: PLC0415

    place = _inside(folder / "rounds", info.key)
    proposals = {}
    for entry in stored.volumes:
        where = place / _folder_name(entry.id)
        if where.is_dir():
            arrays = {name: _read(where / name, entry.shape) for name in _PROPOSAL}
            proposals[entry.id] = Proposal(info.number, **arrays)
    return Round(info, load_model(place / "model"), proposals)
