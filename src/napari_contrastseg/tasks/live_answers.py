"""Live answers in the session: from strokes to proposed slices, the shown one first."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.intensities import levelled
from napari_contrastseg.proposers.live import LiveVolume, live_volume
from napari_contrastseg.session.derived import round_proposal
from napari_contrastseg.session.derived_proposal import DerivedSlices
from napari_contrastseg.session.sources import LIVE, Source
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.derive import (
    FEWEST,
    Derived,
    DeriveRequest,
    one_slice,
)
from napari_contrastseg.tasks.known_planes import KnownPlanes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Slices away from the shown one come together, as many as are ready in this time.
TOGETHER_SECONDS: Final = 0.25
#: Pixels of a slice up to which strokes are answered live: of larger ones the copies
#: alone would keep the window waiting.
MOST_PIXELS: Final = 2**25


def is_too_large(record: VolumeRecord) -> bool:
    """Whether a volume's slices have too many pixels to be answered live."""
    return math.prod(record.volume.shape) > MOST_PIXELS * len(record.status)


def is_live(session: Session, volume_id: str) -> bool:
    """Whether a volume is answered live: before any round, and from scribbles.

    Where slices are all labelled whole they are interpolated between, from two on; in a
    stack of pictures, whose neighbours are not alike, nothing is. Slices of more than
    `MOST_PIXELS` are not answered.
    """
    record = session.records[volume_id]
    if is_too_large(record):
        return False
    base = round_proposal(session, volume_id)
    if base is not None and base.prediction.any():
        return False
    done = int((record.status == Status.DONE).sum())
    apart = done < FEWEST or record.volume.kind == "stack"
    return bool((record.status == Status.SPARSE).any() or (done and apart))


def live_request(
    session: Session, volume_id: str, planes: KnownPlanes | None = None
) -> DeriveRequest | None:
    """Copy what a live answer follows from; None where it says nothing.

    That is so while no class or no background is painted, too.

    Parameters
    ----------
    planes : KnownPlanes, optional
        Of the volume, where most of them were copied before.
    """
    if not is_live(session, volume_id):
        return None
    record = session.records[volume_id]
    classes = tuple(sorted(c.id for c in session.classes))
    planes = planes or KnownPlanes(record)
    if not (planes.has_background() and planes.has(classes)):
        return None
    done = np.flatnonzero(record.status == Status.DONE).tolist()
    about = (record.volume, record.axis)
    known = planes.planes()
    return DeriveRequest(*about, known, tuple(done), classes, None, frozenset())


def begin_live(record: VolumeRecord) -> LiveVolume:
    """Make what stays of a volume between strokes; reads nothing yet."""
    volume, axis = record.volume, record.axis
    order = [axis, *(other for other in range(3) if other != axis)]
    return live_volume(
        levelled(volume, axis),
        [volume.shape[side] for side in order],
        [float(volume.spacing[side]) for side in order],
        related=volume.kind == "volume",
    )


def answer_quickly(
    live: LiveVolume, request: DeriveRequest, index: int
) -> Generator[Derived, None, None]:
    """Answer one slice at once."""
    answer = live.quick(request.known, request.classes)
    if answer is not None and index not in request.done:
        found = one_slice(request, answer, index)
        source = Source(LIVE, f"{_words(request, index)}, at a first look")
        yield Derived(
            request.volume.id, request.ground(), replace(found, source=source)
        )


def answer_live(
    live: LiveVolume,
    request: DeriveRequest,
    shown: Callable[[], int],
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[Derived | None, None, None]:
    """Answer the shown slice, then those with strokes, then all from there outward.

    What is between slices follows from those with strokes, so that these come first.

    Parameters
    ----------
    live : LiveVolume
        What is left of earlier strokes in the volume.
    request : DeriveRequest
    shown : callable
        The slice that is shown now; asked in the task's thread.

    Yields
    ------
    Some slices, or None where the task may be ended while none is ready.
    """
    answer = live.better(request.known, request.classes)
    if answer is None:
        return
    yield None
    ground, rest = request.ground(), set(request.open_slices(0))
    ready: list[DerivedSlices] = []
    last = -math.inf
    while rest:
        here = shown()
        painted = rest.intersection(request.known)
        among = {here} & rest or painted or rest
        index = min(among, key=lambda other: (abs(other - here), other))
        rest.discard(index)
        found = one_slice(request, answer, index)
        ready.append(replace(found, source=Source(LIVE, _words(request, index))))
        if index != here and rest and clock() - last < TOGETHER_SECONDS:
            yield None
            continue
        for part in _together(ready):
            yield Derived(request.volume.id, ground, part)
        ready, last = [], clock()


def _together(parts: Sequence[DerivedSlices]) -> Iterator[DerivedSlices]:
    """Join slices that come from the same."""
    by_source: dict[Source, list[DerivedSlices]] = {}
    for part in parts:
        by_source.setdefault(part.source, []).append(part)
    for source, some in by_source.items():
        yield DerivedSlices(
            np.concatenate([part.slices for part in some]),
            np.concatenate([part.labels for part in some]),
            np.concatenate([part.confidence for part in some]),
            source,
        )


def _words(request: DeriveRequest, index: int) -> str:
    """Say what strokes a slice's answer goes by."""
    if index in request.known:
        return "live, from your strokes"
    nearest = min(request.known, key=lambda other: (abs(other - index), other))
    return f"live, from your strokes; the nearest are on slice {nearest}"
