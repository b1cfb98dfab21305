"""Large arrays of a job, kept by a worker so that each travels once.

::

    asker: missing(job's files) --> those that the worker neither has nor reads itself
    asker: put(digest, offset, bytes) ... --> stored; a later job finds them there
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from napari_contrastseg.tasks.cluster.parcel import (
    Parcel,
    digest_of,
    full_disk,
    is_disk_full,
)

#: Bytes of a file that are sent at once.
PART_BYTES: Final = 16 * 2**20
_STORE: Final = "contrastseg-data"


async def missing(files: Parcel, into: str, store: str) -> list[str]:
    """Put the files that are here into a folder; list the digests of the others.

    What the worker stores for another job is deleted.

    Parameters
    ----------
    files : Parcel
        Without their bytes.
    into : str
        The job's own folder on this worker.
    store : str
        The worker's: see `store_of`.
    """
    return await asyncio.to_thread(_missing, files, Path(into), Path(store))


def _missing(files: Parcel, into: Path, store: Path) -> list[str]:
    wanted = {file.digest for file in files.files}
    for path in store.iterdir():
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    left: dict[str, None] = {}
    for file in files.files:
        shared, kept = Path(files.root, file.name), store / file.digest
        if kept.is_file():
            _give(kept, into / file.name)
        elif _is(shared, file.digest):
            _give(shared, into / file.name)
        else:
            left[file.digest] = None
    return list(left)


def put(store: str, digest: str, offset: int, data: bytes) -> None:
    """Store a part of a file; the first part replaces what was there.

    Raises
    ------
    InputError
        The disk of this worker is full.
    """
    try:
        with Path(store, f"{digest}.part").open("r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(data)
    except OSError as error:
        if is_disk_full(error):
            raise full_disk() from error
        raise


def complete(store: str, digest: str) -> None:
    """Take a stored file as whole."""
    Path(store, f"{digest}.part").replace(Path(store, digest))


def part_of(path: str, offset: int) -> bytes:
    """Read a part of a file of this worker."""
    with Path(path).open("rb") as file:
        file.seek(offset)
        return file.read(PART_BYTES)


def store_of(worker: Any) -> Path:
    """Give the folder in which a worker stores data; Dask deletes it at its end."""
    folder = Path(worker.local_directory) / _STORE
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is(path: Path, digest: str) -> bool:
    with suppress(OSError):
        return digest_of(path) == digest
    return False


def _give(source: Path, target: Path) -> None:
    """Let a job have a file, without a copy where the disk is the same."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
