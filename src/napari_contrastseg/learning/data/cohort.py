"""Training volumes as batches of slices: normalised, 2.5-D, on one pixel size."""

from __future__ import annotations

import math
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.padding import Margins, margins, pad_image
from napari_contrastseg.learning.data.slice_cache import SliceCache
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.learning.runtime.device import memory_error, to_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.data.input_spec import InputSpec
    from napari_contrastseg.learning.data.targets import TrainingVolume


class Cohort:
    """The training volumes of a run, read slice by slice.

    Parameters
    ----------
    volumes : sequence of TrainingVolume
    classes : sequence of int
        Class ids in the order of the network's outputs 1, 2, ...
    spec : InputSpec
    divisor : int
        Sides of a batch are multiples of this.
    largest : int
        Longest side of a batch. Batches have the cohort's median size at most; larger
        slices are cropped at random, smaller ones continued by reflection.
    labelled_slices : int
        How many slices a person labelled; pseudo-labels, lines and labels that were
        completed since do not count.
    device : torch.device, optional
        Where slices are kept when all of them fit; the CPU by default.

    Attributes
    ----------
    all, labelled, unlabelled : list of (volume, slice number)
    with_truth : int
        How many of the labelled slices hold anything that a person labelled, a line of
        a slice along another axis too.
    earned : list of float
        Largest weight in each labelled slice; 1 where there is truth.
    """

    def __init__(
        self,
        volumes: Sequence[TrainingVolume],
        classes: Sequence[int],
        spec: InputSpec,
        *,
        divisor: int,
        largest: int,
        labelled_slices: int,
        device: torch.device | None = None,
    ) -> None:
        self.spec = spec
        self.readers = [SliceReader(v.volume, spec, kept=0) for v in volumes]
        self._volumes = list(volumes)
        self._lut = np.full(256 + 1, UNKNOWN, dtype=np.int64)
        self._lut[0] = 0
        for index, class_id in enumerate(classes, start=1):
            self._lut[class_id] = index
        self.all = [(v, s) for v, r in enumerate(self.readers) for s in range(r.count)]
        earned = {place: self._earned(*place) for place in self.all}
        self._earned_of = {p: weight for p, weight in earned.items() if weight > 0}
        self.labelled = list(self._earned_of)
        self.earned = list(self._earned_of.values())
        self.with_truth = sum(weight >= 1 for weight in self.earned)
        self.labelled_slices = labelled_slices
        self.unlabelled = [p for p in self.all if p not in self._earned_of]
        shapes = np.median([r.shape for r in self.readers], axis=0)
        padded = np.ceil(shapes / divisor).astype(int) * divisor
        rows, columns = np.minimum(padded, max(largest // divisor, 1) * divisor)
        self.size = (int(rows), int(columns))
        self._pixels: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._shelf = SliceCache(
            self._read_image,
            self._read_labels,
            self._bytes(),
            device or torch.device("cpu"),
        )

    def _earned(self, volume: int, index: int) -> float:
        """Largest weight of a slice's known voxels; 0 where nothing is known."""
        entry, reader = self._volumes[volume], self.readers[volume]
        if entry.target is None:
            return 0.0
        known = reader.plane(entry.target, index) >= 0
        if entry.weight is None:
            return float(known.any())
        return float(reader.plane(entry.weight, index)[known].max(initial=0.0))

    def batch(
        self, places: Sequence[tuple[int, int]], rng: np.random.Generator
    ) -> Batch:
        """Read slices (volume, index), padded or cropped at random to `size`."""
        before = rng.bit_generator.state
        try:
            return self._stacked(places, rng)
        except (MemoryError, RuntimeError) as error:
            if memory_error(error) is None:
                raise
            self.leave_device()
            rng.bit_generator.state = before
            return self._stacked(places, rng)

    def _stacked(
        self, places: Sequence[tuple[int, int]], rng: np.random.Generator
    ) -> Batch:
        parts = [self._cut(place, rng) for place in places]
        image, target, weight = (torch.stack(p) for p in zip(*parts, strict=True))
        volume = torch.tensor([volume for volume, _ in places])
        position = torch.tensor([self.position(place) for place in places])
        return Batch(image, target, weight, volume=volume, position=position)

    def position(self, place: tuple[int, int]) -> float:
        """Where a slice lies in its volume along the slice axis, 0 to 1.

        Not a number where neighbouring slices are not related.
        """
        volume, index = place
        reader = self.readers[volume]
        if reader.volume.kind != "volume" or reader.count == 1:
            return math.nan
        return reader.position(index)

    def read_ahead(self, places: Sequence[tuple[int, int]]) -> None:
        """Say which slices are wanted soon."""
        small = [place for place in places if not self._is_large(place[0])]
        self._shelf.read_ahead([p for place in small for p in self._around(place)])

    def close(self) -> None:
        """Give the memory back."""
        self._shelf.close()
        self._pixels.clear()
        self._volumes.clear()  # labels may be large, and collectors late

    def leave_device(self) -> None:
        """Keep no slices on the device any more: its memory has run short."""
        self._shelf.leave_device()

    def _is_large(self, volume: int) -> bool:
        """Whether crops are read by themselves, not cut from slices that are kept.

        On coarse pixels large slices are small ones, of which a crop is a large part.
        """
        reader = self.readers[volume]
        fits = all(n >= m for n, m in zip(reader.shape, self.size, strict=True))
        return fits and math.prod(reader.shape) > LARGE

    def _around(self, place: tuple[int, int]) -> list[tuple[int, int]]:
        """List a slice and its neighbours."""
        volume, index = place
        return [(volume, near) for near in self.readers[volume].around(index)]

    def _cut(
        self, place: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        if self._is_large(place[0]):
            return self._cut_from_large(place, rng)
        image = torch.cat([self._shelf.image(near) for near in self._around(place)])
        target, weight = self._shelf.labels(place)
        if tuple(target.shape) != self.size:
            if place not in self._pixels:
                self._pixels[place] = (
                    _few((target > 0).cpu()),
                    _few((target >= 0).cpu()),
                )
            window = self._window(self._pixels[place], tuple(target.shape), rng)
            image, target, weight = (
                image[(..., *window)],
                target[window],
                weight[window],
            )
        return image, target, weight

    def _cut_from_large(
        self, place: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read a crop of a large slice, and nothing of the rest."""
        volume, index = place
        reader = self.readers[volume]
        if place not in self._pixels:
            self._pixels[place] = self._centres(place)
        rows, columns = self._window(self._pixels[place], reader.shape, rng)
        image = reader.window(index, rows, columns)
        target, weight = self._labels_by_parts(place, rows, columns)
        device = self._shelf.device
        return (
            to_device(image, device),
            to_device(target.long(), device),
            to_device(weight, device),
        )

    def _read_image(self, place: tuple[int, int]) -> Tensor:
        volume, index = place
        reader = self.readers[volume]
        return pad_image(reader.one(index)[None], self._margins(reader))[0]

    def _read_labels(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        volume, index = place
        reader = self.readers[volume]
        if self._volumes[volume].target is None:
            target = torch.full(reader.shape, float(UNKNOWN))
            weight = torch.ones_like(target)
        elif math.prod(reader.native) > LARGE:
            every = (slice(0, side) for side in reader.shape)
            target, weight = self._labels_by_parts(place, *every)
        else:
            target, weight = self._labels(place, lambda a: reader.plane(a, index))
        top, bottom, left, right = self._margins(reader)
        outside = (left, right, top, bottom)
        return (
            functional.pad(target, outside, value=UNKNOWN).long(),
            functional.pad(weight, outside, value=0.0),
        )

    def _labels_by_parts(
        self, place: tuple[int, int], rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        """Give targets and weights of a window of a large slice."""
        volume, index = place
        reader, entry = self.readers[volume], self._volumes[volume]
        target = torch.full(
            (rows.stop - rows.start, columns.stop - columns.start), float(UNKNOWN)
        )
        if entry.target is None:
            return target, torch.ones_like(target)
        weight = torch.zeros_like(target)
        for window in reader.parts(rows, columns):
            key = reader.order.key(index, *reader.source(*window), reader.native)
            coarse = reader.shape != reader.native
            if coarse and entry.target[key].max() < 0:  # most of it nobody has labelled
                continue
            there = tuple(
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(window, (rows, columns), strict=True)
            )
            target[there], weight[there] = self._labels(place, itemgetter(key), window)
        return target, weight

    def _labels(
        self,
        place: tuple[int, int],
        part: Callable[[NDArray[Any]], NDArray[Any]],
        window: tuple[slice, slice] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Give targets and weights of what a function picks of arrays of labels.

        It picks what a window of a slice needs, or a whole slice.
        """
        entry = self._volumes[place[0]]
        assert entry.target is not None
        known = np.maximum(part(entry.target), UNKNOWN)
        mine = None if entry.weight is None else part(entry.weight)
        grid = self.readers[place[0]].to_network_grid
        target, weight = grid(self._lut[known], mine, window)
        # a slice joins a batch as often as it has earned: not to count twice
        return target, weight / self._earned_of.get(place, 1.0)

    def _centres(self, place: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Pixels of a large slice around which crops are drawn, some rows at a time."""
        volume, index = place
        reader, target = self.readers[volume], self._volumes[volume].target
        if target is None:
            return torch.zeros(0, 2), torch.zeros(0, 2)
        rows, columns = reader.native
        several = max(1, LARGE // columns)

        def masks(least: int) -> Iterator[tuple[int, NDArray[np.bool_]]]:
            for row in range(0, rows, several):
                some = slice(row, min(row + several, rows))
                key = reader.order.key(index, some, slice(0, columns), reader.native)
                part = target[key]
                if part.max() > UNKNOWN:  # most of it nobody has labelled
                    labels = np.maximum(reader.order.turned(part), UNKNOWN)
                    yield row, self._lut[labels] >= least

        longer = torch.tensor(reader.native) / torch.tensor(reader.shape)
        foreground, known = (_evenly(partial(masks, least)) for least in (1, 0))
        return (foreground / longer).int(), (known / longer).int()

    def _margins(self, reader: SliceReader) -> Margins:
        """Find what is missing to a batch's size, where a slice is smaller."""
        rows, columns = np.maximum(reader.shape, self.size)
        return margins(reader.shape, (int(rows), int(columns)))

    def _bytes(self) -> int:
        """Memory that every slice takes, and the labels of the labelled ones."""
        pixels = [
            0
            if self._is_large(volume)
            else int(np.prod(np.maximum(reader.shape, self.size)))
            for volume, reader in enumerate(self.readers)
        ]
        images = sum(
            4 * p * r.count * len(r.volume.data)
            for p, r in zip(pixels, self.readers, strict=True)
        )
        return images + sum(12 * pixels[volume] for volume, _ in self.labelled)

    def _window(
        self,
        centres: tuple[Tensor, Tensor],
        shape: tuple[int, ...],
        rng: np.random.Generator,
    ) -> tuple[slice, slice]:
        """Draw a crop; where labels are, around a pixel of a class or a known one."""
        excess = [n - m for n, m in zip(shape, self.size, strict=True)]
        foreground, known = centres
        places = foreground if rng.random() < 0.5 else known  # noqa: PLR2004
        if not len(places):
            places = known
        starts = [int(rng.integers(0, e + 1)) for e in excess]
        if len(places):
            centre = places[int(rng.integers(len(places)))]
            starts = [
                min(max(int(c) - int(rng.integers(0, m)), 0), e)
                for c, m, e in zip(centre, self.size, excess, strict=True)
            ]
        rows, columns = (
            slice(s, s + m) for s, m in zip(starts, self.size, strict=True)
        )
        return rows, columns


#: Pixels of a slice around which crops are drawn.
MOST_CENTRES = 4096
#: Pixels of a slice from which on its crops are read by themselves.
LARGE = 2**22


def _evenly(masks: Callable[[], Iterator[tuple[int, NDArray[np.bool_]]]]) -> Tensor:
    """Do as `_few` with a mask that comes in parts, each with its first row; twice."""
    total = sum(int(np.count_nonzero(mask)) for _, mask in masks())
    step, seen, found = -(-total // MOST_CENTRES) or 1, 0, [np.zeros((0, 2), np.int32)]
    for row, mask in masks():
        flat = np.flatnonzero(mask)
        some = flat[-seen % step :: step]
        seen += len(flat)
        rows, columns = np.divmod(some, mask.shape[1])
        found.append(np.stack([rows + row, columns], axis=1).astype(np.int32))
    return torch.from_numpy(np.concatenate(found))


def _few(mask: Tensor) -> Tensor:
    """Places of at most `MOST_CENTRES` pixels of a mask, evenly through it, (n, 2)."""
    places = mask.nonzero().to(torch.int32)
    return places[:: -(-len(places) // MOST_CENTRES) or 1].clone()
