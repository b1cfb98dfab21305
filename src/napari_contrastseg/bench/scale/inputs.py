"""Synthetic volumes and pictures of any size, written a few slices at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile
import zarr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: Rows and columns of a volume's slices, and voxels of a chunk.
SIDE: Final = 1024
CHUNK: Final = (16, 256, 256)
TILE: Final = 512
#: Voxel size, mm.
SPACING: Final = (2.0, 1.0, 1.0)
_NOISE: Final = 400


def volume_shape(nbytes: int) -> tuple[int, int, int]:
    """Shape (z, y, x) of a volume of 16 bits a voxel that has so many bytes."""
    side = min(SIDE, int((nbytes / 2 / 12) ** 0.5) // 64 * 64)
    return max(12, round(nbytes / 2 / side**2)), side, side


def truth_of(index: int, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where the structure is on a slice: a bent tube, thicker in the middle."""
    count, rows, columns = shape
    part = index / max(count - 1, 1)
    radius = (0.1 + 0.12 * np.sin(np.pi * part)) * min(rows, columns)
    middle = (0.4 + 0.2 * part) * rows, (0.5 + 0.15 * np.sin(6 * part)) * columns
    y, x = np.ogrid[:rows, :columns]
    return np.asarray((y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2)


def _slice(index: int, shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """Grey values of a slice, from its number alone."""
    rng = np.random.default_rng(index)
    noise = rng.integers(0, _NOISE, shape[1:], np.uint16)
    return noise + np.uint16(600) * truth_of(index, shape)


def write_volume(path: Path, shape: tuple[int, int, int]) -> None:
    """Write an OME-Zarr volume, a layer of chunks at a time."""
    root = zarr.open_group(path, mode="w", zarr_format=2)
    chunks = tuple(map(min, CHUNK, shape))
    made = root.create_array(
        "0", shape=shape, dtype=np.uint16, chunks=chunks, compressors=None
    )
    for first in range(0, shape[0], chunks[0]):
        slices = range(first, min(first + chunks[0], shape[0]))
        made[first : slices.stop] = np.stack([_slice(z, shape) for z in slices])
    scale = {"type": "scale", "scale": list(SPACING)}
    axes = [{"name": a, "type": "space", "unit": "millimeter"} for a in "zyx"]
    datasets = [{"path": "0", "coordinateTransformations": [scale]}]
    about: dict[str, Any] = {"version": "0.4", "axes": axes, "datasets": datasets}
    root.attrs["multiscales"] = [about]


def write_picture(path: Path, side: int) -> None:
    """Write a picture of 8 bits a pixel as TIFF in tiles."""

    def tiles() -> Iterator[NDArray[np.uint8]]:
        every = -(-side // TILE)
        for number in range(every**2):
            grey = np.random.default_rng(number).integers(0, 60, (TILE, TILE), np.uint8)
            down, right = (TILE * part for part in divmod(number, every))
            y, x = np.ogrid[down : down + TILE, right : right + TILE]
            inside = (y - side / 2) ** 2 + (x - side / 2) ** 2 < (side / 4) ** 2
            yield grey + np.uint8(120) * inside

    tifffile.imwrite(
        path, tiles(), shape=(side, side), dtype=np.uint8, tile=(TILE, TILE),
        photometric="minisblack",
    )  # fmt: skip


def picture_truth(side: int, top: int, left: int, size: int) -> NDArray[np.bool_]:
    """Where the structure is in a square part of a picture."""
    y, x = np.ogrid[top : top + size, left : left + size]
    inside = (y - side / 2) ** 2 + (x - side / 2) ** 2 < (side / 4) ** 2
    return np.asarray(inside)
