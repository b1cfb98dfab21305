"""Specks: small pieces of a class, or false ones by the labels, to be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import scipy

from napari_contrastseg.io.blocks import blocks, flat_places
from napari_contrastseg.session.connected import Connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    Box = tuple[slice, ...]

#: A piece smaller than this part of its class's largest piece is a speck. So is one
#: that ends beside slices which a person has finished, and which show nothing there,
#: with this part of its largest cross-section. Chosen, as `TOGETHER`, on forests'
#: predictions of la_01 to la_03 from 3, 5 and 8 slices, along two axes: Dice rises by
#: .001 to .24, as much as if the largest piece alone stayed, and falls nowhere.
SPECK_SHARE: Final = 0.1
CONTRADICTED: Final = 0.1
#: A class is of one piece if this part of what a person labelled of it hangs together,
#: and that lies on at least so many slices.
TOGETHER: Final = 0.9
LEAST_SLICES: Final = 2


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of one class in one volume.

    Attributes
    ----------
    one : bool or None
        Whether what a person labelled of the class is one piece; None: too little is
        labelled to say.
    specks : (n,) int64
        Flat indices of the voxels of pieces that are specks, ascending.
    """

    one: bool | None
    specks: NDArray[np.int64]


class Readable(Protocol):
    """An array, or what works out the parts of one that are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Give a part."""
        ...


@dataclass(frozen=True, eq=False)
class ReadInParts:
    """What is worked out where it is read, and held nowhere."""

    shape: tuple[int, ...]
    read: Callable[[Box], NDArray[Any]]

    def __getitem__(self, key: Box, /) -> NDArray[Any]:
        """Work out a part."""
        return self.read(key)


def find_pieces(
    labels: Readable,
    settled: Readable,
    axis: int,
    classes: Iterable[int],
    share: float = SPECK_SHARE,
) -> dict[int, Pieces]:
    """Look at how each class hangs together in three dimensions, block by block.

    Parameters
    ----------
    labels : (s0, s1, s2) uint8
        What is known or proposed of each voxel: 0 background, else a class id.
    settled : (s0, s1, s2) bool
        Voxels that a person has labelled. A piece that holds one is never a speck.
    axis : int
        The slice axis.
    classes : iterable of int
    share : float
        Part of the largest piece from which on a piece is not a speck.

    Returns
    -------
    dict of class id to Pieces, of the classes that are there
    """
    boxes, done = _survey(labels, settled, axis)
    beside = np.asarray(scipy.ndimage.binary_dilation(done) & ~done)
    found = {}
    for class_id in classes:
        if class_id in boxes:
            one = _OneClass(labels, settled, axis, class_id, boxes[class_id])
            found[class_id] = one.look(beside, share)
    return found


def of_one_piece(volumes: Iterable[Mapping[int, Pieces]]) -> frozenset[int]:
    """Find the classes that are one piece in every volume that says so or not."""
    said: dict[int, set[bool]] = {}
    for pieces in volumes:
        for class_id, found in pieces.items():
            if found.one is not None:
                said.setdefault(class_id, set()).add(found.one)
    return frozenset(class_id for class_id, words in said.items() if words == {True})


def _survey(
    labels: Readable, settled: Readable, axis: int
) -> tuple[dict[int, Box], NDArray[np.bool_]]:
    """Find the box that each class lies in, and which slices are settled whole."""
    boxes: dict[int, Box] = {}
    done = np.ones(labels.shape[axis], np.bool_)
    across = tuple(a for a in range(3) if a != axis)
    for key in blocks(labels.shape):
        done[key[axis]] &= np.asarray(settled[key].all(axis=across))
        for class_id, inside in enumerate(scipy.ndimage.find_objects(labels[key]), 1):
            if inside is not None:
                here = tuple(
                    slice(part.start + within.start, part.start + within.stop)
                    for part, within in zip(key, inside, strict=True)
                )
                boxes[class_id] = _around(boxes.get(class_id, here), here)
    return boxes, done


def _around(one: Box, other: Box) -> Box:
    """Give the box that holds two."""
    pairs = zip(one, other, strict=True)
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in pairs)


class _OneClass:
    """The pieces of one class, within the box that it lies in."""

    def __init__(
        self,
        labels: Readable,
        settled: Readable,
        axis: int,
        class_id: int,
        box: Box,
    ) -> None:
        self._labels, self._settled = labels, settled
        self._axis, self._class, self._box = axis, class_id, box
        shape = [part.stop - part.start for part in box]
        self._slices = shape[axis]
        self._pieces = Connected(self._here, shape)

    def look(self, beside: NDArray[np.bool_], share: float) -> Pieces:
        """Say whether the class is of one piece, and where its specks are.

        Parameters
        ----------
        beside : (slices,) bool
            Slices of the volume next to one that is done, and are not themselves.
        share : float
        """
        sizes, known, labelled = self._count()
        unknown = (sizes > 0) & (known == 0)
        specks = unknown & (sizes < share * sizes.max())
        large = np.flatnonzero(unknown & ~specks & (sizes < sizes.max()))
        if len(large):
            areas = self._areas(large)
            widest = np.zeros(len(sizes))
            np.maximum.at(widest, areas.pieces, areas.voxels)
            near = beside[self._box[self._axis]][areas.slices]
            ending = np.bincount(
                areas.pieces[near], areas.voxels[near], minlength=len(sizes)
            )
            specks[large] = (ending >= CONTRADICTED * widest)[large]
        enough = labelled.sum() >= LEAST_SLICES
        one = bool(known.max() >= TOGETHER * known.sum()) if enough else None
        return Pieces(one, self._places(specks))

    def _here(self, key: Box) -> NDArray[np.bool_]:
        """Read where the class is, in a part of its box."""
        return np.asarray(self._labels[_within(self._box, key)] == self._class)

    def _count(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Count each piece's voxels and labelled ones; and which slices have any."""
        count = self._pieces.count + 1
        sizes, known = np.zeros((2, count), np.int64)
        labelled = np.zeros(self._slices, np.bool_)
        across = tuple(a for a in range(3) if a != self._axis)
        for key, pieces in self._pieces:
            mine = self._settled[_within(self._box, key)] & (pieces > 0)
            labelled[key[self._axis]] |= mine.any(axis=across)
            some, often = _counted(pieces.reshape(-1))
            sizes[some] += often
            some, often = _counted(pieces[mine])
            known[some] += often
        sizes[0] = known[0] = 0
        return sizes, known, labelled

    def _areas(self, large: NDArray[np.intp]) -> _Areas:
        """Count the voxels of some pieces on each slice."""
        wanted = np.isin(np.arange(self._pieces.count + 1), large)
        slices = self._slices
        found, counts = [], []
        for key, pieces in self._pieces:
            ahead = np.moveaxis(pieces, self._axis, 0)
            for index, plane in enumerate(ahead, key[self._axis].start):
                some, often = _counted(plane[wanted[plane]])
                found.append(some.astype(np.int64) * slices + index)
                counts.append(often)
        places, which = np.unique(np.concatenate(found), return_inverse=True)
        voxels = np.bincount(which, np.concatenate(counts))
        return _Areas(places // slices, places % slices, voxels.astype(np.int64))

    def _places(self, specks: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Flat indices, ascending, of the voxels of some pieces."""
        found = [np.empty(0, np.int64)]
        if specks.any():
            for key, pieces in self._pieces:
                place = _within(self._box, key)
                found.append(flat_places(specks[pieces], place, self._labels.shape))
        return np.sort(np.concatenate(found))


@dataclass(frozen=True, eq=False)
class _Areas:
    """How many voxels of a piece lie on a slice, (n,) each; none of both twice."""

    pieces: NDArray[np.int64]
    slices: NDArray[np.int64]
    voxels: NDArray[np.int64]


def _within(box: Box, key: Box) -> Box:
    """Give a part of a box as a part of the volume."""
    pairs = zip(box, key, strict=True)
    return tuple(slice(b.start + k.start, b.start + k.stop) for b, k in pairs)


def _counted(
    values: NDArray[np.int32],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """List the numbers that there are, and how often."""
    if not len(values):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    low = int(values.min())
    often = np.bincount(values - low)
    some = np.flatnonzero(often)
    return some + low, often[some]
