"""Whole numbers of a mask that was stored as floats: rounded, with a word of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: What a stored number may be off the whole one that was meant, from rounding.
MEANT: Final = 1e-3
#: Part of the labelled voxels that hold fractions, from which it is not a mask.
_MOSTLY: Final = 0.5
LARGEST: Final = 2**53


@dataclass(frozen=True, eq=False)
class WholeNumbers:
    """Values of a mask as whole numbers.

    Attributes
    ----------
    values : array of int or bool
    known : array of bool, or None
        Where there is a number at all; None: everywhere.
    rounded : int
        Voxels that were a little off a whole number.
    fractions : int
        Voxels that held a fraction.
    """

    values: NDArray[Any]
    known: NDArray[np.bool_] | None = None
    rounded: int = 0
    fractions: int = 0

    @property
    def missing(self) -> int:
        """Voxels that hold no number."""
        return 0 if self.known is None else int(self.known.size - self.known.sum())


def whole_numbers(name: object, array: NDArray[Any]) -> WholeNumbers:
    """Round the values of a mask to whole numbers, unless they are whole.

    Parameters
    ----------
    name : object
        For messages.
    array : array of numbers or bools

    Raises
    ------
    InputError
        It holds complex or huge numbers, or fractions nearly everywhere.
    """
    if array.dtype.kind == "b":
        return WholeNumbers(array)
    if array.dtype.kind in "iu":
        if array.dtype == np.uint64 and array.size and int(array.max()) > LARGEST:
            raise InputError(f"{name}: holds the value {array.max()}, too large here.")
        return WholeNumbers(array)
    if array.dtype.kind != "f":
        raise InputError(f"{name}: holds {array.dtype} values, not class numbers.")
    return _rounded(name, array)


def _rounded(name: object, array: NDArray[Any]) -> WholeNumbers:
    values = np.zeros(array.shape, np.int64)
    known = np.ones(array.shape, np.bool_)
    off = fractions = labelled = 0
    for plane, value, here in _planes(array, values, known):
        here[...] = np.isfinite(plane)
        finite = np.where(here, plane, 0).astype(np.float64)
        whole = np.floor(finite + 0.5)  # one half is not rounded to even
        if np.abs(whole).max(initial=0) > LARGEST:
            raise InputError(
                f"{name}: holds the value {whole.max():g}, too large here."
            )
        apart = np.abs(finite - whole)
        off += int(((apart > 0) & (apart <= MEANT)).sum())
        fractions += int((apart > MEANT).sum())
        labelled += int((np.abs(finite) > MEANT).sum())
        value[...] = whole
    span = int(values.max(initial=0)) - int(values.min(initial=0))
    if span > 1 and fractions > _MOSTLY * labelled:
        raise InputError(
            f"{name}: holds fractions in {plural(fractions, 'voxel')}, so that it is "
            "an image and not a mask of class numbers."
        )
    return WholeNumbers(values, None if known.all() else known, off, fractions)


def _planes(*arrays: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Go through arrays of one shape plane by plane, as views."""
    return zip(*(a if a.ndim > 1 else a[None] for a in arrays), strict=True)
