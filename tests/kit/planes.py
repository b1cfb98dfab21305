"""Random slices as a person might label them, and the volumes they lie in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st
from scipy import ndimage

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.editing.plane import Plane
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Background on purpose is as frequent as a class.
VALUES = np.array([0, 0, 0, 255, 1, 2], np.uint8)


def blobs(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float = 1.5
) -> NDArray[np.uint8]:
    """Blobs of two classes and of background on nothing, and single voxels of them."""
    smooth = ndimage.gaussian_filter(
        rng.normal(size=(len(VALUES), *shape)), (0, *[sigma] * len(shape))
    )
    ink = np.asarray(VALUES[smooth.argmax(axis=0)])
    single = rng.random(shape) < 0.03
    ink[single] = rng.choice(VALUES, int(single.sum()))
    return ink


@st.composite
def planes(draw: st.DrawFn) -> Plane:
    """A slice with two classes, of some size and with pixels of some size."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    rows, columns = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    sides = draw(st.sampled_from([(1.0, 1.0), (0.5, 0.5), (0.7, 1.4), (3.0, 1.0)]))
    ink = blobs(rng, (rows, columns), draw(st.sampled_from([0.5, 1.5, 3.0])))
    return Plane(ink, sides, draw(st.booleans()))


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """A session of one volume with ink at random, slices done and locked."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    session, sample = Session(), phantom(0, (6, 12, 14))
    axis = draw(st.integers(0, 2))
    record = session.add_volume(replace(sample.volume, axis=axis), ("image",))
    session.add_class("core")
    session.add_class("shell")
    ink = np.moveaxis(blobs(rng, record.volume.shape), axis, 0)
    ink[rng.random(len(ink)) < 0.3] = 0
    ink = np.moveaxis(ink, 0, axis)
    painting.paint(session, record.volume.id, ink > 0, ink[ink > 0])
    for index in np.flatnonzero(rng.random(len(record.status)) < 0.3).tolist():
        painting.mark(session, record.volume.id, index, Status.DONE)
    for index in np.flatnonzero(rng.random(len(record.status)) < 0.2).tolist():
        painting.lock_slice(session, record.volume.id, index, locked=True)
    if draw(st.booleans()):
        session.change_class(2, locked=True)
    return session
