"""Masks in a picture with a palette: its numbers are the classes, not its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PNG: Final = b"\x89PNG"
_TIFF: Final = (b"II", b"MM")


def palette_numbers(path: Path) -> NDArray[Any] | None:
    """Read the numbers of a picture's palette; None of files without one.

    The file is one that was read as an image before, so that it is whole.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(len(_PNG))
    if head == _PNG:
        from PIL import Image  # noqa: PLC0415

        with Image.open(path, formats=["PNG"]) as picture:
            return np.asarray(picture) if picture.mode == "P" else None
    if head[:2] not in _TIFF:
        return None
    import tifffile  # noqa: PLC0415

    # _multifile: an OME file may name any other file as a part of it
    with tifffile.TiffFile(path, _multifile=False) as tif:
        if tif.pages.first.photometric != tifffile.PHOTOMETRIC.PALETTE:
            return None
        return np.asarray(tif.asarray())
