"""PNG pixels in all their bits, and the checksums that nothing else looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
from PIL import Image

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

#: Places of a file's bits a sample, and of its kind of colours.
_BITS: Final = 24
_COLOURS: Final = 25
_MANY: Final = 16


def verify(path: Path) -> None:
    """Hold a file's parts against their checksums.

    Raises
    ------
    Exception
        One does not fit, or the file broke off.
    """
    with Image.open(path, formats=["PNG"]) as image:
        image.verify()


def refuse_large(path: Path, array: NDArray[Any]) -> None:
    """Refuse a mask of numbers that PNG cannot hold.

    Raises
    ------
    InputError
        It holds some below 0 or above 65535.
    """
    if array.dtype.itemsize > 2 or array.dtype.kind not in "bu":  # noqa: PLR2004
        raise InputError(
            f"{path}: PNG holds numbers from 0 to 65535, and there are others in the "
            "mask; write it in another format, TIFF or NIfTI for example."
        )


def pixels(path: Path, image: Image.Image) -> NDArray[Any]:
    """Unpack an open file, (rows, columns[, samples]); Pillow has 8 bits a colour."""
    with path.open("rb") as file:
        head = file.read(_COLOURS + 1)
    if head[_BITS] == _MANY and head[_COLOURS]:
        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    return np.asarray(image.convert("RGB") if image.mode == "P" else image)
