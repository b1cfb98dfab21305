"""JPEG files: one picture, grey or in colours; read only, for packing changes masks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_contrastseg.io.channels import split, volume_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import ImageFormat
from napari_contrastseg.io.limits import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_contrastseg.io.volume import Volume

_NAME: Final = "jpeg"
_MODES: Final = ("L", "RGB")


def sniff(head: bytes) -> bool:
    """Whether a file begins as JPEG files do."""
    return head.startswith(b"\xff\xd8\xff")


def read(path: Path, name: str) -> Volume:
    """Read a picture as a volume of one slice, its rows as they are stored.

    Raises
    ------
    InputError
        It holds printing inks, or is larger than memory.
    """
    with _opened(path) as image:
        if image.mode not in _MODES:
            raise InputError(
                f"{path}: holds amounts of printing inks ({image.mode}), not of light; "
                "save it as RGB or grey."
            )
        width, height = image.size
        check_size(path, (height, width, 4))
        data = np.asarray(image)
    planes = split(data, "YXS" if image.mode == "RGB" else "YX")
    channels = [plane[None] for plane in planes]
    return volume_of(path, _NAME, name, channels, np.ones(3), unit="pixel")


def count_voxels(path: Path) -> int:
    """Count the pixels that the header declares."""
    with _opened(path) as image:
        width, height = image.size
    return int(width * height)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # by name and content: other formats that Pillow knows start programs of their own
    with Image.open(path, formats=["JPEG"]) as image:
        yield image


FORMAT = ImageFormat(
    name=_NAME,
    title="JPEG",
    endings=(".jpg", ".jpeg"),
    sniff=sniff,
    read=read,
    count_voxels=count_voxels,
    many_slices=False,
    real_values=False,
    mask_ending=".png",
)
