"""Slice reader: normalised 2.5-D slices of a volume at the network's pixel size."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.io.blocks import plane_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.intensities import intensity_range
from napari_contrastseg.io.volume import SPACING_TOLERANCE, in_unit
from napari_contrastseg.learning.data.pixel_size import labels_in, labels_on
from napari_contrastseg.learning.data.resampling import Resampling
from napari_contrastseg.learning.data.slice_axes import COARSEST
from napari_contrastseg.learning.data.slice_order import slice_order
from napari_contrastseg.learning.data.targets import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.data.input_spec import InputSpec

#: Pixels that are longer than the network's by more than this are not brought to it.
MOST_RESAMPLING = 8.0
#: Normalised slices that a reader keeps for its neighbours.
MOST_KEPT = 16
#: Pixels of a slice that are read at once.
PIXELS_AT_ONCE = 2**22
#: Pixels of a side that are resampled at once: weights grow with their square.
PART = 128


def _cut(whole: slice, several: int) -> Iterator[slice]:
    """Cut a part of a side into smaller ones."""
    for start in range(whole.start, whole.stop, several):
        yield slice(start, min(start + several, whole.stop))


class SliceReader:
    """Reads normalised slices of one volume as the network wants them.

    `kept` slices stay in memory for their neighbours.

    Intensities between the 0.5th and 99.5th percentile of each channel become 0..1,
    values outside are clipped, and what is not a number becomes 0.

    Raises
    ------
    InputError
        The image is constant or holds no finite number, or its pixels are of another
        order of size than the network's.
    """

    def __init__(self, volume: Volume, spec: InputSpec, kept: int = MOST_KEPT) -> None:
        self._kept = kept
        self.volume = volume
        self.spec = spec
        self.order = slice_order(volume, spec.axis, spec.frame)
        self.axis = self.order.axis
        self.count = volume.shape[self.axis]
        pixel = self.order.of_slice(volume.spacing)
        ratio = pixel / np.asarray(spec.pixel)
        shape = self.order.of_slice(volume.shape)
        self.native = (int(shape[0]), int(shape[1]))
        finest = 1 / (COARSEST * (1 + SPACING_TOLERANCE))
        if ratio.max() > MOST_RESAMPLING or ratio.min() < finest:
            mine, theirs = (in_unit(p, volume.source.unit) for p in (pixel, spec.pixel))
            raise InputError(
                f"{volume.id}: its pixels are {mine}, but the network works at "
                f"{theirs}; correct the file's spacing, or use another model."
            )
        resample = bool((np.abs(ratio - 1) > SPACING_TOLERANCE).any())
        rows, columns = np.maximum(1, np.rint(shape * ratio)).astype(int)
        self.shape = (int(rows), int(columns)) if resample else self.native
        self._sides = (
            Resampling(self.native[0], self.shape[0]),
            Resampling(self.native[1], self.shape[1]),
        )
        self._range = intensity_range(volume, self.axis)
        self._cache: OrderedDict[int, Tensor] = OrderedDict()

    def image(self, index: int) -> Tensor:
        """Slice `index` and its neighbours, (channels x (2 neighbours + 1), h, w)."""
        return torch.cat([self.one(i) for i in self.around(index)])

    def around(self, index: int) -> list[int]:
        """List a slice and its neighbours, as the network sees them one by one.

        In place of one that is missing stands the nearest that there is; a picture
        among unrelated ones has none but itself.
        """
        reach = self.spec.neighbours
        if self.volume.kind == "stack":
            return [index] * (2 * reach + 1)
        near = range(index - reach, index + reach + 1)
        found = [min(max(i, 0), self.count - 1) for i in near]
        return found[::-1] if self.order.backwards else found

    def position(self, index: int) -> float:
        """Where a slice lies along the slice axis, 0 to 1, as the network sees it."""
        last = self.count - 1
        return (last - index if self.order.backwards else index) / last

    def plane(self, array: NDArray[Any], index: int) -> NDArray[Any]:
        """Give a slice of an array of the volume's shape, in the volume's order.

        It is a view of the array where that is one of numpy's.
        """
        return plane_of(array, self.axis, index)

    def one(self, index: int) -> Tensor:
        """Slice `index` alone, (channels, h, w)."""
        kept = self._cache.get(index)  # a thread may read ahead
        if kept is not None:
            return kept
        if self.shape == self.native:
            image = self._whole(index)
        elif math.prod(self.native) > PIXELS_AT_ONCE:
            image = self._resampled(index, *(slice(0, n) for n in self.shape))
        else:
            image = functional.interpolate(
                self._whole(index)[None], self.shape, mode="bilinear", antialias=True
            )[0]
        self._cache[index] = image
        if len(self._cache) > self._kept:
            self._cache.popitem(last=False)
        return image

    def window(self, index: int, rows: slice, columns: slice) -> Tensor:
        """Give a part of `image`; of large slices only that is read."""
        around = self.around(index)
        if self.shape == self.native:
            return torch.cat([self._read(i, rows, columns) for i in around])
        if math.prod(self.native) > PIXELS_AT_ONCE:
            return torch.cat([self._resampled(i, rows, columns) for i in around])
        return torch.cat([self.one(i)[:, rows, columns] for i in around])

    def source(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Find the volume's own pixels, in the network's order, that a part needs."""
        if self.shape == self.native:
            return rows, columns
        down, right = self._sides
        return down.source(rows), right.source(columns)

    def parts(self, rows: slice, columns: slice) -> Iterator[tuple[slice, slice]]:
        """Cut a part into smaller ones, each of few of the volume's own pixels."""
        if self.shape == self.native:
            yield rows, columns
            return
        own = math.prod(self.native) / math.prod(self.shape)
        side = min(PART, max(1, int(math.sqrt(PIXELS_AT_ONCE / own))))
        for high in _cut(rows, side):
            for wide in _cut(columns, side):
                yield high, wide

    def _resampled(self, index: int, rows: slice, columns: slice) -> Tensor:
        """Read a part of slice `index` alone, on the network's pixels."""
        wide = self.source(rows, columns)[1]
        fit = (
            PIXELS_AT_ONCE * self.shape[0] // self.native[0] // (wide.stop - wide.start)
        )
        some = _cut(rows, min(max(1, fit), PART))
        return torch.cat([self._strip(index, part, columns) for part in some], dim=-2)

    def _strip(self, index: int, rows: slice, columns: slice) -> Tensor:
        """Read a few rows, on the network's pixels."""
        (down, right), source = self._sides, self.source(rows, columns)
        read = down.linear(rows) @ self._read(index, *source)
        found = []
        for part in _cut(columns, PART):
            needs, first = right.source(part), source[1].start
            there = read[..., needs.start - first : needs.stop - first]
            found.append(there @ right.linear(part).T)
        return torch.cat(found, dim=-1)

    def _whole(self, index: int) -> Tensor:
        """Read a slice on its own pixels, some rows at a time: numbers are doubles."""
        rows, columns = self.native
        several = max(1, PIXELS_AT_ONCE // max(1, columns))
        parts = [
            self._read(index, slice(row, min(row + several, rows)), slice(0, columns))
            for row in range(0, rows, several)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _read(self, index: int, rows: slice, columns: slice) -> Tensor:
        key = self.order.key(index, rows, columns, self.native)
        parts = range(len(self.volume.data))
        raw = np.stack([self.volume.part(n, key, np.float64) for n in parts])
        low, high = self._range
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.clip((self.order.turned(raw) - low) / (high - low), 0.0, 1.0)
        return torch.from_numpy(np.nan_to_num(scaled, copy=False)).float()

    def to_network_grid(
        self,
        labels: NDArray[Any],
        weight: NDArray[Any] | None = None,
        window: tuple[slice, slice] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Bring a plane of labels to the network's order and pixel size (`labels_on`).

        Parameters
        ----------
        labels : (h, w) int, negative where unknown
        weight : (h, w) float, optional
            1 everywhere by default.
        window : (slice, slice), optional
            Rows and columns that are wanted, where `labels` are those of `source`.

        Returns
        -------
        labels : (h', w') float, -1 where unknown
        weight : (h', w') float
        """
        target = self._turned(labels)
        weights = torch.ones_like(target) if weight is None else self._turned(weight)
        if self.shape == self.native:
            return target.clamp(min=UNKNOWN), weights
        if window is not None:
            return labels_in(window, self._sides, target, weights)
        return labels_on(self.shape, target, weights)

    def _turned(self, plane: NDArray[Any]) -> Tensor:
        turned = np.ascontiguousarray(self.order.turned(plane))
        return torch.from_numpy(turned).float()

    def to_native_grid(self, probabilities: Tensor) -> Tensor:
        """Bring (n, classes, h, w) probabilities back to the volume's own grid."""
        found = probabilities
        if self.shape != self.native:
            found = functional.interpolate(found, self.native, mode="bilinear")
        return self.order.turned_back(found)
