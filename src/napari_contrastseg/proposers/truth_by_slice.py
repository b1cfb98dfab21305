"""What is known of a volume, slice by slice: slices without labels take no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_UNKNOWN = -1


class TruthBySlice(NDArrayOperatorsMixin):
    """The truth of a volume of which some slices are known.

    Arithmetic with all of it works as with an array, and takes an array's memory.

    Parameters
    ----------
    shape : (int, int, int)
        Slices, and their pixels.
    planes : mapping of slice number to (y, x) int16
        Of those slices; nothing is known of the others.
    """

    ndim = 3
    dtype = np.dtype(np.int16)

    def __init__(
        self, shape: Sequence[int], planes: Mapping[int, NDArray[np.integer]]
    ) -> None:
        count, rows, columns = map(int, shape)  # some come as numpy's
        self.shape = (count, rows, columns)
        self.planes = {index: planes[index] for index in sorted(planes)}
        self._nothing = np.broadcast_to(np.int16(_UNKNOWN), self.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | tuple[Any, ...]) -> NDArray[np.integer]:
        index, *rest = key if isinstance(key, tuple) else (key,)
        plane = self.planes.get(range(len(self))[index], self._nothing)
        return np.asarray(plane[tuple(rest)])

    def __iter__(self) -> Iterator[NDArray[np.integer]]:
        return map(self.__getitem__, range(len(self)))

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
    ) -> Any:
        """Calculate with all slices."""
        arrays = [np.asarray(i) if isinstance(i, TruthBySlice) else i for i in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Put all slices into an array, for small volumes."""
        return np.array(np.stack([*self]), dtype)
