"""Send files to workers: by path if a worker reads the same file, else as bytes."""

from __future__ import annotations

import errno
import hashlib
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.images import stem_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class NotSharedError(Exception):
    """A worker does not read the same files under the same paths."""


@dataclass(frozen=True)
class PackedFile:
    """A file of a parcel.

    Attributes
    ----------
    name : str
        Below the parcel's root, with ``/`` between folders.
    digest : str
        BLAKE2b of its bytes; ``""`` where only its name is of use.
    content : bytes or None
        None while a worker may read it by its path.
    """

    name: str
    digest: str
    content: bytes | None = None


@dataclass(frozen=True)
class Parcel:
    """Files below a folder of the asker's computer.

    Attributes
    ----------
    root : str
        Absolute, so that it means the same on a worker that shares it.
    files : tuple of PackedFile
    """

    root: str
    files: tuple[PackedFile, ...]

    @property
    def digest(self) -> str:
        """Hash of all names and bytes."""
        listed = "".join(f"{file.name}\0{file.digest}\0" for file in self.files)
        return hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()

    def with_content(self) -> Parcel:
        """Take the files' bytes along."""
        root = Path(self.root)
        files = tuple(
            replace(f, content=(root / f.name).read_bytes() if f.digest else b"")
            for f in self.files
        )
        return replace(self, files=files)

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Give a folder that holds the files here, for as long as it is used.

        What is wrong with them is said with the asker's paths.

        Raises
        ------
        NotSharedError
            They came without their bytes, and others or none are at their paths.
        """
        if any(file.content is None for file in self.files):
            if not self._is_here():
                raise NotSharedError
            yield Path(self.root)
            return
        with tempfile.TemporaryDirectory(prefix="contrastseg-") as folder:
            content = {file.name: file.content or b"" for file in self.files}
            with as_if_in(self.root, folder):
                write_content(Path(folder), content)
                yield Path(folder)

    def _is_here(self) -> bool:
        try:
            return all(
                digest_of(Path(self.root, file.name)) == file.digest
                for file in self.files
                if file.digest
            )
        except OSError:
            return False


def pack(root: Path, paths: Iterable[Path], names_only: Iterable[Path] = ()) -> Parcel:
    """List files below `root`, and all that folders among them hold.

    Parameters
    ----------
    root : Path
    paths : iterable of Path
    names_only : iterable of Path
        Those of them whose bytes are of no use.
    """
    empty = {path.relative_to(root) for path in names_only}
    found = sorted({p.relative_to(root) for path in paths for p in _plain(path)})
    files = [
        PackedFile(name.as_posix(), "" if name in empty else digest_of(root / name))
        for name in found
    ]
    return Parcel(str(root.absolute()), tuple(files))


def _plain(path: Path) -> Iterable[Path]:
    if path.is_dir():
        return (p for p in path.rglob("*") if p.is_file())
    return [path]


def with_companions(file: Path) -> Iterator[Path]:
    """Give a file, and those of the same name with another ending.

    A header may have its voxels in a file beside it.
    """
    yield file
    if file.is_dir():
        return
    beginning = f"{stem_of(file)}."
    for other in file.parent.iterdir():
        if other != file and other.is_file() and other.name.startswith(beginning):
            yield other


@contextmanager
def as_if_in(folder: str, here: str) -> Iterator[None]:
    """Say what is wrong with files as if they were in another folder.

    A disk that is full is this worker's, though.

    Raises
    ------
    InputError
    """
    try:
        yield
    except InputError as error:
        if is_disk_full(error):
            raise full_disk() from error
        said = str(error)
        if here not in said:
            raise
        raise type(error)(said.replace(here, folder)) from error


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error was raised because a disk is full."""
    cause = error.__cause__ if isinstance(error, InputError) else error
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(cause, OSError) and cause.errno in full


def full_disk() -> InputError:
    """Say that the disk of this worker is full."""
    return InputError(
        f"The disk of worker {socket.gethostname()} is full: free some space in "
        f"{tempfile.gettempdir()} there, or start it with TMPDIR set to a folder on a "
        "larger disk."
    )


def digest_of(path: Path) -> str:
    """Hash a file's bytes.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def content_of(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder, by their names within it."""
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def write_content(folder: Path, content: Mapping[str, bytes]) -> None:
    """Write files below a folder, in the order given, each replaced at once.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written.
    """
    for name, data in content.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(data)
