"""Format of session.json, and migration from older formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from napari_contrastseg.io.cohort import Cohort  # noqa: TC001  for pydantic
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import check_format, parse
from napari_contrastseg.io.slice_axis import SliceAxis  # noqa: TC001  for pydantic
from napari_contrastseg.session.case_note import CaseNote  # noqa: TC001  for pydantic
from napari_contrastseg.session.classes import (  # for pydantic
    AnnotationClass,  # noqa: TC001
)
from napari_contrastseg.session.rounds import RoundInfo  # noqa: TC001  for pydantic
from napari_contrastseg.session.stored_volume import (  # for pydantic
    StoredVolume,  # noqa: TC001
)

FORMAT: Final = 3


@dataclass(frozen=True)
class StoredSession:
    """A session as a snapshot wrote it; the journal holds what came after.

    Attributes
    ----------
    journal : str
        File name of the journal; ``""`` where there is none.
    current : int or None
        Number of the current round.
    start : str or None
        Folder under ``weights`` of weights newer than that.
    weights : tuple of str
        Those that undo may bring back, too.
    format_read : int
        The format it was read from.
    specks : dict of class id to whether its specks are left out, where it was chosen
    cohort : Cohort or None
        Cases that may be opened.
    case_notes : dict of case id to CaseNote
    """

    format: int
    journal: str
    slices: SliceAxis
    classes: tuple[AnnotationClass, ...]
    thresholds: dict[int, float]
    volumes: tuple[StoredVolume, ...]
    rounds: tuple[RoundInfo, ...] = ()
    current: int | None = None
    start: str | None = None
    weights: tuple[str, ...] = ()
    format_read: int = FORMAT
    specks: dict[int, bool] = field(default_factory=dict)
    cohort: Cohort | None = None
    case_notes: dict[str, CaseNote] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = [c.id for c in self.classes]
        if len(set(ids)) != len(ids):
            raise ValueError("classes differ")
        if not all(0 <= t <= 1 for t in self.thresholds.values()):
            raise ValueError("a threshold lies within 0 and 1")


def read_stored(value: Any, where: str) -> StoredSession:
    """Check a session's JSON, of this format or an older one.

    Raises
    ------
    InputError
        It is of a newer format, or damaged.
    """
    found = check_format(value, FORMAT, where, oldest=1)
    try:
        for older in range(found, FORMAT):
            value = _MIGRATIONS[older](value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where}: is damaged ({error}).") from error
    return parse(StoredSession, value | {"format_read": found}, where)


def _from_1(value: dict[str, Any]) -> dict[str, Any]:
    """Format 1 had whole states and no journal."""
    state = f"states/{value['state']}"
    volumes = [
        dict(volume) | {"work": f"{state}/{number}"}
        for number, volume in enumerate(value["volumes"])
    ]
    start = f"{state}/start" if value.get("start") else None
    rest = {k: v for k, v in value.items() if k != "state"}
    weights = [start] if start else []
    changed = {"format": 2, "journal": "", "volumes": volumes}
    return rest | changed | {"start": start, "weights": weights}


def _from_2(value: dict[str, Any]) -> dict[str, Any]:
    """In format 2 all volumes had one slice axis, None while there was no volume."""
    axis = value["axis"]
    slices = {} if axis is None else {"rule": "array", "number": axis}
    volumes = [dict(volume) | {"axis": axis} for volume in value["volumes"]]
    rest = {k: v for k, v in value.items() if k != "axis"}
    return rest | {"format": 3, "slices": slices, "volumes": volumes}


_MIGRATIONS: Final = {1: _from_1, 2: _from_2}
