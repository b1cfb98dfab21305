"""PNG and JPEG files: one picture, grey or in colours; JPEG is only read."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from napari_contrastseg.io.channels import split, volume_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.formats import ImageFormat, titles
from napari_contrastseg.io.lazy_image import stored
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.png_pixels import pixels, refuse_large, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

_SIGNATURES: Final = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff"}
_VOLUME: Final = 3


def sniff(head: bytes, *, kind: str) -> bool:
    """Whether a file begins as those of a kind do."""
    return head.startswith(_SIGNATURES[kind])


def read(path: Path, name: str, *, kind: str) -> Volume:
    """Read a picture as a volume of one slice, its rows as they are stored.

    Raises
    ------
    InputError
        It holds printing inks or several pictures, or is larger than memory.
    """
    with _opened(path, kind) as image:
        if image.mode in ("CMYK", "YCCK"):
            raise InputError(
                f"{path}: holds amounts of printing inks ({image.mode}), not of light; "
                "save it as RGB or grey."
            )
        width, height = image.size
        check_size(path, (height, width, 4), np.uint16)
        data = stored(pixels(path, image) if kind == "png" else np.asarray(image))
    samples = data.shape[-1] if data.ndim == _VOLUME else 1
    transparency = [samples - 1] if samples in (2, 4) else []
    planes = split(data, "YXS" if data.ndim == _VOLUME else "YX", transparency)
    channels = [plane[None] for plane in planes]
    return volume_of(path, kind, name, channels, np.ones(3), unit="pixel")


def count_voxels(path: Path, *, kind: str) -> int:
    """Count the pixels that the header declares."""
    with _opened(path, kind) as image:
        width, height = image.size
    return int(width * height)


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Image.Image]:
    # by name and content: other formats that Pillow knows start programs of their own
    if kind == "png":
        verify(path)
    with Image.open(path, formats=[kind.upper()]) as image:
        # a JPEG's further pictures are previews, or a phone's view for the other eye
        if kind == "png" and getattr(image, "n_frames", 1) > 1:
            raise InputError(f"{path}: holds several pictures; save one in each file.")
        yield image


def write_png(path: Path, array: NDArray[Any], _volume: Volume) -> None:
    """Write the one slice of an array."""
    if len(array) != 1:
        others = titles(many_slices=True)
        raise InputError(f"{path}: PNG holds one slice; write {others} instead.")
    refuse_large(path, array)
    with replacing(path) as temporary:
        Image.fromarray(array[0]).save(temporary, "PNG")


PNG: Final = ImageFormat(
    name="png",
    title="PNG",
    endings=(".png",),
    sniff=partial(sniff, kind="png"),
    read=partial(read, kind="png"),
    count_voxels=partial(count_voxels, kind="png"),
    write=write_png,
    many_slices=False,
    real_values=False,
)
JPEG: Final = ImageFormat(  # not written: packing changes masks
    name="jpeg",
    title="JPEG",
    endings=(".jpg", ".jpeg"),
    sniff=partial(sniff, kind="jpeg"),
    read=partial(read, kind="jpeg"),
    count_voxels=partial(count_voxels, kind="jpeg"),
    many_slices=False,
    real_values=False,
    mask_ending=".png",
)
FORMAT = (PNG, JPEG)
