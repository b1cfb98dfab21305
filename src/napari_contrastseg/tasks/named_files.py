"""Errors about an image name its file, as the command line does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_contrastseg.io.volume import Volume


@contextmanager
def naming_files(volumes: Iterable[Volume]) -> Iterator[None]:
    """Put the file's path where a message begins with the id of one of the volumes."""
    try:
        yield
    except InputError as error:
        text = str(error)
        for volume in volumes:
            begin, file = f"{volume.id}: ", volume.source.path
            plain = type(error).__init__ is InputError.__init__
            if plain and file is not None and text.startswith(begin):
                said = f"{file}: {text.removeprefix(begin)}"
                raise type(error)(said) from error
        raise
