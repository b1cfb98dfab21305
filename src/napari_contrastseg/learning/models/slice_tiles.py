"""Tiles of a large slice: a network's pass over it, part by part.

A tile's core is what the pass over the whole slice gives there: around it the tile
holds all that the network sees of its surroundings, and it goes by the whole slice's
statistics (`networks.slice_statistics`). So cores lie side by side, and nothing has to
be blended.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import torch
from torch import Tensor

from napari_contrastseg.learning.data.padding import pad_image, reversed_through
from napari_contrastseg.learning.models.tile_geometry import (
    Rectangle,
    Side,
    View,
    core_of,
    spread,
)
from napari_contrastseg.learning.networks.map_by_map import (
    goes_map_by_map,
    kept_bytes,
    logits,
    work_of,
)
from napari_contrastseg.learning.networks.slice_statistics import TileNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_contrastseg.learning.data.slice_reader import SliceReader
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.runtime.pass_size import PassSize

Found = TypeVar("Found")

#: Maps of a U-Net's finest level that a pass holds together, and of its outputs.
FINEST_MAPS, OUTPUT_MAPS = 8, 4
#: How far a network sees, in its divisors, by its encoder; a transformer sees a tile's
#: whole surroundings, and no more.
REACHES: Final = {"plain": 7, "resnet18": 10, "resnet34": 18, "resnet50": 10}
#: Bytes of maps that are kept of a slice which goes through map by map.
MOST_KEPT: Final = 2**34
#: Crops of a slice from which its statistics are guessed: so many along each side.
CROPS: Final = 4
#: Looks at a slice at most, and how far statistics may be off, in deviations.
MOST_LOOKS, CLOSE_ENOUGH = 6, 5e-4
#: Looks at some parts of a slice, where these must do.
FEW_LOOKS: Final = 2
#: Pixels of a slice above which a look at all of it takes minutes. Its statistics are
#: those of so many parts along each side, of so many pixels along theirs, until all of
#: it has been predicted and counted.
HUGE: Final = 2**26
PARTS, PART_SIDE = 8, 512
NEARLY_ENOUGH: Final = 2e-2
#: Part of the error that is expected to be left after the first look.
LEFT: Final = 0.2


def bytes_per_pixel(network: UNet) -> int:
    """Memory that a pass takes for each pixel, about."""
    finest = network.spec.widths[0]
    return 4 * (FINEST_MAPS * finest + network.channels + OUTPUT_MAPS * network.classes)


class SliceTiles:
    """A network's passes over large slices of one volume.

    Parameters
    ----------
    network : UNet
        At rest, on its device.
    reader : SliceReader
    size : PassSize
    views : sequence of View
    """

    def __init__(
        self,
        network: UNet,
        reader: SliceReader,
        size: PassSize,
        views: Sequence[View] = (View(),),
    ) -> None:
        self._reader, self._size = reader, size
        self._divisor = network.divisor
        self._halo = REACHES.get(network.spec.encoder, REACHES["plain"]) * self._divisor
        self._device = next(network.parameters()).device
        self._around = 2 * reader.spec.neighbours + 1
        self._networks = {view: TileNetwork(network) for view in views}
        self._all_crops: dict[View, Tensor] = {}

    @property
    def whole(self) -> Rectangle:
        """All of a slice."""
        rows, columns = self._reader.shape
        return Rectangle(slice(0, rows), slice(0, columns))

    @property
    def views(self) -> int:
        """How often each part of a slice is seen, turned."""
        return len(self._networks)

    @property
    def most_pixels(self) -> int:
        """Pixels of all tiles of a slice, at most; of a huge one in two passes."""
        pixels = math.prod(self._padded)
        looks = sum(MOST_LOOKS for n in self._networks.values() if n.by_slice)
        if not (self._is_huge and looks):
            return pixels * (looks + self.views)
        looked = sum(math.prod(part.shape) for part in self.many_parts())
        return looked * (looks + 2 * self.views) + 2 * pixels * self.views

    @property
    def _is_huge(self) -> bool:
        """Whether a look at all of a slice takes too long."""
        return math.prod(self._padded) > HUGE

    @property
    def goes_by_parts(self) -> bool:
        """Whether a slice was settled by some parts, so that all of it may differ."""
        return bool(self._all_crops)

    def many_parts(self) -> list[Rectangle]:
        """Choose parts evenly through a huge slice, which stand for all of it."""
        return self._spread(PARTS, PART_SIDE)

    @property
    def goes_map_by_map(self) -> bool:
        """Whether slices go through map by map: no pixel is worked out twice."""
        (network, *_) = (one.network for one in self._networks.values())
        kept = kept_bytes(network, math.prod(self._padded))
        known = self._device.type == "cpu" and goes_map_by_map(network)
        return known and kept <= MOST_KEPT

    @property
    def map_work(self) -> int:
        """Pixels of all maps of a slice, in all views."""
        (network, *_) = (one.network for one in self._networks.values())
        return self.views * work_of(network, *self._padded)

    def map_by_map(
        self, index: int
    ) -> Iterator[tuple[Rectangle | None, Tensor | None, int]]:
        """Give the logits of a slice, strip by strip, once for each view.

        Yields
        ------
        A part of the slice and its (1, classes, h, w), or None; and the pixels that
        were worked out.
        """
        for view, one in self._networks.items():
            strip = partial(self._strip, index, view)
            for top, pixels, found in logits(one.network, strip, *self._padded):
                if found is None:
                    yield None, None, pixels
                else:
                    part, lying = self._unpadded(view, top, found)
                    yield part, lying, pixels

    def _strip(self, index: int, view: View, top: int, bottom: int) -> Tensor:
        """Read rows of the turned and padded slice."""
        rows, columns = self._padded
        first, last = max(0, top - self._divisor), min(rows, bottom + self._divisor)
        whole = Rectangle(slice(first, last), slice(0, columns))
        sides = self._sides(whole, view, 0, padded=True)
        begun = first // self._divisor * self._divisor
        return self._read(index, sides, view)[..., top - begun : bottom - begun, :]

    def _unpadded(
        self, view: View, top: int, found: Tensor
    ) -> tuple[Rectangle | None, Tensor | None]:
        """Turn rows of the turned and padded slice back; None of padding alone."""
        height = found.shape[-2]
        places = []
        sides = zip(
            self._padded,
            self._reader.shape,
            (slice(top, top + height), slice(0, self._padded[1])),
            (-2, -1),
            strict=True,
        )
        for padded, size, part, axis in sides:
            start, before = part.start, (padded - size) // 2
            if axis in view.flips:
                start, before = padded - part.stop, padded - size - before
            length = part.stop - part.start
            first, last = max(start - before, 0), min(start + length - before, size)
            places.append((slice(first, last), first + before - start))
        (rows, above), (columns, left) = places
        if rows.start >= rows.stop:
            return None, None
        found = found.flip(view.flips) if view.flips else found
        lying = Rectangle(rows, columns)
        high, wide = lying.shape
        return lying, found[..., above : above + high, left : left + wide]

    def settle(self, index: int, *, closely: bool = True) -> Iterator[int]:
        """Find the statistics of a slice; yields the pixels of every tile.

        Parameters
        ----------
        closely : bool
            Look at all of it, or at many parts of a huge slice; else at few parts.
        """
        for view, network in self._networks.items():
            if network.by_slice:
                yield from self._settle(index, view, network, closely=closely)

    def _settle(
        self, index: int, view: View, network: TileNetwork, *, closely: bool
    ) -> Iterator[int]:
        crops = self._settled_by_crops(index, view, network)
        yield 0
        rows, columns = self._padded
        parts = [Rectangle(slice(0, rows), slice(0, columns))]
        if not closely:
            parts = self._some_parts()
        elif self._is_huge:
            parts, self._all_crops[view] = self.many_parts(), crops
        enough = NEARLY_ENOUGH if self._is_huge else CLOSE_ENOUGH
        before = None
        for _ in range(MOST_LOOKS if closely else FEW_LOOKS):
            yield from self._look(index, parts, view, network)
            change = network.change()
            network.settle(crops)
            yield 0
            left = LEFT if before is None else change / before
            if change * left < enough:
                return
            before = change

    def settle_by_all(self) -> None:
        """Take the statistics of all of a huge slice: what `maps` has counted."""
        for view, crops in self._all_crops.items():
            self._networks[view].settle(crops)

    def _settled_by_crops(self, index: int, view: View, network: TileNetwork) -> Tensor:
        while True:
            try:
                crops = self._crops(index, view)
                network.settle(crops)
            except (MemoryError, RuntimeError) as error:
                self._size.halve(error)
                continue
            return crops

    def _look(
        self, index: int, parts: list[Rectangle], view: View, network: TileNetwork
    ) -> Iterator[int]:
        def look(part: Rectangle) -> Iterator[int]:
            sides = self._sides(part, view, self._halo, padded=True)
            network.look(self._read(index, sides, view), core_of(sides))
            yield math.prod(part.shape)

        for _, pixels in self._each(parts, look):
            yield pixels

    def maps(
        self,
        index: int,
        parts: Sequence[Rectangle],
        ask: Callable[[UNet, Tensor], Tensor],
        *,
        counts: bool = False,
    ) -> Iterator[tuple[Rectangle, Tensor | None]]:
        """Give what a settled network makes of parts of a slice, mean of all views.

        Parameters
        ----------
        ask : callable of a network and a tile, (1, channels, h, w), to (1, d, h, w)
        counts : bool
            Gather the statistics of these parts, for `settle_by_all`.

        Yields
        ------
        Parts, which are smaller where these are large, and their (1, d, h, w); None
        between the views of one.
        """

        def mean(part: Rectangle) -> Iterator[Tensor | None]:
            total: Tensor | None = None
            for view, network in self._networks.items():
                if total is not None:
                    yield None
                rows, columns = sides = self._sides(
                    part, view, self._halo, padded=False
                )
                tile = self._read(index, sides, view)
                with network.counting(core_of(sides)) if counts else nullcontext():
                    found = ask(network.network, tile)[..., rows.core, columns.core]
                found = found.flip(view.flips) if view.flips else found
                total = found if total is None else total + found
            assert total is not None
            yield total / len(self._networks)

        yield from self._each(parts, mean)

    def visit(
        self,
        index: int,
        parts: Sequence[Rectangle],
        see: Callable[[UNet, Tensor, Rectangle, tuple[Side, Side]], Found],
    ) -> Iterator[Found]:
        """Let a settled network see parts of a slice, as it lies.

        Parameters
        ----------
        see : callable of a network, a tile, its core in the slice, and its sides
        """
        view = View()
        network = self._networks[view].network

        def run(part: Rectangle) -> Iterator[Found]:
            sides = self._sides(part, view, self._halo, padded=False)
            yield see(network, self._read(index, sides, view), part, sides)

        for _, found in self._each(parts, run):
            yield found

    def cores(self) -> list[Rectangle]:
        """Part a slice as memory allows now."""
        return self.whole.parted(self._core_pixels)

    def _each(
        self, parts: Sequence[Rectangle], run: Callable[[Rectangle], Iterator[Found]]
    ) -> Iterator[tuple[Rectangle, Found]]:
        """Work on parts of the slice, on smaller ones once memory runs out."""
        todo = deque(parts)
        while todo:
            part = todo.popleft()
            smaller = part.parted(self._core_pixels)
            if len(smaller) > 1:
                todo.extendleft(reversed(smaller))
                continue
            try:
                for found in run(part):
                    yield part, found
            except (MemoryError, RuntimeError) as error:
                self._size.halve(error)
                todo.appendleft(part)

    @property
    def _core_pixels(self) -> int:
        """Pixels of a core whose tile is as large as memory allows."""
        side = math.isqrt(self._size.tile) - 2 * self._halo - self._divisor
        return max(side, 2 * self._divisor) ** 2

    @property
    def _padded(self) -> tuple[int, int]:
        """Rows and columns of what the network would see of the whole slice."""
        rows, columns = (side + -side % self._divisor for side in self._reader.shape)
        return rows, columns

    def _sides(
        self, part: Rectangle, view: View, halo: int, *, padded: bool
    ) -> tuple[Side, Side]:
        """Find a tile around a part of the slice, or of the turned and padded one."""
        rows, columns = (
            self._side(size, core, halo, flipped=flip in view.flips, padded=padded)
            for size, core, flip in zip(
                self._reader.shape, (part.rows, part.columns), (-2, -1), strict=True
            )
        )
        return rows, columns

    def _side(
        self, size: int, core: slice, halo: int, *, flipped: bool, padded: bool
    ) -> Side:
        divisor = self._divisor
        whole = size + -size % divisor
        first = (whole - size) // 2
        start, stop = core.start, core.stop
        if not padded:
            if flipped:
                start, stop = size - stop, size - start
            start, stop = start + first, stop + first
        # tiles begin where the network halves the whole slice, too
        low = max(0, (start - halo) // divisor * divisor)
        high = min(whole, -(-(stop + halo) // divisor) * divisor)
        a, b = max(0, low - first), min(size, high - first)
        return Side(
            read=slice(size - b, size - a) if flipped else slice(a, b),
            before=a - (low - first),
            after=(high - first) - b,
            core=slice(start - low, stop - low),
            size=high - low,
        )

    def _read(self, index: int, sides: tuple[Side, Side], view: View) -> Tensor:
        """Read a tile, (1, channels, h, w), turned and continued."""
        rows, columns = sides
        image = self._reader.window(index, rows.read, columns.read)[None]
        image = image.to(self._device)
        if view.reverses:
            image = reversed_through(image, self._around)
        if view.flips:
            image = image.flip(view.flips)
        around = rows.before, rows.after, columns.before, columns.after
        return pad_image(image, around)

    def _crops(self, index: int, view: View) -> Tensor:
        """Read crops evenly through a slice, (n, channels, h, w)."""
        tiles = [self._sides(part, view, 0, padded=True) for part in self._some_parts()]
        return torch.cat([self._read(index, sides, view) for sides in tiles])

    def _some_parts(self) -> list[Rectangle]:
        """Choose parts evenly through a padded slice, a tile's pixels in all."""
        return self._spread(CROPS, math.isqrt(self._size.tile) // CROPS)

    def _spread(self, count: int, side: int) -> list[Rectangle]:
        side = side // self._divisor * self._divisor
        rows, columns = (
            spread(size, side, self._divisor, count) for size in self._padded
        )
        return [Rectangle(row, column) for row in rows for column in columns]
