"""A session with one bright ball in noise, for tools that look for edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.session import Session
from tests.kit.sessions import NAME


def bright_ball(axis: int = 0) -> Session:
    """A bright ball in noise, and three classes."""
    made, shape = Session(SliceAxis("array", axis)), (10, 40, 44)
    places = np.indices(shape) - np.array([5, 20, 22])[:, None, None, None]
    ball = (places**2).sum(0) <= 10**2
    noise = np.random.default_rng(0).normal(0, 0.15, shape)
    volume = phantom(0).volume
    data = ((ball + noise).astype(np.float32),)
    made.add_volume(replace(volume, data=data, affine=np.eye(4)))
    for name in ("one", "two", "three"):
        made.add_class(name)
    return made


def disc(
    session: Session, middle: tuple[int, int, int], radius: float, axis: int = 0
) -> np.ndarray:
    """What a brush touches on one slice along an axis."""
    grid = np.indices(session.records[NAME].volume.shape)
    far = sum((grid[a] - middle[a]) ** 2 for a in range(3) if a != axis)
    return np.asarray((far <= radius**2) & (grid[axis] == middle[axis]))
