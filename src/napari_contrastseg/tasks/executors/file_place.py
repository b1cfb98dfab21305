"""Place of a memory-mapped array in its file, so that another process can map it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FilePlace:
    """Where the numbers of an array, or of a view of one, lie in a file.

    Attributes
    ----------
    path : Path
    begin, nbytes : int
        The part of the file that is mapped.
    first : int
        Bytes from there to the array's first number.
    strides : tuple of int, bytes
    """

    path: Path
    begin: int
    nbytes: int
    first: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def mapped(self) -> NDArray[Any]:
        """Map the file; what is written to the array stays in this process."""
        whole = np.memmap(self.path, np.uint8, "c", self.begin, (self.nbytes,))
        return np.ndarray(self.shape, self.dtype, whole, self.first, self.strides)


def place_in_file(array: NDArray[Any]) -> FilePlace | None:
    """Find the named file that an array is mapped from, be it a view; else None."""
    whole: Any = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    named = isinstance(whole, np.memmap) and isinstance(whole.base, mmap.mmap)
    if not named or whole.filename is None or array.dtype.hasobject:
        return None
    path = Path(whole.filename)
    if not path.is_file() or path.stat().st_size < whole.offset + whole.nbytes:
        return None
    return FilePlace(
        path,
        whole.offset,
        whole.nbytes,
        _address(array) - _address(whole),
        array.dtype,
        array.shape,
        array.strides,
    )


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
