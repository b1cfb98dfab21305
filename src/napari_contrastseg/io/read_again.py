"""Images that are read from their files when asked for, and let go in between."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

    Read = Callable[[], Sequence[NDArray[Any]]]

#: Bytes of images that nobody holds and that are kept, for whoever asks next.
KEPT_BYTES: Final = 256 * 2**20


class _Image:
    """The channels of one image: in memory while it is held, else read again."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.lock = threading.RLock()
        self.held: tuple[NDArray[Any], ...] | None = None

    def channels(self) -> tuple[NDArray[Any], ...]:
        with self.lock:
            if self.held is not None:
                return self.held
            found = _KEPT.get(self)
            if found is None:
                found = tuple(np.asarray(channel) for channel in self.read())
                _KEPT.put(self, found)
            return found

    def hold(self) -> None:
        with self.lock:
            self.held = self.channels()
            _KEPT.drop(self)

    def let_go(self) -> None:
        with self.lock:
            self.held = None
            _KEPT.drop(self)


class _Kept:
    """Images that were read last, within a bound."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[_Image, tuple[NDArray[Any], ...]] = OrderedDict()

    def get(self, image: _Image) -> tuple[NDArray[Any], ...] | None:
        with self._lock:
            found = self._found.get(image)
            if found is not None:
                self._found.move_to_end(image)
            return found

    def put(self, image: _Image, found: tuple[NDArray[Any], ...]) -> None:
        with self._lock:
            self._found[image] = found
            while len(self._found) > 1 and self._bytes() > KEPT_BYTES:
                self._found.popitem(last=False)

    def drop(self, image: _Image) -> None:
        with self._lock:
            self._found.pop(image, None)

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
        self, image: _Image, number: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._image, self._number = image, number
        self.shape, self.dtype = shape, dtype

    @property
    def nbytes(self) -> int:
        """Bytes that it takes while it is in memory."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        return self._image.channels()[self._number][key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = self._image.channels()[self._number]
        return np.array(found, dtype) if copy else np.asarray(found, dtype)

    def hold(self) -> None:
        """Read the image, and keep it in memory."""
        self._image.hold()

    def let_go(self) -> None:
        """Let its memory go."""
        self._image.let_go()

    @property
    def held(self) -> bool:
        """Whether it stays in memory."""
        return self._image.held is not None


def read_when_asked(
    read: Read, shape: tuple[int, ...], dtypes: Sequence[np.dtype[Any]]
) -> tuple[ReadAgain, ...]:
    """Make the channels of an image that `read` reads, without reading it."""
    image = _Image(read)
    return tuple(ReadAgain(image, n, shape, dtype) for n, dtype in enumerate(dtypes))


def held(volume: Volume, read: Read) -> Volume:
    """Let a volume that is in memory be let go, and read again by `read`."""
    arrays = tuple(np.asarray(channel) for channel in volume.data)
    channels = read_when_asked(read, volume.shape, [a.dtype for a in arrays])
    if channels:
        channels[0]._image.held = arrays  # noqa: SLF001  read a moment ago
    return replace(volume, data=channels)


def hold(volume: Volume) -> None:
    """Have a volume's image in memory until `let_go`."""
    for channel in volume.data:
        if isinstance(channel, ReadAgain):
            channel.hold()


def let_go(volume: Volume) -> None:
    """Let the memory of a volume's image go, if it can be read again."""
    for channel in volume.data:
        if isinstance(channel, ReadAgain):
            channel.let_go()
