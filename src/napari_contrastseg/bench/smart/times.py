"""How long a smart stroke, a box and clicks take on slices of several sizes."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.smart.hand import (
    box_around,
    brush_radius,
    next_click,
    strokes,
    structures,
)
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.slice_window import SliceWindow
from napari_contrastseg.tasks.smart_brush import refined_stroke
from napari_contrastseg.tasks.suggestions import Pointed, accept_suggestion, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord

    Mask = NDArray[np.bool_]

#: Structures a slice, and radius of the smallest and the largest in parts of its side.
COUNT: Final = 12
_SMALL, _LARGE = 0.02, 0.12
_NAME: Final = "made"
_NOISE: Final = 0.15


def times(size: int, seed: int) -> dict[str, dict[str, float]]:
    """Use each tool on structures of many sizes, on a made slice of `size` x `size`.

    What is measured is all that a person waits for but the drawing: to find the
    region, to write it with its origin and status, and to note it for undo; undone
    after each.

    Returns
    -------
    dict of tool to dict
        Median, 95 % and the longest of wall and CPU time, ms, and how many.
    """
    session, truth = _made(size, seed)
    (record,) = session.records.values()
    rng = np.random.default_rng(seed)
    taken: dict[str, list[tuple[float, float]]] = {}
    for class_id, piece in structures(truth):
        stroke = strokes(piece, rng)["within"]
        smart = partial(_stroke, session, record, stroke, brush_radius(piece))
        rows, columns = box_around(piece, rng)
        box = (rows.start, rows.stop), (columns.start, columns.stop)
        place, _ = next_click(np.zeros_like(piece), piece)
        one = Pointed(_NAME, 1, class_id, inside=(place,))
        two = Pointed(_NAME, 1, class_id, inside=(place,), outside=((0, 0),))
        for tool, use in (
            ("smart brush", smart),
            ("box", partial(_point, session, Pointed(_NAME, 1, class_id, box))),
            ("click", partial(_point, session, one)),
            ("two clicks", partial(_point, session, two)),
        ):
            taken.setdefault(tool, []).append(_timed(session, use))
    return {tool: _summary(np.array(found)) for tool, found in taken.items()}


def _made(size: int, seed: int) -> tuple[Session, NDArray[np.int16]]:
    """Make three slices with bright discs of many sizes in noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((size, size))
    truth = np.zeros((size, size), np.int16)
    for radius in size * np.geomspace(_LARGE, _SMALL, COUNT):
        for _ in range(200):
            y, x = rng.uniform(1.5 * radius, size - 1.5 * radius, 2)
            near = np.hypot(rows - y, columns - x)
            if not truth[near <= 1.5 * radius].any():
                truth[near <= radius] = 1
                break
    image = np.stack([truth + rng.normal(0, _NOISE, truth.shape)] * 3)
    session = Session()
    session.add_volume(Volume(_NAME, (image.astype(np.float32),), np.eye(4), axis=0))
    session.add_class()
    return session, truth


def _stroke(session: Session, record: VolumeRecord, stroke: Mask, radius: float) -> int:
    """Do what the window does with a stroke of napari's."""
    rows, columns = ((0, n) for n in stroke.shape)
    flat = SliceWindow(record, 0, 1, rows, columns).flat(stroke)
    places = np.unravel_index(flat, record.volume.shape)
    before = record.ink[places]
    record.ink[places] = 1
    refine = partial(refined_stroke, radius=radius)
    painting.commit_stroke(session, _NAME, [(places, before, 1)], refine=refine)
    return len(flat)


def _point(session: Session, pointed: Pointed) -> int:
    return accept_suggestion(session, pointed, suggest(session, pointed))


def _timed(session: Session, use: Callable[[], int]) -> tuple[float, float]:
    """Wall and CPU time of one use, ms; undone again."""
    before = len(session.history.done)
    wall, cpu = time.perf_counter(), time.process_time()
    use()
    took = time.perf_counter() - wall, time.process_time() - cpu
    if len(session.history.done) > before:
        session.undo()
    return 1000 * took[0], 1000 * took[1]


def _summary(taken: NDArray[np.float64]) -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(taken)}
    for name, column in zip(("wall", "cpu"), taken.T, strict=True):
        median, most = np.percentile(column, (50, 95))
        found |= {
            f"{name}_median_ms": round(float(median), 1),
            f"{name}_p95_ms": round(float(most), 1),
            f"{name}_max_ms": round(float(column.max()), 1),
        }
    return found
