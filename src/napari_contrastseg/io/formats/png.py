"""PNG files: one picture, grey or in colours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from napari_contrastseg.io.channels import split, volume_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.formats import ImageFormat, titles
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.png_pixels import pixels, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

_NAME: Final = "png"
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_VOLUME: Final = 3


def sniff(head: bytes) -> bool:
    """Whether a file begins as PNG files do."""
    return head.startswith(_SIGNATURE)


def read(path: Path, name: str) -> Volume:
    """Read a picture as a volume of one slice."""
    with _opened(path) as image:
        width, height = image.size
        check_size(path, (height, width, 4), np.uint16)
        data = pixels(path, image)
    samples = data.shape[-1] if data.ndim == _VOLUME else 1
    transparency = [samples - 1] if samples in (2, 4) else []
    planes = split(data, "YXS" if data.ndim == _VOLUME else "YX", transparency)
    return volume_of(
        path, _NAME, name, [p[None] for p in planes], np.ones(3), unit="pixel"
    )


def count_voxels(path: Path) -> int:
    """Count the pixels that the header declares."""
    with _opened(path) as image:
        width, height = image.size
    return int(width * height)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    # by name and content: other formats that Pillow knows start programs of their own
    verify(path)
    with Image.open(path, formats=["PNG"]) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise InputError(f"{path}: holds several pictures; save one in each file.")
        yield image


def write(path: Path, array: NDArray[Any], _volume: Volume) -> None:
    """Write the one slice of an array."""
    if len(array) != 1:
        others = titles(many_slices=True)
        raise InputError(f"{path}: PNG holds one slice; write {others} instead.")
    with replacing(path) as temporary:
        Image.fromarray(array[0]).save(temporary, "PNG")


FORMAT = ImageFormat(
    name=_NAME,
    title="PNG",
    endings=(".png",),
    sniff=sniff,
    read=read,
    count_voxels=count_voxels,
    write=write,
    many_slices=False,
    real_values=False,
)
