"""Smart brush on a session: what a stroke means in its slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.proposers.smart_growth import without_leaks
from napari_contrastseg.proposers.smart_stroke import reach_of, snap
from napari_contrastseg.session.classes import NOTHING
from napari_contrastseg.tasks.slice_window import around

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_contrastseg.session.volume_record import VolumeRecord


def refined_stroke(
    record: VolumeRecord,
    flat: NDArray[np.int64],
    values: NDArray[np.uint8],
    radius: float,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Let a stroke of one class in one slice snap to edges; others stay as they are.

    Ink of other classes stays, background that was painted on purpose too.

    Parameters
    ----------
    record : VolumeRecord
        With its ink as it was before the stroke.
    flat, values : (n,)
        Flat indices of the stroke, and what was painted there.
    radius : float
        Of the brush, in pixels of the finer side.

    Raises
    ------
    InputError
        All of the stroke lies on ink of other classes.
    """
    window = around(record, flat, reach_of(radius))
    if window is None or values[0] == NOTHING or (values != values[0]).any():
        return flat, values
    ink = record.ink[window.key]
    places = np.unravel_index(flat, record.volume.shape)
    rows, columns = (p for axis, p in enumerate(places) if axis != window.axis)
    painted = np.zeros(ink.shape, np.bool_)
    painted[rows - window.rows[0], columns - window.columns[0]] = True
    own, closed = ink == values[0], (ink != NOTHING) & (ink != values[0])
    image, pixel = window.image(), window.pixel.tolist()
    grown = snap(image, painted, own, closed, radius, pixel)
    found = without_leaks(image, painted, own | closed, grown, radius, pixel)
    fresh = window.flat(found & (ink == NOTHING))
    if not len(fresh) and (closed & painted).any() and not (own & painted).any():
        raise InputError(
            "Nothing was painted: the smart brush leaves what is painted already as it "
            "is; turn it off (G) to paint over it."
        )
    return fresh, np.full(len(fresh), values[0])
