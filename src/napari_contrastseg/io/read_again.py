"""Images that are read from their files when asked for, and let go in between."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Read = Callable[[], Sequence[NDArray[Any]]]

#: Bytes of images that nobody holds and that are kept, for whoever asks next.
KEPT_BYTES: Final = 256 * 2**20


class _Kept:
    """Images that were read last, within a bound; at least the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[Read, tuple[NDArray[Any], ...]] = OrderedDict()

    def channels(self, read: Read) -> tuple[NDArray[Any], ...]:
        """Give an image's channels; two threads that ask at once read it once."""
        with self._lock:
            found = self._found.get(read)
            if found is None:
                found = tuple(np.asarray(channel) for channel in read())
                self._found[read] = found
            self._found.move_to_end(read)
            while len(self._found) > 1 and self._bytes() > KEPT_BYTES:
                self._found.popitem(last=False)
            return found

    def _bytes(self) -> int:
        return sum(c.nbytes for found in self._found.values() for c in found)


_KEPT: Final = _Kept()


class ReadAgain:
    """One channel of an image that may not be in memory; sliced as an array is.

    Attributes
    ----------
    shape : (3,) int
    dtype : numpy dtype
    """

    ndim = 3

    def __init__(
        self, read: Read, number: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._read, self._number = read, number
        self.shape, self.dtype = shape, dtype

    @property
    def nbytes(self) -> int:
        """Bytes that it takes while it is in memory."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        return self._channel()[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = self._channel()
        return np.array(found, dtype) if copy else np.asarray(found, dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Reach another process as an array: how it is read is known here alone."""
        return np.asarray, (self._channel(),)

    def _channel(self) -> NDArray[Any]:
        return _KEPT.channels(self._read)[self._number]


def read_when_asked(
    read: Read, shape: tuple[int, ...], dtypes: Sequence[np.dtype[Any]]
) -> tuple[ReadAgain, ...]:
    """Make the channels of an image that `read` reads, without reading it."""
    return tuple(ReadAgain(read, n, shape, dtype) for n, dtype in enumerate(dtypes))
