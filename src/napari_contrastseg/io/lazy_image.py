"""Lazy images: arrays on the disk whose chunks are read when first asked for.

An image beyond the bound of memory gets a scratch file of its size. What is asked for
is read from the image's own file into it, once, chunk by chunk, and then looked at
through a memory map, so that the process holds none of it. The image's own file is
never mapped: who writes over a mapped file changes the image, and who cuts it short
ends the process.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.lib.array_utils import byte_bounds

from napari_contrastseg.io.errors import InputError, UnreadError
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.scratch import DiskArray, fits_memory, need_room, zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import EllipsisType

    from numpy.typing import NDArray

    Where = tuple[slice, ...]
    Index = int | slice | EllipsisType | None

#: Bytes that are read at once, at most, where chunks are no larger.
_AT_ONCE: Final = 2**25
#: Bytes of a chunk, at least and for what has none of its own.
_SMALLEST: Final = 2**16
_SLAB: Final = 2**21
#: Boxes of chunks that may wait to be written while another one is read.
_LATE: Final = 2
#: Writes what was unpacked together with what somebody waits for.
_WRITER: Final = ThreadPoolExecutor(1, "scratch-writer")
_BASIC: Final = (int, np.integer, slice, type(...), type(None))


class LazyImage:
    """A view of an image whose chunks are read when first asked for.

    Indexing gives another view, as of a dask array; numpy reads it
    (``np.asarray(image[3])``) and gets an array that cannot be written.

    Parameters
    ----------
    chunks : _Chunks
    view : array
        Of the chunks' array or a part of it, in whatever order of its axes.
    """

    def __init__(self, chunks: _Chunks, view: NDArray[Any]) -> None:
        self._chunks = chunks
        self._view = view
        self.shape, self.dtype = view.shape, view.dtype
        self.ndim, self.size, self.nbytes = view.ndim, view.size, view.nbytes

    def viewed(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> LazyImage:
        """Give the view that a change of an array without copying makes of it.

        Axes may be exchanged, mirrored, cut, left out or added with length one, not
        joined.
        """
        return LazyImage(self._chunks, change(self._view))

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(one, _BASIC) for one in keys):
            return np.asarray(self)[key]
        if ... not in keys:
            keys = (*keys, ...)  # so that a voxel, too, is a view
        return self.viewed(lambda view: view[keys])

    @property
    def T(self) -> LazyImage:  # noqa: N802  numpy's name
        """Exchange all axes, as of an array."""
        return self.transpose()

    def transpose(self, *axes: Any) -> LazyImage:
        """Exchange axes, as of an array."""
        return self.viewed(lambda view: view.transpose(*axes))

    def squeeze(self, axis: Any = None) -> LazyImage:
        """Leave out axes of length one, as of an array."""
        return self.viewed(lambda view: view.squeeze(axis))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read it all.

        Raises
        ------
        UnreadError
            A chunk cannot be read.
        """
        self._chunks.read(self._view)
        found = self._view.view()
        found.flags.writeable = False
        if dtype is not None and found.dtype != dtype:
            return found.astype(dtype)
        return found.copy() if copy else found

    def __reduce__(self) -> tuple[Any, ...]:
        """Reach another process as a whole array."""
        return np.asarray, (np.asarray(self),)

    def _lies_beside(self, other: LazyImage) -> bool:
        """Whether another channel is of the same file and order."""
        same = other._chunks is self._chunks
        return same and other._view.strides == self._view.strides

    def with_samples(self, others: Sequence[Self]) -> LazyImage | None:
        """Give this and other channels along a last axis, if the file has them so."""
        at = [byte_bounds(one._view)[0] for one in (self, *others)]  # noqa: SLF001
        steps = {int(step) for step in np.diff(at)}
        if not all(map(self._lies_beside, others)) or len(steps) != 1:
            return None
        return self.viewed(
            lambda view: np.lib.stride_tricks.as_strided(
                view, (*view.shape, len(at)), (*view.strides, *steps)
            )
        )


class _Chunks:
    """The scratch file of an image, and which of its chunks have been read."""

    def __init__(
        self,
        name: object,
        disk: DiskArray,
        chunk: tuple[int, ...],
        read: Callable[[Where], Any],
    ) -> None:
        self._name, self._read = name, read
        self._disk, self._array, self._chunk = disk, disk.array, chunk
        shape = disk.array.shape
        grid = [-(-n // size) for n, size in zip(shape, chunk, strict=True)]
        self._there = np.zeros(grid, np.bool_)
        self._lock = threading.Lock()
        self._late: list[tuple[Where, Future[None]]] = []

    def read(self, view: NDArray[Any]) -> None:
        """Read the chunks that a view of the array touches, where they are not yet."""
        if not view.size:
            return
        box = self._box(view)
        every = tuple(
            slice(along.start // size, (along.stop - 1) // size + 1)
            for along, size in zip(box, self._chunk, strict=True)
        )
        if self._there[every].all():
            return
        for part in self._parts(every):
            if self._there[part].all():
                continue
            with self._lock:
                self._wait_for(part)
                if not self._there[part].all():
                    self._fill(part, box)

    def _box(self, view: NDArray[Any]) -> Where:
        """Give the box of the array in which a view of it lies."""
        start = byte_bounds(self._array)[0]
        ends = (at - start for at in byte_bounds(view))
        low, high = next(ends), next(ends) - 1
        # a view keeps the axes' directions apart, so that its ends are a box's corners
        shape, itemsize = self._array.shape, self._array.itemsize
        first, last = (np.unravel_index(at // itemsize, shape) for at in (low, high))
        return tuple(
            slice(int(i), int(j) + 1) for i, j in zip(first, last, strict=True)
        )

    def _parts(self, every: Where) -> Iterator[Where]:
        """Cut a box of chunks into boxes that are read at once, in the file's order."""
        room = _AT_ONCE // (math.prod(self._chunk) * self._array.itemsize)
        steps: list[range] = []
        for along in reversed(every):
            step = min(max(room, 1), along.stop - along.start)
            steps.insert(0, range(along.start, along.stop, step))
            room //= step
        for starts in product(*steps):
            yield tuple(
                slice(start, min(start + one.step, one.stop))
                for start, one in zip(starts, steps, strict=True)
            )

    def _fill(self, part: Where, box: Where) -> None:
        """Read a box of chunks; what is not asked for now is written a little later.

        So a slice is there once its chunks are unpacked, however thick they are.
        """
        where = tuple(
            slice(along.start * size, min(along.stop * size, n))
            for along, size, n in zip(part, self._chunk, self._array.shape, strict=True)
        )
        asked = tuple(
            slice(max(mine.start, one.start), min(mine.stop, one.stop))
            for mine, one in zip(where, box, strict=True)
        )
        try:
            values = np.asarray(self._read(where))
            if 2 * _voxels(asked) > _voxels(where):
                self._write(part, where, values)
                return
            inside = tuple(
                slice(one.start - mine.start, one.stop - mine.start)
                for mine, one in zip(where, asked, strict=True)
            )
            self._disk.write(asked, values[inside])
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise unread(self._name, error) from error
        written = _WRITER.submit(self._write, part, where, values)
        self._late.append((part, written))

    def _wait_for(self, part: Where) -> None:
        """Wait until nothing of a part is still to be written, and little else is."""
        late = [one for one in self._late if not one[1].done()]
        over = len(late) - _LATE
        meets = [n < over or _meet(where, part) for n, (where, _) in enumerate(late)]
        wait([one for (_, one), need in zip(late, meets, strict=True) if need])
        self._late = [one for one in late if not one[1].done()]

    def _write(self, part: Where, where: Where, values: NDArray[Any]) -> None:
        self._disk.write(where, values)
        self._there[part] = True


def _meet(one: Where, other: Where) -> bool:
    """Whether two boxes have something in common."""
    both = zip(one, other, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in both)


def _voxels(box: Where) -> int:
    return math.prod(along.stop - along.start for along in box)


def unread(name: object, error: Exception) -> UnreadError:
    """Say that a part of an image could not be read."""
    cause = " ".join(str(error).split()) or type(error).__name__
    return UnreadError(
        f"{name}: a part of its image could not be read ({cause[:120]}); "
        "see that the file or drive it comes from is there, and try again."
    )


def is_lazy(shape: Sequence[int], dtype: Any) -> bool:
    """Whether an image is beyond what is held in memory."""
    return not fits_memory(math.prod(map(int, shape)) * np.dtype(dtype).itemsize)


def lazy_image(
    name: object,
    shape: Sequence[int],
    dtype: Any,
    read: Callable[[Where], Any],
    chunk: Sequence[int] | None = None,
) -> LazyImage:
    """Make an image that is read when it is asked for.

    Parameters
    ----------
    name : object
        For messages.
    shape, dtype
        Axes in the file's order, the slowest first.
    read : box of slices -> array
        Read a part; it begins and ends with chunks.
    chunk : sequence of int, optional
        What the file packs at once; thick slabs by default.

    Raises
    ------
    InputError
        The disk has no room for it; `check_image` says so before.
    """
    shape, dtype = tuple(map(int, shape)), np.dtype(dtype)
    found = slab(shape, dtype) if chunk is None else _grown(chunk, shape, dtype)
    disk = DiskArray(shape, dtype)
    return LazyImage(_Chunks(name, disk, found, read), disk.array)


def lazily(name: object, array: Any) -> Any:
    """Give an array of chunks (dask, zarr) that is read once, when it is asked for.

    What numpy holds, and what is small, stays as it is.

    Raises
    ------
    InputError
        The disk has no room for it.
    """
    held = isinstance(array, np.ndarray | LazyImage)
    if held or not is_lazy(array.shape, array.dtype):
        return array
    check_image(name, array.shape, array.dtype)
    cuts = getattr(array, "chunks", None)  # dask has a size for each chunk
    chunk = cuts and [n if isinstance(n, int) else n[0] for n in cuts]
    return lazy_image(name, array.shape, array.dtype, array.__getitem__, chunk)


def unread_array(array: Any) -> Any:
    """Give an array as numpy's, but an image that is read when it is asked for."""
    return array if isinstance(array, LazyImage) else np.asarray(array)


def check_image(name: object, shape: Sequence[int], dtype: Any) -> None:
    """Refuse an image that free memory, or the disk where it is lazy, has no room for.

    Raises
    ------
    InputError
        Saying what it declares and what is free.
    """
    if not is_lazy(shape, dtype):
        check_size(name, (2, *shape), dtype)  # held twice for a moment
        return
    nbytes = math.prod(map(int, shape)) * np.dtype(dtype).itemsize
    size = " x ".join(map(str, shape))
    need_room(str(name), nbytes, f"its image of {size} voxels")


def filled_image(
    shape: Sequence[int], dtype: Any, read: Callable[[Where], Any]
) -> NDArray[Any]:
    """Read an image now, slab by slab in the file's order, to the disk if it is large.

    Parameters
    ----------
    shape, dtype, read
        As of `lazy_image`.
    """
    array = zeros(shape, dtype)
    chunk = slab(shape, dtype)
    cuts = [range(0, n, step) for n, step in zip(shape, chunk, strict=True)]
    count = math.prod(map(len, cuts))
    for number, starts in enumerate(product(*cuts)):
        went_on(number / count)
        along = zip(starts, chunk, shape, strict=True)
        where = tuple(slice(at, min(at + step, n)) for at, step, n in along)
        array[where] = read(where)
    return array


def stored(array: NDArray[Any]) -> NDArray[Any]:
    """Give an array, copied to the disk where it is beyond what memory holds."""
    if not is_lazy(array.shape, array.dtype):
        return array
    return filled_image(array.shape, array.dtype, array.__getitem__)


def slab(shape: Sequence[int], dtype: Any) -> tuple[int, ...]:
    """Choose a thickness along the slowest axes whose slabs lie in one piece."""
    chunk = list(shape)
    for axis in range(len(chunk)):
        behind = math.prod(shape[axis + 1 :]) * np.dtype(dtype).itemsize
        chunk[axis] = min(max(_SLAB // behind, 1), shape[axis])
        if behind <= _SLAB:
            break
    return tuple(chunk)


def _grown(
    chunk: Sequence[int], shape: Sequence[int], dtype: np.dtype[Any]
) -> tuple[int, ...]:
    """Take several small chunks as one."""
    found = [min(int(n), size) for n, size in zip(chunk, shape, strict=True)]
    for axis in reversed(range(len(found))):
        lacking = _SMALLEST // (math.prod(found) * dtype.itemsize)
        found[axis] = min(found[axis] * max(lacking, 1), shape[axis])
    return tuple(found)


def viewed(array: Any, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
    """Change how an array is looked at, without copying or reading it."""
    if isinstance(array, LazyImage):
        return array.viewed(change)
    return change(np.asarray(array))


def unchanged(path: Path) -> Callable[[], None]:
    """Give a check that a file is still the one it is now, by its size and time.

    Raises
    ------
    UnreadError
        When it is not; what was read of it before is as it was.
    """
    then = path.stat()

    def check() -> None:
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            raise UnreadError(
                f"{path}: has changed since it was opened, so that the rest of it is "
                "not read; add it again."
            )

    return check
