"""Specks: small pieces of a class, or false ones by the labels, to be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

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


def find_pieces(
    labels: NDArray[np.uint8],
    settled: NDArray[np.bool_],
    axis: int,
    classes: Iterable[int],
    share: float = SPECK_SHARE,
) -> dict[int, Pieces]:
    """Look at how each class hangs together in three dimensions.

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
    boxes = ndimage.find_objects(labels)
    across = tuple(a for a in range(3) if a != axis)
    beside = _beside(np.asarray(settled.all(axis=across)))
    found = {}
    for class_id in classes:
        box = boxes[class_id - 1] if class_id <= len(boxes) else None
        if box is not None:
            here = np.moveaxis(labels[box] == class_id, axis, 0)
            known = np.moveaxis(settled[box], axis, 0) & here
            one, specks = _pieces(here, known, beside[box[axis]], share)
            inside = np.nonzero(np.moveaxis(specks, 0, axis))
            places = [at + part.start for at, part in zip(inside, box, strict=True)]
            flat = np.ravel_multi_index(tuple(places), labels.shape)
            found[class_id] = Pieces(one, flat.astype(np.int64))
    return found


def of_one_piece(volumes: Iterable[Mapping[int, Pieces]]) -> frozenset[int]:
    """Find the classes that are one piece in every volume that says so or not."""
    said: dict[int, set[bool]] = {}
    for pieces in volumes:
        for class_id, found in pieces.items():
            if found.one is not None:
                said.setdefault(class_id, set()).add(found.one)
    return frozenset(class_id for class_id, words in said.items() if words == {True})


def _beside(done: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which slices are next to one that is done, and are not themselves."""
    return np.asarray(ndimage.binary_dilation(done) & ~done)


def _pieces(
    here: NDArray[np.bool_],
    settled: NDArray[np.bool_],
    beside: NDArray[np.bool_],
    share: float,
) -> tuple[bool | None, NDArray[np.bool_]]:
    """Look at one class, slices first: is it of one piece, and where are specks."""
    pieces, count = ndimage.label(here, np.ones((3, 3, 3), bool))
    sizes, known = np.zeros((2, count + 1), np.int64)
    for plane, labelled in zip(pieces, settled, strict=True):  # else it takes memory
        sizes += np.bincount(plane.reshape(-1), minlength=count + 1)
        known += np.bincount(plane[labelled], minlength=count + 1)
    sizes[0] = known[0] = 0
    unknown = (sizes > 0) & (known == 0)
    specks = unknown & (sizes < share * sizes.max())
    for large in np.flatnonzero(unknown & ~specks & (sizes < sizes.max())):
        areas = (pieces == large).sum(axis=(1, 2))
        specks[large] = areas[beside].sum() >= CONTRADICTED * areas.max()
    enough = settled.any(axis=(1, 2)).sum() >= LEAST_SLICES
    one = bool(known.max() >= TOGETHER * known.sum()) if enough else None
    return one, specks[pieces]
