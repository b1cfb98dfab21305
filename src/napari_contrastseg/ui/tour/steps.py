"""Steps of the tour: what to do, at which control, and when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.targets import Origin, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord


@dataclass(frozen=True)
class TourStep:
    """One thing to do.

    Attributes
    ----------
    words : str
    control : str
        The dock's control for it, as ``panel.attribute``; ``""``: none is needed.
    done : callable
        Whether a session shows that it was done; the dock is given where it is not
        enough.
    """

    words: str
    control: str
    done: Callable[[Any, float], bool]


def _opened(dock: Any, _since: float) -> bool:
    return bool(dock.data_controller.free_images() or _session(dock).records)


def _added(dock: Any, _since: float) -> bool:
    return bool(_session(dock).records)


def _painted(dock: Any, _since: float) -> bool:
    return sum(map(_painted_slices, _session(dock).records.values())) >= _SLICES


def _ran(dock: Any, _since: float) -> bool:
    return len(_session(dock).rounds) > 0


def _accepted(dock: Any, _since: float) -> bool:
    records = _session(dock).records.values()
    return any((record.origin >= Origin.ACCEPTED).any() for record in records)


def _exported(dock: Any, since: float) -> bool:
    """Whether files have come since, where the panel says that they are written."""
    export = dock.further["Export"]
    folder = export.panel.value().folder
    if folder is None or not folder.is_dir() or export.runner.running:
        return False
    return any(path.stat().st_mtime >= since for path in folder.rglob("*.*"))


#: Slices that are labelled in the tour: what lies between is proposed at once.
_SLICES: Final = 2

STEPS: Final[Sequence[TourStep]] = (
    TourStep(
        "Open an image: press the button here for a sample, or drop a file of your own "
        "into napari.",
        "",
        _opened,
    ),
    TourStep("Add it to the session.", "data.add", _added),
    TourStep(
        "Choose a slice (keys . and ,) and paint all of the bright structure on it, "
        "then press D: the slice is done. Do the same on a slice some way further on.",
        "header.done",
        _painted,
    ),
    TourStep(
        "Let the network learn from them; in the tour half a minute is enough.",
        "run_bar.run",
        _ran,
    ),
    TourStep(
        "Go through the slices. What is filled is sure, what has an outline alone is "
        "not. Press A where it is right; else paint over it first.",
        "review_bar.accept",
        _accepted,
    ),
    TourStep("Name an empty folder and export the mask.", "export.run", _exported),
)


def _session(dock: Any) -> Session:
    session: Session = dock.workspace.session
    return session


def _painted_slices(record: VolumeRecord) -> int:
    """Count the slices that are done and hold a class."""
    done = np.flatnonzero(record.status == Status.DONE)
    inks = (record.ink[record.window(int(index))] for index in done)
    return sum(bool(((ink != NOTHING) & (ink != BACKGROUND)).any()) for ink in inks)
