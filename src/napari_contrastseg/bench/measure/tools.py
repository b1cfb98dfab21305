"""bench tools: how long each editing tool takes on a slice, and through a volume."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import ndimage

from napari_contrastseg.io.volume import Volume
from napari_contrastseg.session.editing.neighbour import copied_from_neighbour
from napari_contrastseg.session.editing.tools import (
    TOOLS,
    Asked,
    changes,
    on_slice,
    through_all,
)
from napari_contrastseg.session.editing.value_range import ValueRange
from napari_contrastseg.session.painting import change_ink
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.derive import best_answer_to, derive_request, one_slice
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.instances import shown_instances

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from napari_contrastseg.session.editing.tools import Part, Tool
    from napari_contrastseg.session.volume_record import VolumeRecord

#: Each is used so often; the median counts.
REPEATS: Final = 5
#: Sides of a pixel and the distance in mm; classes.
_PIXEL, _DISTANCE, _CLASSES = 0.8, 1.7, 3
_NAME: Final = "made"


def tools(
    size: int, slices: int, seed: int
) -> Generator[Progress | dict[str, Any], None, None]:
    """Use each tool on a slice of `size` x `size`, and on all slices.

    What is measured is the whole step: to find what changes, to write it with its
    origin and status, and to note it for undo; undone after each.

    Yields
    ------
    Progress, and at last a dict
        For each tool milliseconds on a slice and through all slices, and the voxels
        that it changed there.
    """
    session = _labelled(size, slices, seed)
    (record,) = session.records.values()
    middle, asked = slices // 2, Asked(1, _DISTANCE, 50)
    found: dict[str, Any] = {}
    for done, tool in enumerate(TOOLS.values()):
        yield Progress(tool.name, done / (len(TOOLS) + 2))
        one = _timed(
            session, tool.name, partial(_on_slice, record, middle, tool, asked)
        )
        every = _timed(session, tool.name, partial(through_all, record, tool, asked))
        found[tool.name] = {
            "slice_ms": one[0],
            "slice_voxels": one[1],
            "volume_ms": every[0],
            "volume_voxels": every[1],
        }
    yield Progress("copy slice before", 1 - 2 / (len(TOOLS) + 2))
    found["copy slice before"] = _copy(session, record, middle)
    yield Progress("paint in range", 1 - 1 / (len(TOOLS) + 2))
    found["paint in range"] = _range(record, middle)
    yield Progress("number pieces", 1 - 0.5 / (len(TOOLS) + 2))
    found["number pieces"] = _numbers(record, middle)
    found["interpolate"] = _interpolation(session)
    yield {"size": size, "slices": slices, "tools": found}


def _labelled(size: int, slices: int, seed: int) -> Session:
    """Make a session whose slices all have ragged outlines with holes and specks."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(_CLASSES, max(2, slices // 4), 9, 9))
    zoom = (1, slices / coarse.shape[1], size / 9, size / 9)
    field = ndimage.zoom(coarse, zoom, order=1)[:, :slices, :size, :size]
    noise = rng.normal(0, 0.15, field.shape)
    strength = field + noise
    labels = (1 + strength.argmax(axis=0)).astype(np.uint8)
    labels[strength.max(axis=0) < 0.4] = 0  # noqa: PLR2004  what is left bare
    image = (labels * 50 + rng.normal(0, 20, labels.shape)).astype(np.float32)
    affine = np.diag([-_PIXEL, -_PIXEL, 2.0, 1.0])[[2, 1, 0, 3]].T
    session = Session()
    record = session.add_volume(Volume(_NAME, (image,), affine, axis=0), ("made",))
    for _ in range(_CLASSES):
        session.add_class()
    record.ink[:], record.origin[:] = labels, labels > 0
    record.status[:] = Status.DONE
    record.status[::5] = Status.SPARSE
    return session


def _on_slice(record: VolumeRecord, index: int, tool: Tool, asked: Asked) -> list[Part]:
    return [on_slice(record, index, tool, asked)]


def _copied(record: VolumeRecord, index: int) -> list[Part]:
    return [changes(record, index, copied_from_neighbour(record, index))]


def _timed(
    session: Session, name: str, parts: Callable[[], Iterable[Part]]
) -> tuple[float, int]:
    """Milliseconds that a step takes, the median; and the voxels it changes."""
    times, voxels = [], 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        changed = change_ink(session, _NAME, parts(), name)
        times.append(1000 * (time.perf_counter() - began))
        voxels = changed.voxels
        if voxels:
            session.undo()
    return round(statistics.median(times), 1), voxels


def _copy(session: Session, record: VolumeRecord, index: int) -> dict[str, Any]:
    """Time copying into a slice that has no labels."""
    where = record.window(index)
    kept = record.ink[where].copy()
    record.ink[where], record.status[index] = 0, Status.UNTOUCHED
    took, voxels = _timed(session, "copy", partial(_copied, record, index))
    record.ink[where], record.status[index] = kept, Status.DONE
    return {"slice_ms": took, "slice_voxels": voxels}


def _range(record: VolumeRecord, index: int) -> dict[str, Any]:
    """Time what a stroke over a whole slice waits for the range."""
    flat = np.concatenate([*record.flat_parts(index)])
    times, within = [], 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        within = int(ValueRange(40, 110).holds(record, flat).sum())
        times.append(1000 * (time.perf_counter() - began))
    return {"slice_ms": round(statistics.median(times), 1), "slice_voxels": within}


def _numbers(record: VolumeRecord, index: int) -> dict[str, Any]:
    """Time numbering the pieces of a class, on a slice and through all."""
    found: dict[str, Any] = {}
    for name, only in (("slice", index), ("volume", None)):
        times, pieces = [], 0
        for _ in range(REPEATS if only is not None else 1):
            began = time.perf_counter()
            (numbered,) = shown_instances(record, 1, proposed=False, index=only)
            times.append(1000 * (time.perf_counter() - began))
            pieces = int(numbered.voxels.sum())
        found |= {
            f"{name}_ms": round(statistics.median(times), 1),
            f"{name}_voxels": pieces,
        }
    return found


def _interpolation(session: Session) -> dict[str, Any]:
    """Time one slice between labelled ones, once what holds for all is worked out."""
    request = derive_request(session, _NAME)
    answer = None if request is None else best_answer_to(request)
    if request is None or answer is None:
        return {}
    times, voxels = [], 0
    for index in request.open_slices(0)[:REPEATS]:
        began = time.perf_counter()
        found = one_slice(request, answer, index)
        times.append(1000 * (time.perf_counter() - began))
        voxels = max(voxels, int(np.count_nonzero(found.labels)))
    return {"slice_ms": round(statistics.median(times), 1), "slice_voxels": voxels}
