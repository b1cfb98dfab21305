"""Large arrays on disk: memory maps of scratch files, so that memory stays bounded.

Up to a share of `memory_bound` arrays are held in memory. What goes beyond it is mapped
from files without a name, which the system deletes with the last array that uses them,
or with the process, however that ends. Their pages are the file's: the kernel writes
them out and drops them where memory is short. Nothing is read of them after a restart.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import sys
import tempfile
import threading
import weakref
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil
from numpy.lib.array_utils import byte_bounds
from platformdirs import user_cache_path

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE, memory_bound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Environment variable that names another folder for scratch files.
SCRATCH_VARIABLE: Final = "CONTRASTSEG_SCRATCH"
#: Part of the bound that arrays held in memory may take together, and part up to which
#: a single one is always held there: a file for each of many small arrays is slower.
HELD_SHARE, SMALL_SHARE = 1 / 4, 1 / 1024
#: File systems that are memory themselves, or lie on another machine.
_UNFIT: Final = frozenset(
    {"tmpfs", "ramfs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "fuse.sshfs"}
)

# What file systems say that cannot reserve room
_CANNOT_RESERVE: Final = (errno.EOPNOTSUPP, errno.EINVAL)


class _Held:
    """Bytes of the arrays that are held in memory."""

    def __init__(self) -> None:
        self._bytes = 0
        self._lock = threading.RLock()  # an array may be freed while one is counted

    def take(self, nbytes: int) -> bool:
        """Count an array, if it may be held in memory."""
        bound = memory_bound()
        with self._lock:
            fits = self._bytes + nbytes <= bound * HELD_SHARE
            if not fits and nbytes > bound * SMALL_SHARE:
                return False
            self._bytes += nbytes
            return True

    def give_back(self, nbytes: int) -> None:
        """Count an array no longer."""
        with self._lock:
            self._bytes -= nbytes

    def fits(self, nbytes: int) -> bool:
        """Whether arrays of so many bytes may be held in memory."""
        with self._lock:
            return self._bytes + nbytes <= memory_bound() * HELD_SHARE


_held = _Held()


def zeros(shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Make an array of zeros: in memory within the bound, else on the disk.

    Raises
    ------
    InputError
        The disk has no room for it.
    """
    size = math.prod(int(n) for n in shape)
    nbytes = size * np.dtype(dtype).itemsize
    if nbytes == 0:
        return np.zeros(tuple(shape), dtype)
    if _held.take(nbytes):
        found = np.zeros(tuple(shape), dtype)
        weakref.finalize(found, _held.give_back, nbytes).atexit = False
        return found
    return on_disk(shape, dtype)


def on_disk(shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Make an array of zeros on the disk, which is not empty.

    Raises
    ------
    InputError
        The disk has no room for it.
    """
    return DiskArray(shape, dtype).array


class DiskArray:
    """An array of zeros on the disk, and its file, which large parts are written to.

    Through the map, each page of a part would first have to be asked for: that takes
    several times as long as the part itself. Where the system keeps a file and its maps
    in step at once, on Linux, a part that lies in one piece is written to the file.

    Attributes
    ----------
    array : array
        What is read.

    Raises
    ------
    InputError
        The disk has no room for it.
    """

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        size = math.prod(int(n) for n in shape)
        self._file, buffer = _mapped(size * np.dtype(dtype).itemsize)
        weakref.finalize(self, os.close, self._file)
        self.array = np.frombuffer(buffer, dtype, size).reshape(tuple(shape))

    def write(self, where: tuple[slice, ...], values: NDArray[Any]) -> None:
        """Write a part.

        Parameters
        ----------
        where : tuple of slice
            One of step 1 for each axis, with both ends.
        values : array
            Of the part's shape.

        Raises
        ------
        OSError
            The disk has no room for it.
        """
        part = self.array[where]
        if sys.platform != "linux" or not part.flags.c_contiguous:
            part[...] = values
            return
        start = byte_bounds(part)[0] - byte_bounds(self.array)[0]
        left = np.ascontiguousarray(values, part.dtype).ravel().view(np.uint8).data
        while left:
            written = os.pwrite(self._file, left, start)
            start, left = start + written, left[written:]


def lies_on_disk(array: NDArray[Any]) -> bool:
    """Whether an array, or the one that it is a view of, is one of `on_disk`."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, memoryview) and isinstance(base.obj, mmap.mmap)


def fits_memory(nbytes: int) -> bool:
    """Whether an array of so many bytes would be held in memory."""
    return nbytes <= memory_bound() * SMALL_SHARE or _held.fits(nbytes)


def copy_of(array: NDArray[Any]) -> NDArray[Any]:
    """Copy an array that is mostly zero; empty planes take no time or room."""
    twin = zeros(array.shape, array.dtype)
    for index, plane in enumerate(array):
        if plane.any():
            twin[index] = plane
    return twin


def as_type(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Give an array in a type, as it is where it has that; copied plane by plane."""
    if array.dtype == dtype:
        return array
    twin = zeros(array.shape, dtype)
    for index, plane in enumerate(array):
        twin[index] = plane
    return twin


def need_room(name: str, nbytes: int, what: str = "its labels and proposals") -> None:
    """Refuse what neither memory within the bound nor the disk has room for.

    Raises
    ------
    InputError
        Saying what `name` needs and what is free.
    """
    if _held.fits(nbytes):
        return
    folder = scratch_folder()
    free = shutil.disk_usage(folder).free
    if free < nbytes:
        raise InputError(
            f"{name}: the disk has no room for {what} (up to {amount(nbytes)} in "
            f"{folder}, where {amount(free)} are free); free some space, set "
            f"{SCRATCH_VARIABLE} to a folder on a larger disk, or {MEMORY_VARIABLE} "
            "to more memory."
        )


def scratch_folder() -> Path:
    """Folder of scratch files, on a disk of this machine as far as can be seen.

    Raises
    ------
    InputError
        The one that the environment names is not there.
    """
    chosen = os.environ.get(SCRATCH_VARIABLE)
    if not chosen:
        return _usual_folder()
    if not Path(chosen).is_dir():
        raise InputError(
            f"{chosen}: is not a folder; set {SCRATCH_VARIABLE} to one that exists."
        )
    return Path(chosen)


@cache
def _usual_folder() -> Path:
    """Choose the first of the usual folders that is neither memory nor far away."""
    own = user_cache_path("napari-contrastseg")
    mounted = {Path(p.mountpoint): p.fstype for p in psutil.disk_partitions(all=True)}
    for place in (Path(tempfile.gettempdir()), Path("/var/tmp"), own):
        parents = (place.resolve(), *place.resolve().parents)
        kind = next((mounted[p] for p in parents if p in mounted), "")
        if os.access(place, os.W_OK) and kind not in _UNFIT:
            return place
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{own}: this folder for large images cannot be made ({error.strerror}); "
            f"set {SCRATCH_VARIABLE} to a folder on a disk of this computer."
        ) from error
    return own


def _mapped(nbytes: int) -> tuple[int, mmap.mmap]:
    """Map a new file of zeros, whose room on the disk is reserved where that can be.

    Its descriptor is for the caller to close.
    """
    folder = scratch_folder()
    try:
        with tempfile.TemporaryFile(dir=folder, prefix="contrastseg-") as file:
            _reserve(file, nbytes, folder)
            buffer = mmap.mmap(file.fileno(), nbytes)
            return os.dup(file.fileno()), buffer
    except OSError as error:
        raise InputError(
            f"{folder}: has no room for {amount(nbytes)} of a large image or its "
            f"labels ({error.strerror}); free some space, or set {SCRATCH_VARIABLE} "
            "to a folder on a larger disk."
        ) from error


def _reserve(file: Any, nbytes: int, folder: Path) -> None:
    """Take room for a file now: a full disk under a memory map ends the process."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, nbytes)
        except OSError as error:
            if error.errno not in _CANNOT_RESERVE:
                raise
        else:
            return
    if shutil.disk_usage(folder).free < nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    file.truncate(nbytes)


def amount(nbytes: int) -> str:
    """Put bytes in words: "12.3 GB"."""
    if nbytes < 2**30:
        return f"{nbytes / 2**20:.0f} MB"
    return f"{nbytes / 2**30:.1f} GB"
