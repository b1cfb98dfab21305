"""Input specification: channels, slice axis, neighbours, pixel size. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from napari_contrastseg.io.slice_axis import COARSEST, SliceAxis

MOST_CHANNELS: Final = 64
MOST_NEIGHBOURS: Final = 16
#: Mirroring along the slice axis, beside the in-plane axes 0 and 1.
SLICE_AXIS_FLIP: Final = 2


@dataclass(frozen=True)
class InputSpec:
    """How slices enter the network; recorded in the model.

    Attributes
    ----------
    channels : tuple of str
    axis : int
        0: the network sees slices along each volume's own slice axis; 1 and 2: along
        the others (see `Volume.axis_of`).
    neighbours : int
        Slices on either side that come in as further channels (2.5-D).
    pixel : (float, float)
        Pixel size in mm, rows and columns, that the network works at.
    mirror : tuple of int
        In-plane axes (0 rows, 1 columns) along which a mirrored slice is plausible;
        2 (`SLICE_AXIS_FLIP`): neighbours may change sides.
    slices : SliceAxis
        Which axis of a volume is its slice axis, where the volume comes from a file.
    frame : tuple of (3,) float
        Where in the world slices, rows and columns ran (see `slice_order`); () where
        no volume knew its place.
    """

    channels: tuple[str, ...]
    axis: int
    neighbours: int
    pixel: tuple[float, float]
    mirror: tuple[int, ...]
    slices: SliceAxis = COARSEST
    frame: tuple[tuple[float, float, float], ...] = ()

    @property
    def planes(self) -> int:
        """Channels of a slice with its neighbours, as the network sees them."""
        return len(self.channels) * (2 * self.neighbours + 1)

    def __post_init__(self) -> None:
        _need(0 < len(self.channels) <= MOST_CHANNELS, "channels")
        _need(self.axis in (0, 1, 2), "axis")
        _need(0 <= self.neighbours <= MOST_NEIGHBOURS, "neighbours")
        _need(all(0 < p < math.inf for p in self.pixel), "pixel")
        _need(self.mirror in ((), (0,), (1,), (0, 1), (SLICE_AXIS_FLIP,)), "mirror")
        _need(len(self.frame) in (0, 3), "frame")
        _need(all(_is_unit(direction) for direction in self.frame), "frame")


def _is_unit(direction: tuple[float, ...]) -> bool:
    return abs(math.hypot(*direction) - 1) < 1e-3  # noqa: PLR2004  rounding


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{what} out of bounds")
