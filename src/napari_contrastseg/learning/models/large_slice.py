"""Prediction of a slice that is too large for one pass through the network."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.input_spec import SLICE_AXIS_FLIP
from napari_contrastseg.learning.models.slice_tiles import SliceTiles
from napari_contrastseg.learning.models.tile_geometry import View
from napari_contrastseg.learning.runtime.device import memory_error

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.data.slice_reader import SliceReader
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.runtime.pass_size import PassSize

    #: Rows and columns of a part, its probabilities, and how much of a slice is done.
    Yielded = tuple[tuple[slice, slice], Tensor | None, float]

_LOG = logging.getLogger(__name__)
#: Pixels whose class is chosen at once.
PIXELS_AT_ONCE: Final = 2**20
#: Part of a slice that is done before its last pixel is.
MOST_DONE: Final = 0.99
#: How often a huge slice is predicted at most, and the part of its pixels whose class
#: may change once its statistics are known.
MOST_PASSES, MAY_DIFFER = 3, 0.005


@dataclass(frozen=True, eq=False)
class Chosen:
    """The likeliest output of each pixel of some slices, and its probability.

    Attributes
    ----------
    outputs : (n, rows, columns) uint8
    confidence : (n, rows, columns) float16
    """

    outputs: NDArray[np.uint8]
    confidence: NDArray[np.float16]


class LargeSlices:
    """Predicts large slices of a volume by tiles.

    Parameters
    ----------
    network : UNet
        At rest, on its device.
    reader : SliceReader
    size : PassSize
    mirrors : sequence of int
        Axes along which copies are mirrored, and what is said of them averaged.
    unlearned : sequence of int
        Outputs that are never predicted.
    """

    def __init__(
        self,
        network: UNet,
        reader: SliceReader,
        size: PassSize,
        mirrors: Sequence[int],
        unlearned: Sequence[int],
    ) -> None:
        views = [View(), *map(_mirrored, mirrors)]
        self._tiles = SliceTiles(network, reader, size, views)
        self._reader, self._unlearned = reader, unlearned
        self._outputs = network.classes

    def probabilities(self, index: int) -> Generator[float, None, Tensor]:
        """Give the probabilities of one slice, (1, classes, rows, columns)."""
        gathered = yield from self._gathered(index)
        return self._reader.to_native_grid(torch.from_numpy(gathered)[None].float())

    def chosen(self, index: int) -> Generator[float, None, Chosen]:
        """Choose the classes of one slice; the probabilities of few pixels are held."""
        found = Chosen(
            zeros((1, *self._reader.native), np.uint8),
            zeros((1, *self._reader.native), np.float16),
        )
        if self._reader.shape == self._reader.native:
            for place, probability, done in self._of_tiles(index):
                _choose(found, (slice(0, 1), *place), probability)
                yield done
        else:
            gathered = yield from self._gathered(index)
            rows, columns = self._reader.native
            several = max(1, PIXELS_AT_ONCE // columns)
            for row in range(0, rows, several):
                some = np.arange(row, min(row + several, rows))
                probability = resampled_rows(gathered, (rows, columns), some)
                _choose(found, (slice(0, 1), slice(row, row + several)), probability)
                yield MOST_DONE
        order = self._reader.order
        return Chosen(
            order.turned_back(torch.from_numpy(found.outputs)).numpy(),
            order.turned_back(torch.from_numpy(found.confidence)).numpy(),
        )

    def _gathered(self, index: int) -> Generator[float, None, NDArray[np.float16]]:
        """Gather (classes, h, w) probabilities, on the network's pixels."""
        found = zeros((self._outputs, *self._reader.shape), np.float16)
        for place, probability, done in self._of_tiles(index):
            if probability is not None:
                found[(slice(None), *place)] = probability[0].numpy()
            yield done
        return found

    def _of_tiles(self, index: int) -> Iterator[Yielded]:
        """Give the probabilities of each part; None for what does not end one.

        With these comes the part of the slice that is done, as far as can be said. A
        part may come again, with better probabilities.
        Where neither memory nor disk has room for whole maps, it goes by tiles.
        """
        if self._tiles.goes_map_by_map:
            try:
                yield from self._map_by_map(index)
            except InputError:
                _LOG.info("no room for whole maps of a slice: on with tiles")
            except (MemoryError, RuntimeError) as error:
                if memory_error(error) is None:
                    raise
                _LOG.info("memory ran out for whole maps: on with tiles")
            else:
                return
        yield from self._by_tiles(index)

    def _by_tiles(self, index: int) -> Iterator[Yielded]:
        def ask(network: UNet, tile: Tensor) -> Tensor:
            logits = network(tile)
            logits[:, self._unlearned] = -math.inf
            probability: Tensor = logits.softmax(dim=1)
            return probability

        seen, needed = 0, self._tiles.most_pixels

        def done(pixels: int) -> float:
            nonlocal seen
            seen = min(seen + pixels, needed)
            return MOST_DONE * seen / needed

        for pixels in self._tiles.settle(index):
            yield (slice(0), slice(0)), None, done(pixels)
        for number in range(1, MOST_PASSES + 1):
            whole, by_parts = [self._tiles.whole], self._tiles.goes_by_parts
            for part, found in self._tiles.maps(index, whole, ask, counts=by_parts):
                probability = None if found is None else found.cpu()
                yield (
                    (part.rows, part.columns),
                    probability,
                    done(math.prod(part.shape)),
                )
            if not by_parts or number == MOST_PASSES:
                return
            before = yield from self._classes_of_parts(index, ask, done)
            self._tiles.settle_by_all()
            after = yield from self._classes_of_parts(index, ask, done)
            if np.mean(before != after) < MAY_DIFFER:
                return

    def _classes_of_parts(
        self,
        index: int,
        ask: Callable[[UNet, Tensor], Tensor],
        done: Callable[[int], float],
    ) -> Generator[Yielded, None, NDArray[np.uint8]]:
        """Choose the classes of parts that stand for a huge slice, one by one."""
        classes = []
        for part, found in self._tiles.maps(index, self._tiles.many_parts(), ask):
            if found is not None:
                classes.append(found.argmax(dim=1).to(torch.uint8).cpu().flatten())
            yield (slice(0), slice(0)), None, done(math.prod(part.shape))
        return np.asarray(torch.cat(classes))

    def _map_by_map(self, index: int) -> Iterator[Yielded]:
        views, needed, seen = self._tiles.views, self._tiles.map_work, 0
        total = None
        if views > 1:
            total = zeros((self._outputs, *self._reader.shape), np.float32)
        answered = 0
        rows = self._reader.shape[0]
        for part, found, pixels in self._tiles.map_by_map(index):
            seen += pixels
            done = MOST_DONE * seen / needed
            if part is None or found is None:
                yield (slice(0), slice(0)), None, done
                continue
            found[:, self._unlearned] = -math.inf
            probability = found.softmax(dim=1)
            place = part.rows, part.columns
            last = answered // rows == views - 1
            answered += part.rows.stop - part.rows.start
            if total is not None:
                total[(slice(None), *place)] += probability[0].numpy() / views
                summed = np.array(total[(slice(None), *place)])
                probability = torch.from_numpy(summed)[None]
            yield place, probability if last else None, done


def _mirrored(axis: int) -> View:
    if axis == SLICE_AXIS_FLIP:
        return View(reverses=True)
    return View(flips=(axis - 2,))


def _choose(
    found: Chosen, place: tuple[slice, ...], probability: Tensor | None
) -> None:
    if probability is None:
        return
    sure, outputs = probability.max(dim=1)
    found.outputs[place] = outputs.to(torch.uint8).numpy()
    found.confidence[place] = sure.to(torch.float16).numpy()


def resampled_rows(
    maps: NDArray[Any], shape: tuple[int, int], rows: NDArray[np.intp]
) -> Tensor:
    """Give some rows of maps, (d, h, w), that are brought to a shape bilinearly.

    As torch's `interpolate` does, which makes all rows at once.

    Returns
    -------
    (1, d, rows, columns) float32
    """
    for axis, places in ((1, rows), (2, np.arange(shape[1]))):
        side = maps.shape[axis]
        at = np.maximum((places + 0.5) * side / shape[axis - 1] - 0.5, 0)
        low = at.astype(np.intp)
        high = np.minimum(low + 1, side - 1)
        part = (at - low).astype(np.float32)
        part = part[:, None] if axis == 1 else part
        first, second = (
            np.take(maps, some, axis=axis).astype(np.float32) for some in (low, high)
        )
        maps = first + part * (second - first)
    return torch.from_numpy(maps)[None]
