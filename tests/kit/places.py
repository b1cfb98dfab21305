"""Grids at known places in the world, and what other libraries say of a file's."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Order of axes, their signs, and rotations about two axes in degrees.
PLACES: dict[
    str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int]]
] = {
    "upright": ((0, 1, 2), (1, 1, 1), (0, 0)),
    "flipped": ((0, 1, 2), (-1, 1, -1), (0, 0)),
    "permuted": ((2, 0, 1), (1, -1, 1), (0, 0)),
    "oblique": ((0, 1, 2), (1, 1, 1), (20, -10)),
    "oblique and permuted": ((1, 2, 0), (-1, 1, 1), (35, 15)),
}
SPACING = (0.7, 1.5, 3.0)
ORIGIN = (-31.0, 12.5, 7.0)


def direction(kind: str) -> NDArray[np.float64]:
    order, signs, (first, second) = PLACES[kind]
    a, b = np.radians([first, second])
    about_z = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    made: NDArray[np.float64] = (
        np.array(about_z) @ np.array(about_x) @ (np.eye(3)[:, list(order)] * signs)
    )
    return made


def itk_image(kind: str, array: NDArray[Any]) -> Any:
    """An ITK image of an array (k, j, i) at a place."""
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction(kind).ravel().tolist())
    return image


def corners(shape: Any) -> list[tuple[int, ...]]:
    return list(product(*((0, n - 1) for n in shape)))


def assert_as_itk_reads(volume: Volume, path: Path, scale: float = 1.0) -> None:
    """Equal values at equal places, found from ITK's own corners."""
    image = SimpleITK.ReadImage(str(path))
    values = SimpleITK.GetArrayFromImage(image)
    backward = np.linalg.inv(volume.affine)
    shape = image.GetSize()
    assert sorted(volume.shape) == sorted((*shape, 1)[:3])
    everywhere = list(product(*map(range, shape)))
    lps = np.array([image.TransformIndexToPhysicalPoint(c) for c in everywhere]) * scale
    ras = np.c_[lps * (-1, -1, 1), np.ones(len(lps))]
    found = (ras @ backward.T)[:, :3]
    assert np.abs(found - found.round()).max() < 0.01
    index = tuple(found.round().astype(int).T)
    theirs = np.array([values[tuple(reversed(c))] for c in everywhere])
    ours = np.stack([np.asarray(c)[index] for c in volume.data], axis=-1)
    assert np.array_equal(ours, theirs.reshape(ours.shape))
