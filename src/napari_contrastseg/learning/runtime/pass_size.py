"""Batch and tile size: how much goes through a network at once, by the free memory."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import psutil
import torch

from napari_contrastseg.learning.runtime.device import memory_error, release

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)
#: Pixels of several slices in one forward pass.
PIXELS_PER_BATCH: Final = 2**20 // 4
#: Part of the free memory that one pass may take.
SHARE: Final = 0.25
#: Memory that one pass of a whole slice, and of one tile, takes at most, bytes: on a
#: CPU, where they also take a second or two at most, and on a GPU.
WHOLE_ON_CPU, TILE_ON_CPU = 640 * 2**20, 640 * 2**20
WHOLE_ON_GPU, TILE_ON_GPU = 2**34, 2**32
#: Where memory runs out for fewer pixels than these, no tile helps.
FEWEST: Final = 2**14


def free_memory(device: torch.device) -> int:
    """Bytes that nothing uses now, on a GPU or in this computer."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


class PassSize:
    """How many pixels go through a network at once; half of them once memory ran out.

    Parameters
    ----------
    device : torch.device
    each : int
        Memory that a pass takes for each pixel, bytes.
    free : callable of a device to bytes

    Attributes
    ----------
    whole : int
        Pixels of a slice that needs no tiles.
    tile : int
        Pixels of a tile.
    """

    def __init__(
        self,
        device: torch.device,
        each: int,
        free: Callable[[torch.device], int] = free_memory,
    ) -> None:
        self._device = device
        on_cpu = device.type == "cpu"
        room = int(SHARE * free(device))
        whole = WHOLE_ON_CPU if on_cpu else WHOLE_ON_GPU
        tile = TILE_ON_CPU if on_cpu else TILE_ON_GPU
        self.whole = max(FEWEST, min(whole, room) // each)
        self.tile = max(FEWEST, min(tile, room) // each)

    def slices(self, pixels: int) -> int:
        """How many slices of so many pixels make a batch: 0 where one needs tiles."""
        if pixels > self.whole:
            return 0
        return max(1, min(PIXELS_PER_BATCH, self.whole) // max(1, pixels))

    def halve(self, error: BaseException) -> None:
        """Go on with half as much, where an error says that memory ran out.

        Raises
        ------
        The error, if it says something else, or if hardly anything was asked for.
        """
        if memory_error(error, self._device) is None or self.tile <= FEWEST:
            raise error
        self.whole = max(FEWEST, min(self.whole, PIXELS_PER_BATCH * 4) // 2)
        self.tile = max(FEWEST, self.tile // 2)
        release(self._device)
        _LOG.info("memory ran out: on with tiles of %d pixels", self.tile)
